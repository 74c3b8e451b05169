"""The Model Context Protocol, for coding agents: the same questions as on the command line, as tools that only read.

Theory of operation
-------------------
JSON-RPC 2.0, one message a line, on standard input and output (the protocol's "stdio" transport). The agent starts
``python -m devrunserver mcp`` in the project's directory; it asks whichever server of the project runs at that moment,
so that neither has to be started first. Only what the protocol needs for tools is here, without a dependency.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TextIO

from devrunserver.control.client import Answer, NoServer, Target, ask, ask_routes

VERSIONS = ("2025-06-18", "2025-03-26", "2024-11-05")  # of the protocol, the newest first
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
WAIT_TIMEOUT = 60.0  # seconds
LONGEST_WAIT = 600.0  # seconds

Message = dict[str, Any]
Ask = Callable[..., Answer]  # a command with its arguments


@dataclass(frozen=True)
class Tool:
    """A question, as agents see it."""

    name: str
    command: str
    description: str
    properties: dict[str, Any] = field(default_factory=dict)

    @property
    def schema(self) -> Message:
        """What the protocol says of it."""
        return {
            "name": self.name,
            "description": self.description,
            "inputSchema": {"type": "object", "properties": self.properties, "additionalProperties": False},
            "annotations": {"readOnlyHint": True, "openWorldHint": False},
        }


LIMIT = {"limit": {"type": "integer", "minimum": 1, "description": "How many at most, the latest. Default: all kept."}}
TIMEOUT = {
    "timeout": {
        "type": "number",
        "minimum": 0,
        "maximum": LONGEST_WAIT,
        "description": f"Seconds to wait at most. Default: {WAIT_TIMEOUT:g}.",
    }
}
TOOLS = (
    Tool(
        "get_status",
        "status",
        "State of the Django development server: whether it is ready, its URL, its last reload, and the error that "
        "keeps the project from starting, if one does.",
    ),
    Tool(
        "wait_until_served",
        "wait",
        "Call this after editing files: returns when all that was saved before is served and checked, or with the "
        "error (type, message, file, line, traceback) that keeps the project from starting.",
        TIMEOUT,
    ),
    Tool(
        "get_errors",
        "errors",
        "The last errors, of the start and of views, with file, line and traceback; and as `browser` those of pages in "
        "browsers, with the page: uncaught ones, unhandled rejections and console.error, where BROWSER_CONSOLE is on.",
        LIMIT,
    ),
    Tool(
        "get_requests",
        "requests",
        "The last HTTP requests: method, path, status, duration; with LOG_QUERIES also their database queries, and "
        "those in a loop (N+1) with the line that made them.",
        LIMIT,
    ),
    Tool("get_routes", "routes", "The URL patterns of the project, each with its view, file and line."),
)
BY_NAME = {tool.name: tool for tool in TOOLS}


class InvalidParams(Exception):
    """Arguments that a tool does not have."""


class McpServer:
    """Answers an agent's messages.

    Args:
        ask: asks the server that runs.
        version: ours, as the agent is told it.
    """

    def __init__(self, ask: Ask, version: str = "") -> None:
        self._ask = ask
        self._version = version

    def answer(self, line: str) -> Message | None:
        """The answer to one message; None where it wants none."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return _error(None, PARSE_ERROR, "This is not JSON.")
        if not isinstance(message, dict) or not isinstance(message.get("method"), str):
            is_answer = isinstance(message, dict) and ("result" in message or "error" in message)
            return None if is_answer else _error(None, INVALID_REQUEST, "This is no request.")
        if "id" not in message:  # a notification
            return None
        params = message.get("params")
        try:
            result = self._result(message["method"], params if isinstance(params, dict) else {})
        except InvalidParams as error:
            return _error(message["id"], INVALID_PARAMS, str(error))
        if result is None:
            return _error(message["id"], METHOD_NOT_FOUND, f"There is no method {message['method']!r}.")
        return {"jsonrpc": "2.0", "id": message["id"], "result": result}

    def _result(self, method: str, params: Message) -> Message | None:
        if method == "initialize":
            wanted = params.get("protocolVersion")
            return {
                "protocolVersion": wanted if wanted in VERSIONS else VERSIONS[0],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "devrunserver", "version": self._version or "0"},
            }
        if method == "ping":
            return {}
        if method == "tools/list":
            return {"tools": [tool.schema for tool in TOOLS]}
        if method == "tools/call":
            return self._call(params)
        return None

    def _call(self, params: Message) -> Message:
        tool = BY_NAME.get(str(params.get("name")))
        if tool is None:
            raise InvalidParams(f"There is no tool {params.get('name')!r}; there are {', '.join(BY_NAME)}.")
        arguments = params.get("arguments") or {}
        _check(tool, arguments)
        if tool.command == "wait":
            timeout = float(arguments.get("timeout", WAIT_TIMEOUT))
            arguments = {"timeout": timeout, "patience": timeout}
        try:
            answer = self._ask(tool.command, **arguments)
        except NoServer as error:
            return _content({"error": str(error)}, is_error=True)
        return _content(answer)


def _check(tool: Tool, arguments: object) -> None:
    """Whether these are arguments of a tool.

    Raises:
        InvalidParams: they are not.
    """
    if not isinstance(arguments, dict):
        raise InvalidParams("Arguments are an object.")
    for name, value in arguments.items():
        limits = tool.properties.get(name)
        if limits is None:
            raise InvalidParams(f"{tool.name} has no argument {name!r}.")
        kinds = int if limits["type"] == "integer" else int | float
        most = limits.get("maximum", float("inf"))
        if isinstance(value, bool) or not isinstance(value, kinds) or not limits["minimum"] <= value <= most:
            raise InvalidParams(f"{name} is not a {limits['type']} from {limits['minimum']} on, to {most}.")


def _content(data: Message, is_error: bool = False) -> Message:
    """What a tool returns: for programs, and the same as text."""
    return {
        "content": [{"type": "text", "text": json.dumps(data, indent=1)}],
        "structuredContent": data,
        "isError": is_error,
    }


def _error(number: Any, code: int, text: str) -> Message:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": text}}


def serve(directory: str, port: int | None, incoming: Iterable[str], outgoing: TextIO) -> None:
    """Answers an agent on standard input and output until it closes them.

    Args:
        directory: of the project.
        port: of its server, where there are several.
    """

    def ask_present(command: str, **arguments: Any) -> Answer:
        running = Target(directory, port).find()
        return ask_routes(running) if command == "routes" else ask(running, command, **arguments)

    server = McpServer(ask_present, version())
    for line in incoming:
        if line.strip() and (answer := server.answer(line)) is not None:
            print(json.dumps(answer), file=outgoing, flush=True)


def version() -> str:
    """Of this package; empty where it is not installed."""
    from importlib import metadata

    try:
        return metadata.version("devrunserver")
    except metadata.PackageNotFoundError:
        return ""


def main(directory: str, port: int | None) -> int:
    """Serves until the agent ends. Returns the exit status."""
    try:
        serve(directory, port, sys.stdin, sys.stdout)
    except (BrokenPipeError, KeyboardInterrupt):  # the agent is gone
        pass
    return 0
