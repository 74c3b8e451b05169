"""What a start reads in databases on a server, by Django's connections to PostgreSQL and MySQL.

Theory of operation
-------------------
A fresh start gets the same answers for as long as the database gives them. So each query is a fact, with a checksum of
its answer, as of a database that is a file (``checkpoints/database_reads.py``). But only a process of the project's can
ask again, as the driver and the password are the project's. So this process keeps what it has asked, which whoever is
forked from it keeps too; and a process that is resumed asks all of it again before it goes on. Where an answer is
another one it says so and ends, and the supervisor resumes an earlier checkpoint, by the row of facts.

Only what is known to be repeatable counts: queries that read what is stored (``common/repeatable_query.py``), through
Django's cursors. Whatever else is executed forbids checkpoints from there on: it may have written, or have changed what
the connection is. Who goes past Django's cursors is seen by a class of cursors of ours, which the driver makes then.

A connection must not be shared, so those that nobody uses are closed before a fork, as Django opens them again. What
Django and the project execute on each connection that is made is no concern of ours: it is done again on the next.
Types that have numbers in PostgreSQL, as PostGIS' have, are kept for longer than a connection: these are asked for.
"""

from __future__ import annotations

import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from copy import deepcopy
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from devrunserver.checkpoints.fork_safety import describe
from devrunserver.common.facts import AskedServer, Fact
from devrunserver.common.repeatable_query import is_repeatable

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

WAYS = ("execute", "executemany", "callproc", "copy", "copy_expert", "copy_from", "copy_to", "stream")  # to ask
MOST_ROWS = 10_000  # of one answer
MOST_SHOWN = 200  # characters of a statement in a fact
MOST_TOLD = 60  # characters of a statement that the user is told
SAVEPOINTS = ("SAVEPOINT", "RELEASE", "ROLLBACK TO")  # beginnings of statements that change nothing by themselves
CONNECT = "connect"  # the method of Django's that makes a connection
BETWEEN = ("devrunserver", "django")  # packages that stand between who asks and the driver
SOCKET = "_sock"  # the attribute of a connection of PyMySQL's; the other drivers are not written in Python
BEFORE = "_devrunserver"  # the attribute of a class of cursors of ours: whose place it has taken


class Driver(NamedTuple):
    """What a driver is like, whose cursors can go back to their first row.

    Attributes:
        cursors: the attribute of a connection that says of which class its cursors are.
        once: asks for what is learnt of a database once for all connections.
    """

    cursors: str
    once: str


# Which database it is, and the numbers of types
POSTGRES = Driver(
    "cursor_factory",
    "SELECT (SELECT oid FROM pg_database WHERE datname = current_database()),"
    " (SELECT max(oid) FROM pg_type WHERE typtype = 'b' AND typcategory <> 'A')",
)
MYSQL = Driver("cursorclass", "SELECT DATABASE(), VERSION()")
DRIVERS = {"psycopg": POSTGRES, "psycopg2": POSTGRES, "MySQLdb": MYSQL, "pymysql": MYSQL}


class Query(NamedTuple):
    """What was asked."""

    alias: str  # of the database
    statement: str
    params: Any


class Executed(threading.local):
    """What a thread executes.

    Attributes:
        is_seen: it comes through Django's cursor, or is ours.
    """

    is_seen = False


