"""Saves and asks, with nothing in between: ``python -m tests.benchmarks.freshness`` (Linux).

Django's command and ours serve the same project, one after the other. First pairs of a save and a request, of all kinds
(``tests/pairs.py``); then clients that ask all the time on connections that are kept, through many reloads. With
``--asgi`` the project is served by ASGI: by daphne's command, and by ours.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import threading
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path

from tests.benchmarks.__main__ import machine, progress
from tests.benchmarks.measure import SERVERS, free_port
from tests.benchmarks.processes import end_in_order
from tests.live import Server, copy_testproject, get, replace, wait_for
from tests.pairs import PARTS, Client, add_probe, stories

SETTINGS = {
    "stock": 'from bookshop.settings import *\n\nINSTALLED_APPS = [a for a in INSTALLED_APPS if a != "devrunserver"]\n',
    "ours": "from bookshop.settings import *\n",
}
BY_ASGI = {"stock": 'INSTALLED_APPS = ["daphne", *INSTALLED_APPS]\n', "ours": 'DEVRUNSERVER = {"ASGI": True}\n'}
MARKED = "html-00000"  # what the page of a server that is ready holds
CLIENTS = 50
MISSED = 6.0  # seconds after which a save that does not show never will
SIZES = 9
LONGEST = 120.0  # seconds for a client that waits in vain

Table = dict[str, Counter[str]]  # outcomes by row


def main() -> None:
    end_in_order()
    options = parse_options()
    print(machine(), flush=True)
    tables: dict[str, Table] = {}
    for name in SERVERS:
        with tempfile.TemporaryDirectory(prefix="devrunserver-benchmark-") as folder:
            settings = SETTINGS[name] + (BY_ASGI[name] if options.asgi else "")
            tables[name] = measure(Path(folder), name, settings, options.pairs, options.reloads)
    print(markdown(tables, "daphne's command" if options.asgi else SERVERS["stock"]))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.freshness", description=__doc__)
    parser.add_argument("--pairs", type=int, default=2000, help="of a save and a request, of all kinds together")
    parser.add_argument("--reloads", type=int, default=100, help=f"through which {CLIENTS} clients ask")
    parser.add_argument("--asgi", action="store_true", help="serves by ASGI, and compares with daphne's command")
    return parser.parse_args()


def measure(folder: Path, name: str, settings: str, pairs: int, reloads: int) -> Table:
    """What one server does."""
    project, posted = copy_testproject(folder), folder / "posted.log"
    add_probe(project)
    posted.touch()
    (project / f"benchmark_{name}.py").write_text(settings)
    port = free_port()
    environ = {"PROBE_LOG": str(posted)}
    with Server(project, str(port), f"--settings=benchmark_{name}", environ=environ) as server:
        server.wait_for_body(MARKED, "/probe/", port=port)
        numbers = itertools.count(1)
        table = save_and_ask(project, port, pairs, numbers, name)
        table["POST"] = count_posts(posted, table["Python, POST"].total())
        heal(server, port)
        table[f"{CLIENTS} clients"], table["saves meanwhile"] = ask_through_reloads(server, port, reloads, numbers)
        posts = count_posts(posted, table[f"{CLIENTS} clients"].total() + table["Python, POST"].total())
        table[f"POST of {CLIENTS} clients"] = posts
    return table


def save_and_ask(project: Path, port: int, pairs: int, numbers: itertools.count[int], name: str) -> Table:
    table: Table = defaultdict(Counter)
    kinds = stories()
    for number, story in enumerate(kinds):
        progress(f"{SERVERS[name]}: {story.part}, {story.save}, {story.connection}")
        # so that all together are as many as asked for
        story.run(project, port, pairs * (number + 1) // len(kinds) - pairs * number // len(kinds), numbers)
        table[story.part] += story.outcomes
    return table


def count_posts(log: Path, sent: int) -> Counter[str]:
    """How many of the requests that were sent have reached a view never, once, or more often."""
    counts = Counter(log.read_text().split())
    return Counter(
        once=sum(count == 1 for count in counts.values()),
        doubled=sum(count > 1 for count in counts.values()),
        lost=sent - len(counts),
    )


def heal(server: Server, port: int) -> None:
    """Brings a server back that has read a half-written file, or trusts old bytecode: by a save of another size."""
    part, number = PARTS["Python"], 99_999
    replace(server.project / part.file, f"{part.text(number)}# healed\n")
    server.wait_for_body(part.mark(number), "/probe/", port=port)


def ask_through_reloads(
    server: Server, port: int, reloads: int, numbers: itertools.count[int]
) -> tuple[Counter[str], Counter[str]]:
    """What the clients got, and whether what was saved was shown at all."""
    shown: Counter[str] = Counter()
    part, ended = PARTS["Python"], threading.Event()
    clients = [Client(port, number, ended) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        wait_for(lambda: all(client.outcomes for client in clients), "all clients ask")
        for number in itertools.islice(numbers, reloads):
            progress(f"reload {number}")
            # of another size each time: Django's command would trust old bytecode, and never be fresh
            replace(server.project / part.file, f"{part.text(number)}{'#' * (number % SIZES)}\n")
            shown[_is_shown(port, part.mark(number))] += 1
    finally:
        ended.set()
        for client in clients:
            client.join(LONGEST)
    return sum((client.outcomes for client in clients), Counter()), shown


def _is_shown(port: int, mark: str) -> str:
    """Whether a save shows at all. Django's command does not see one that comes before its first look at the files."""
    with suppress(AssertionError):
        wait_for(lambda: mark in get(port, "/probe/").body, mark, MISSED)
        return "shown"
    return "never shown"


def markdown(tables: dict[str, Table], stock: str) -> str:
    lines = [f"| | {stock} | {SERVERS['ours']} |", f"| --- |{' --- |' * len(SERVERS)}"]
    for row in tables["ours"]:
        cells = [
            ", ".join(f"{outcome} {count}" for outcome, count in sorted(tables[name][row].items())) for name in SERVERS
        ]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
