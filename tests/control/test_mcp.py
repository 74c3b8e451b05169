"""The Model Context Protocol: message by message, and by the client of its own package."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from devrunserver.common.state_file import find
from devrunserver.control.client import NoServer
from devrunserver.control.mcp import TOOLS, VERSIONS, McpServer, serve
from tests.live import REPOSITORY, Server

ASKED: list[tuple[str, dict[str, Any]]] = []


def ask(command: str, **arguments: Any) -> dict[str, Any]:
    ASKED.append((command, arguments))
    if command == "errors":
        raise NoServer("No server runs.")
    return {"version": 1, "state": "ready"}


@pytest.fixture
def server() -> McpServer:
    ASKED.clear()
    return McpServer(ask, "1.2")


def request(method: str, **params: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})


@pytest.mark.parametrize(
    ("wanted", "told"), [(VERSIONS[1], VERSIONS[1]), ("2099-01-01", VERSIONS[0]), (None, VERSIONS[0])]
)
def test_initialize(server: McpServer, wanted: str | None, told: str) -> None:
    answer = server.answer(request("initialize", protocolVersion=wanted, capabilities={}))
    assert answer is not None and answer["id"] == 7
    assert answer["result"]["protocolVersion"] == told
    assert answer["result"]["serverInfo"] == {"name": "devrunserver", "version": "1.2"}


@pytest.mark.parametrize(
    "line",
    [
        '{"jsonrpc": "2.0", "method": "notifications/initialized"}',
        '{"jsonrpc": "2.0", "id": 1, "result": {}}',
        '{"jsonrpc": "2.0", "id": 1, "error": {}}',
    ],
)
def test_what_wants_no_answer(server: McpServer, line: str) -> None:
    assert server.answer(line) is None


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("x", -32700),
        ("[" * 100_000, -32700),
        ("[]", -32600),
        ("5", -32600),
        ('{"id": 1}', -32600),
        ('{"id": 1, "method": 5}', -32600),
        (request("resources/list"), -32601),
        (request("tools/call"), -32602),
        (request("tools/call", name="reload"), -32602),
        (request("tools/call", name="get_status", arguments=[1]), -32602),
        (request("tools/call", name="get_status", arguments={"a": 1}), -32602),
        (request("tools/call", name="get_errors", arguments={"limit": 0}), -32602),
        (request("tools/call", name="get_errors", arguments={"limit": True}), -32602),
        (request("tools/call", name="get_errors", arguments={"limit": "1"}), -32602),
        (request("tools/call", name="wait_until_served", arguments={"timeout": 1e9}), -32602),
    ],
)
def test_mistakes(server: McpServer, line: str, code: int) -> None:
    answer = server.answer(line)
    assert answer is not None and answer["error"]["code"] == code and answer["error"]["message"]
    assert not ASKED


def test_tools_are_read_only_and_have_schemas(server: McpServer) -> None:
    answer = server.answer(request("tools/list"))
    assert answer is not None
    tools = answer["result"]["tools"]
    assert [one["name"] for one in tools] == [tool.name for tool in TOOLS]
    for one in tools:
        assert one["inputSchema"]["type"] == "object" and one["description"]
        assert one["annotations"]["readOnlyHint"]
    assert "reload" not in {tool.command for tool in TOOLS}


@pytest.mark.parametrize(
    ("name", "arguments", "asked"),
    [
        ("get_status", {}, ("status", {})),
        ("get_status", None, ("status", {})),
        ("get_requests", {"limit": 3}, ("requests", {"limit": 3})),
        ("wait_until_served", {"timeout": 5}, ("wait", {"timeout": 5.0, "patience": 5.0})),
        ("wait_until_served", {}, ("wait", {"timeout": 60.0, "patience": 60.0})),
        ("get_routes", {}, ("routes", {})),
    ],
)
def test_a_call(server: McpServer, name: str, arguments: object, asked: object) -> None:
    answer = server.answer(request("tools/call", name=name, arguments=arguments))
    assert [asked] == ASKED and answer is not None
    result = answer["result"]
    assert result["structuredContent"] == {"version": 1, "state": "ready"} and not result["isError"]
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]


def test_no_server_is_an_error_that_the_agent_sees(server: McpServer) -> None:
    answer = server.answer(request("tools/call", name="get_errors"))
    assert answer is not None and answer["result"]["isError"]
    assert "No server runs." in answer["result"]["content"][0]["text"]


def test_lines_in_lines_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    told = io.StringIO()
    lines = [request("ping"), "\n", '{"method": "notifications/initialized"}', request("tools/call", name="get_status")]
    serve(str(tmp_path), None, lines, told)
    pong, status = map(json.loads, told.getvalue().splitlines())
    assert pong["result"] == {} and "No server of the project" in status["result"]["content"][0]["text"]


@pytest.mark.deep
@pytest.mark.live
@pytest.mark.usefixtures("runtime_directory")
def test_the_clients_of_the_protocols_own_package(project: Path) -> None:
    """By standard input and output, and then over HTTP."""
    pytest.importorskip("mcp")
    httpx2 = pytest.importorskip("httpx2")
    import asyncio

    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client
    from mcp.client.streamable_http import streamable_http_client

    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "devrunserver", "mcp"], cwd=str(project), env=environ
    )

    async def wait(session: ClientSession, code: str) -> dict[str, Any]:
        (project / "shop/marks.py").write_text(f"{code}\n")
        outcome = await session.call_tool("wait_until_served", {"timeout": 60})
        return json.loads(outcome.content[0].text)  # type: ignore[no-any-return, union-attr]

    async def talk() -> dict[str, Any]:
        async with stdio_client(parameters) as (reading, writing), ClientSession(reading, writing) as session:
            await session.initialize()
            names = {tool.name for tool in (await session.list_tools()).tools}
            assert names == {tool.name for tool in TOOLS}
            await session.call_tool("wait_until_served", {"timeout": 60})
            return await wait(session, "MARK = nothing")

    async def talk_over_http(url: str, token: str) -> dict[str, Any]:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60.0) as http,
            streamable_http_client(url, http_client=http) as streams,
            ClientSession(streams[0], streams[1]) as session,
        ):
            await session.initialize()
            assert (await wait(session, "MARK = 'mark-1'"))["ok"]
            return await wait(session, "MARK = 1 / 0")

    with Server(project) as server:
        server.wait_for_body("mark-0")
        outcome = asyncio.run(talk())
        assert not outcome["ok"] and outcome["error"]["type"] == "NameError"
        assert outcome["error"]["file"] == str(project / "shop/marks.py") and outcome["error"]["line"] == 1
        (running,) = find(str(project))
        outcome = asyncio.run(talk_over_http(f"{running.url}__devrunserver__/mcp", running.http_token))
        assert not outcome["ok"] and outcome["error"]["type"] == "ZeroDivisionError"