class ServerReads:
    """Records them, as facts, and asks again."""

    def __init__(self) -> None:
        self._note: Callable[[Fact], object] = lambda fact: None
        self._forbid: Callable[[str], object] = lambda reason: None
        self._before_change: Callable[[], object] = lambda: None
        self._withdraw: Callable[[object], object] = lambda sock: None
        self._asked: dict[str, tuple[Query, AskedServer]] = {}  # by what tells two queries apart
        self._followed: dict[BaseDatabaseWrapper, int] = {}  # with what refers to its connection where nobody uses it
        self._is_trusted = True
        self._is_over = True
        self._executed = Executed()

    def begin(
        self,
        note: Callable[[Fact], object],
        forbid: Callable[[str], object],
        before_change: Callable[[], object] = lambda: None,
        is_trusted: bool = True,
        withdraw: Callable[[object], object] = lambda sock: None,
    ) -> None:
        """From now on connections can be followed.

        Args:
            note: takes a fact.
            forbid: is told why there are no checkpoints any more.
            before_change: called before something is executed that may change a database.
            is_trusted: whether answers hardly ever change.
            withdraw: is told of a socket of Python's that what was learnt by it is a fact.
        """
        self._note, self._forbid, self._before_change, self._withdraw = note, forbid, before_change, withdraw
        self._is_trusted, self._is_over = is_trusted, False

    def follow(self, connection: BaseDatabaseWrapper) -> None:
        """Each query of a connection that was just made counts from now on."""
        if self._is_over:
            return
        is_known = connection in self._followed
        self._followed[connection] = _references(connection)
        raw = connection.connection
        driver = driver_of(raw)
        if not self._is_trusted or driver is None:
            self._stop(f"it opened a database connection ({_asked_by()})")
            return
        self._withdraw(getattr(raw, SOCKET, None))
        setattr(raw, driver.cursors, self._seen_by_us(getattr(raw, driver.cursors, None) or _cursors_of(raw)))
        if not is_known:
            connection.execute_wrappers.insert(0, partial(self._on_execute, connection.alias))
            with _contained(self._stop):
                self._keep(Query(connection.alias, driver.once, None), self._answer(connection, driver.once, None))

    def close_idle(self) -> None:
        """Closes the connections that nobody uses: Django opens one again when it wants it."""
        for connection, references in () if self._is_over else self._followed.items():
            with suppress(Exception):  # of another thread; then it is open, and seen
                if connection.connection is not None and not _is_in_use(connection, references):
                    connection.close()

    def first_changed(self) -> AskedServer | None:
        """Asks all again. What has another answer now; None where nothing has."""
        if self._is_over:
            return None
        from django.db import connections

        for query, fact in self._asked.values():
            try:
                told = self._answer(connections[query.alias], query.statement, query.params)
            except Exception:  # whatever it is: a fresh start finds out
                return fact
            if told != fact.answer:
                return fact
        return None

    def end(self) -> None:
        """Nothing counts any more."""
        self._is_over = True
        self._asked.clear()
        for connection in self._followed:
            wrappers = connection.execute_wrappers
            wrappers[:] = [one for one in wrappers if getattr(one, "func", None) != self._on_execute]
            raw = connection.connection
            driver = driver_of(raw)
            if driver is not None and (before := getattr(getattr(raw, driver.cursors, None), BEFORE, None)):
                setattr(raw, driver.cursors, before)
        self._followed.clear()

    def _stop(self, reason: str) -> None:
        """Nothing is known of what is read from here on."""
        self._forbid(reason)
        self._is_over = True

    # What is executed

    def _on_execute(self, alias: str, execute: Any, statement: Any, params: Any, many: bool, context: Any) -> Any:
        """Django's cursor executes something."""
        if self._is_over or self._executed.is_seen:
            return execute(statement, params, many, context)
        is_known = isinstance(statement, str) and not many and is_repeatable(statement)
        if not is_known and not is_of_connecting() and not str(statement).lstrip().upper().startswith(SAVEPOINTS):
            self._before_change()
            told = " ".join(str(statement).split())[:MOST_TOLD]
            self._stop(f"it asked a database what cannot be asked twice: {told} ({_asked_by()})")
        self._executed.is_seen = True
        try:
            result = execute(statement, params, many, context)
        except Exception as error:
            if is_known:
                self._keep_error(Query(alias, statement, params), error)
            raise
        finally:
            self._executed.is_seen = False
        if is_known and not self._is_over:
            with _contained(self._stop):
                self._keep(Query(alias, statement, params), _rows(context["cursor"].cursor))
        return result

    def _keep(self, query: Query, answer: int) -> None:
        key = repr(query)
        if " at 0x" in key:
            raise ValueError("a parameter that is like no other")
        fact = AskedServer(query.alias, query.statement[:MOST_SHOWN], answer)
        known = self._asked.get(key)
        if known is None:
            self._asked[key] = (query._replace(params=deepcopy(query.params)), fact)
            self._note(fact)
        elif known[1].answer != answer:
            self._stop(f"a database gives another answer each time ({_asked_by()})")

    def _keep_error(self, query: Query, error: Exception) -> None:
        from django.db import ProgrammingError

        if isinstance(error, ProgrammingError):  # such as a table that is not there yet
            with _contained(self._stop):
                self._keep(query, _digest(str(error)))
        else:
            self._stop(f"a database did not answer ({_asked_by()})")

    def _answer(self, connection: BaseDatabaseWrapper, statement: str, params: Any) -> int:
        """A checksum of what is answered now, past all that logs what the project asks."""
        from django.db import ProgrammingError

        before, self._executed.is_seen = self._executed.is_seen, True
        try:
            connection.ensure_connection()
            with connection.wrap_database_errors, closing(connection.create_cursor()) as cursor:
                cursor.execute(*((statement,) if params is None else (statement, params)))
                return _rows(cursor)
        except ProgrammingError as error:
            return _digest(str(error))
        finally:
            self._executed.is_seen = before

    def _seen_by_us(self, cursors: type) -> type:
        """A class of cursors that tells who goes past Django's."""
        if hasattr(cursors, BEFORE):
            return cursors

        def telling(name: str) -> Callable[..., Any]:
            asked = getattr(cursors, name)

            def ask(*args: Any, **kwargs: Any) -> Any:
                if not self._is_over and not self._executed.is_seen and not is_of_connecting():
                    self._before_change()
                    self._stop(f"it asked a database past Django ({_asked_by()})")
                return asked(*args, **kwargs)

            return ask

        seen = {name: telling(name) for name in WAYS if hasattr(cursors, name)}
        return type(cursors.__name__, (cursors,), {BEFORE: cursors, **seen})


