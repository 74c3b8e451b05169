"""``docs/architecture.md`` says what the code does: its tables of messages and of roles are made of it."""

from __future__ import annotations

from pathlib import Path

from devrunserver.common.messages import ROUTES, Message, Route, carried
from devrunserver.common.role import CONDUCT, Role

DOCUMENT = Path(__file__).parents[1] / "docs/architecture.md"
REMEDY = "python -m tests.test_architecture writes the tables anew"


def message_row(kind: type[Message], route: Route) -> str:
    def who(roles: frozenset[Role]) -> str:
        return ", ".join(sorted(roles))

    meaning = " ".join((kind.__doc__ or "").split("\n\n")[0].split()).replace("``", "`")
    brings = f" (brings `{'`, `'.join(carried(kind))}`)" if carried(kind) else ""
    return f"| `{kind.__name__}` | {who(route.senders)} | {who(route.receivers)} | {meaning}{brings} |"


def messages_table() -> str:
    rows = [message_row(kind, route) for kind, route in ROUTES.items()]
    return "\n".join(["| message | from | to | meaning |", "|---|---|---|---|", *rows])


def roles_table() -> str:
    rows = [f"| {role} | {one.at_end} | {one.at_failure} | {one.at_prompt} |" for role, one in CONDUCT.items()]
    heads = "| role | where its start ends | where it fails | where the project asks at the terminal |"
    return "\n".join([heads, "|---|---|---|---|", *rows])


def test_messages() -> None:
    assert messages_table() in DOCUMENT.read_text(), REMEDY


def test_roles() -> None:
    assert roles_table() in DOCUMENT.read_text(), REMEDY


def rewrite(text: str, table: str) -> str:
    """The document with the table that begins with the same line replaced."""
    begin = text.index(table.split("\n", 1)[0])
    return text[:begin] + table + text[text.index("\n\n", begin) :]


if __name__ == "__main__":  # python -m tests.test_architecture
    DOCUMENT.write_text(rewrite(rewrite(DOCUMENT.read_text(), messages_table()), roles_table()))
