"""Compares Django's own ``runserver`` with ours, side by side and in turn: ``python -m tests.benchmarks`` (Linux)."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import django

from tests.benchmarks import chart, sizes
from tests.benchmarks.measure import FIGURES, SERVERS, Samples, measure
from tests.benchmarks.processes import end_in_order
from tests.benchmarks.projects import available


def main() -> None:
    options = parse_options()
    end_in_order()
    if options.plot or options.redraw:
        if options.plot:
            sizes.write(sizes.measure(machine(), options.plot_sizes, progress))
        chart.draw()
        return
    print(machine(), flush=True)
    for name in options.projects:
        with tempfile.TemporaryDirectory(prefix="devrunserver-benchmark-") as folder:
            progress(f"{name}: making it")
            project = available()[name](Path(folder))
            samples: dict[str, Samples] = {server: defaultdict(list) for server in SERVERS}
            for number in range(options.rounds):
                for server in SERVERS:
                    progress(f"{name}: round {number + 1} of {options.rounds}, {SERVERS[server]}")
                    measure(project, server, options.edits, options.idle, samples[server])
        print(f"\n{table(name, samples['stock'], samples['ours'])}", flush=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--projects", type=project_names, help=f"some of {','.join(available())}; default: all")
    parser.add_argument("--rounds", type=int, help="starts of each server on each project; default: 2")
    parser.add_argument("--edits", type=int, help="edits of each kind in a round; default: 2")
    parser.add_argument("--idle", type=float, metavar="SECONDS", help="to look at an idle server for; default: 3")
    parser.add_argument("--quick", action="store_true", help="two projects, one round, one edit of each kind")
    parser.add_argument(
        "--plot",
        action="store_true",
        help="measures projects of several sizes in place of all this, and draws the chart",
    )
    parser.add_argument("--redraw", action="store_true", help="draws the chart of what was measured before")
    parser.add_argument(
        "--plot-sizes",
        type=lambda text: [int(one) for one in text.split(",")],
        default=sizes.SIZES,
        metavar="N,N,...",
        help=f"about how many modules the projects of the chart have; default: {','.join(map(str, sizes.SIZES))}",
    )
    options = parser.parse_args()
    quick = {"projects": ["testproject", "generated"], "rounds": 1, "edits": 1, "idle": 2.0}
    full = {"projects": list(available()), "rounds": 2, "edits": 2, "idle": 3.0}
    for option, default in (quick if options.quick else full).items():
        if getattr(options, option) is None:
            setattr(options, option, default)
    return options


def project_names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(available()):
        raise argparse.ArgumentTypeError(f"not available: {', '.join(sorted(unknown))}")
    return names


def machine() -> str:
    return (
        f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}, "
        f"Django {django.get_version()}, load before {os.getloadavg()[0]:.1f}, {time.strftime('%Y-%m-%d')}"
    )


def table(name: str, stock: Samples, ours: Samples) -> str:
    """Markdown: a line for each figure, and how many times less ours is."""
    lines = [f"| {name} | {' | '.join(SERVERS.values())} | ratio |", "| --- | ---: | ---: | ---: |"]
    for figure in FIGURES:
        values = [figure.summary(samples[figure]) for samples in (stock, ours)]
        ratio = f"{values[0] / values[1]:.1f}" if all(values) else ""
        cells = [f"{value:.{figure.digits}f}" for value in values]
        lines.append(f"| {' | '.join((figure.title, *cells, ratio))} |")
    return "\n".join(lines)


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
