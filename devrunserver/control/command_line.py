"""``python -m devrunserver status`` and the other questions: for people as text, with ``--json`` for programs."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from devrunserver.control.client import Answer, NoServer, Target, ask, ask_routes, here

COMMANDS = {
    "status": "tells whether the server is ready, and what its last reload was",
    "wait": "returns when what was saved before is served: status 0, or 1 and the error that keeps it from being so",
    "errors": "lists the last errors, of the start, of views, and of pages in browsers",
    "requests": "lists the last requests",
    "routes": "lists the URL patterns with their views",
    "reload": "replaces the worker as if code had changed",
    "mcp": "answers a coding agent on standard input and output, by the Model Context Protocol",
}
FAILED, NO_SERVER = 1, 3  # exit statuses; 2 is argparse's
WAIT_TIMEOUT = 60.0  # seconds


def main(argv: Sequence[str]) -> int:
    """Asks the server that the command line means, and prints the answer. Returns the exit status."""
    arguments = parser().parse_args(argv)
    target = Target(here(), arguments.port)
    command = arguments.command
    if command == "mcp":
        from devrunserver.control import mcp

        return mcp.main(target.directory, target.port)
    try:
        if command == "wait":
            began = time.monotonic()
            running = target.await_server(arguments.timeout)
            left = max(0.0, arguments.timeout - (time.monotonic() - began))
            answer = ask(running, command, patience=left, timeout=left)
        elif command == "routes":
            answer = ask_routes(target.find())
        else:
            answer = ask(target.find(), command)
    except NoServer as error:
        print(json.dumps({"error": str(error)}) if arguments.json else error, file=sys.stderr)
        return NO_SERVER
    is_failure = "error" in answer and command != "status"
    text = json.dumps(answer) if arguments.json else "\n".join(lines(command, answer))
    if text:
        print(text, file=sys.stderr if is_failure and not arguments.json else sys.stdout)
    return FAILED if is_failure else 0


def parser() -> argparse.ArgumentParser:
    """Of the command line after ``python -m devrunserver``."""
    top = argparse.ArgumentParser("python -m devrunserver", description="Asks the server of the project you are in.")
    subparsers = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, what in COMMANDS.items():
        one = subparsers.add_parser(name, help=what, description=f"This {what}.")
        one.add_argument("--json", action="store_true", help="Prints one JSON object.")
        one.add_argument("--port", type=int, help="Of the server, where there are several for the project.")
        if name == "wait":
            one.add_argument(
                "--timeout", type=float, default=WAIT_TIMEOUT, help="Seconds to wait at most (default: %(default)g)."
            )
    return top


def lines(command: str, answer: Answer) -> Iterable[str]:
    """The answer for people."""
    if command == "status":
        yield from _status(answer)
    elif command == "wait" and answer.get("ok"):
        yield "Served."
    elif "error" in answer:
        yield from _error(answer["error"])
    elif command == "errors":
        for one in answer["errors"]:
            yield f"{_clock(one)} {one.get('at', '')} {one.get('path', '')}".rstrip()
            yield from (f"  {line}" for line in _error(one))
        for one in answer.get("browser", ()):
            place = f" ({one['source']}:{one['line']})" if one["source"] else ""
            yield f"{_clock(one)} browser {one['page']}"
            yield f"  {one['kind']}: {one['text']}{place}"
    elif command == "requests":
        yield from map(_request, answer["requests"])
    elif command == "routes":
        for one in answer["routes"]:
            place = f"{one['file']}:{one['line']}" if one["file"] else ""
            yield "  ".join(filter(None, (one["route"], one["view"], place, one["name"])))
    if answer.get("worker_responds") is False:
        yield "The worker does not respond: it is busy or stopped. What is told is what was known before."


def _status(answer: Answer) -> Iterable[str]:
    yield f"{answer['url']} is {answer['state']} for {answer['state_seconds']:.1f} s"
    yield f"  process {answer['pid']}, worker {answer['worker'] or 'none'}, project {answer['project']}"
    if progress := answer.get("progress"):
        yield f"  {_progress(progress)}"
    if answer["log"]:
        yield f"  log {answer['log']}"
    if reload := answer["last_reload"]:
        how = f"resumed at {reload['resumed_at']}" if reload["resumed_at"] else "started afresh"
        yield f"  last reload: {reload['path'] or 'something'} in {reload['seconds']:.2f} s ({how})"
    if answer.get("error"):
        yield from (f"  {line}" for line in _error(answer["error"]))


def _progress(progress: dict[str, Any]) -> str:
    """How far a start is."""
    names = filter(None, (progress["phase"], progress["own_module"], progress["module"]))
    expected = progress["expected_seconds"]
    of = f" of about {expected:.1f}" if expected else ""
    return f"starting: {', '.join(dict.fromkeys(names))}, {progress['seconds']:.1f}{of} s"


def _error(error: dict[str, Any] | str) -> Iterable[str]:
    if isinstance(error, str):
        yield error
        return
    first = str(error.get("message", "")).partition("\n")[0]
    yield f"{error['type']}: {first}" if "type" in error else first
    if error.get("file"):
        yield f"  {error['file']}:{error.get('line')}"


def _request(one: dict[str, Any]) -> str:
    queries = one.get("queries")
    counted = f" {queries['count']} queries {queries['ms']:.0f} ms" if queries else ""
    return f"{_clock(one)} {one['status']} {one['ms']:.0f} ms{counted} {one['method']} {one['path']}"


def _clock(one: dict[str, Any]) -> str:
    return time.strftime("%H:%M:%S", time.localtime(one["time"]))