def driver_of(raw: Any) -> Driver | None:
    """What made a connection; None: nobody whose connections can be followed, or there is none."""
    return DRIVERS.get(type(raw).__module__.partition(".")[0])


@contextmanager
def _contained(stop: Callable[[str], None]) -> Iterator[None]:
    """What we cannot tell forbids checkpoints, and is nothing that the project has to do with."""
    try:
        yield
    except Exception as error:
        stop(f"what it read in a database is not known ({error!r})")


def is_of_connecting() -> bool:
    """Whether Django makes a connection just now: what is executed then is executed on each."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == CONNECT and frame.f_globals.get("__name__") == "django.db.backends.base.base":
            return True
        frame = frame.f_back
    return False


def _asked_by() -> str:
    """Which module asks, beyond ours and Django's."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in BETWEEN:
        frame = frame.f_back
    return describe(frame)


def _rows(cursor: Any) -> int:
    """A checksum of the rows that wait to be fetched, which still do afterwards.

    Raises:
        ValueError: they cannot be told.
    """
    if getattr(cursor, "name", None):
        raise ValueError("a cursor on the server")
    if not 0 <= cursor.rowcount <= MOST_ROWS:  # where nobody knows how many there are, they are still on the server
        raise ValueError(f"more than {MOST_ROWS} rows")
    rows = cursor.fetchall()
    if rows:
        cursor.scroll(0, mode="absolute")
    if not all(isinstance(row, tuple) for row in rows):
        raise ValueError("rows of a kind of their own")
    return _digest(repr([[bytes(one) if isinstance(one, memoryview) else one for one in row] for row in rows]))


def _digest(text: str) -> int:
    if " at 0x" in text:
        raise ValueError("an answer that is like no other")
    return zlib.crc32(text.encode(errors="surrogatepass"))


def _references(connection: BaseDatabaseWrapper) -> int:
    """How many references there are to the connection of the driver."""
    return sys.getrefcount(connection.connection)


def _is_in_use(connection: BaseDatabaseWrapper, references: int) -> bool:
    """Whether a connection is in a state that the next one would not be in, or somebody holds it, or a cursor of it.

    Args:
        references: to it, where nobody does.
    """
    if connection.in_atomic_block or connection.run_on_commit:
        return True
    is_as_made = connection.autocommit == connection.settings_dict["AUTOCOMMIT"]
    return not is_as_made or _references(connection) > references


def _cursors_of(raw: Any) -> Any:
    """The class of the cursors that a connection makes where nobody says another."""
    driver = sys.modules[type(raw).__module__.partition(".")[0]]
    return driver.extensions.cursor if driver.__name__ == "psycopg2" else driver.Cursor
