"""The requests of one connection, one after another: Django's ``WSGIRequestHandler`` with our parser and our answers.

Theory of operation
-------------------
A handler is made for each *turn*: the time during which a thread looks after a connection. The turn ends when nothing
comes for LINGER, and the connection says in its ``phase`` what becomes of it: it is parked, or lingers until the
client has taken the last answer, or is closed.

``_next`` is the one place where a request's first bytes are read. When some are there, and before any is used, it
looks whether we may answer: what we are asked for was sent by then, so a file that was saved before that counts. If
not, the connection is held, with what was received in its buffer.

What is no plain socket (a stub of a test, TLS), and handlers that replace how requests are read, are left to Django's
own code: ``takes_turns`` tells of the latter.
"""

from __future__ import annotations

import io
import logging
import sys
import time
from email.message import Message
from http import HTTPStatus
from http.client import HTTPMessage
from typing import IO, Any
from urllib.parse import unquote
from wsgiref.headers import Headers
from wsgiref.util import FileWrapper, guess_scheme

from django.core.servers import basehttp

from devrunserver.server.access_log import OWN_PATHS, AccessLog, Recorder
from devrunserver.server.connection import Connection, Phase
from devrunserver.server.django import request_lines
from devrunserver.server.idle_connections import LIMITS
from devrunserver.server.protocol.parser import MAX_REQUEST_LINE, TLS_HANDSHAKE, FramingError, Request, take_head
from devrunserver.server.request_body import Body, Incomplete, ask_for, spool
from devrunserver.server.response import Response, logger, refuse

LINGER = 0.02  # seconds for the next request to come, before the connection is parked
MILLISECONDS = 1000
THIS_IS_TLS = "You're accessing the development server over HTTPS, but it only supports HTTP."  # Django's sentence
NO_ESCAPES = not hasattr(basehttp, "log_message")  # Django 4.2 logs what it is given
REPLACED = ("setup", "handle", "handle_one_request", "parse_request", "finish")  # as far as a turn is concerned


class ServerHandler(basehttp.ServerHandler):
    """Django's answer, for what is left to Django's own code; the last on its connection once the server stops."""

    os_environ: dict[str, str] = {}  # the environment of the process is nobody's request
    request_handler: basehttp.WSGIRequestHandler
    headers: Headers

    def cleanup_headers(self) -> None:
        if getattr(self.request_handler.server, "stopping", False):
            self.headers["Connection"] = "close"
        super().cleanup_headers()


class WSGIRequestHandler(basehttp.WSGIRequestHandler):
    """One turn of a connection; or, of what is no plain socket, all of it."""

    server: Any
    request: Any
    client_address: Any
    rfile: Any

    _turn: Connection | None = None
    _scheme = "http"
    _head: Request | None = None
    _message: Any = None
    _began = 0.0
    _queries: Recorder | None = None

    def setup(self) -> None:
        self._turn = getattr(self.server, "connections", {}).get(self.request)
        self._scheme = getattr(self._turn, "scheme", "http")
        if self._turn is not None and self._turn.is_ours:
            self.connection = self.request
        else:
            self._turn = None
            super().setup()

    def handle(self) -> None:
        if self._turn is None:
            super().handle()
            return
        self.close_connection = False
        try:
            while (request := self._next(self._turn)) is not None:
                self._answer(self._turn, request)
        except FramingError as error:
            self.refuse(self._turn, error)

    def handle_one_request(self) -> None:
        """As Django's, with our ``ServerHandler``; not for what has turns."""
        self.raw_requestline = self.rfile.readline(MAX_REQUEST_LINE + 1)
        if len(self.raw_requestline) > MAX_REQUEST_LINE:
            self.requestline = self.request_version = self.command = ""
            self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
        elif self.parse_request():  # or else it has answered with the error
            handler = ServerHandler(self.rfile, self.wfile, self.get_stderr(), self.get_environ())
            handler.request_handler = self  # for logging, and for closing the connection
            handler.run(self.server.get_app())

    def finish(self) -> None:
        if self._turn is None:
            super().finish()

    def _next(self, connection: Connection) -> Request | None:
        """The head of the next request; None where the turn is over.

        Raises:
            FramingError: what came is none.
            ClientGone: the connection is broken.
        """
        if connection.phase in (Phase.CLOSING, Phase.CLOSED, Phase.GIVEN_AWAY):
            return None
        has_come = not self._began and not connection.is_cleared  # that is why there is a turn
        while True:
            if has_come and not connection.receive():
                connection.enter(Phase.CLOSED)
                return None
            if connection.buffer:
                if self.server.asgi is not None and self.server.asgi.wants(connection):
                    return None
                if not self.server.may_answer(connection):
                    connection.enter(Phase.HELD)
                    return None
                if (request := take_head(connection.buffer)) is not None:
                    break
                connection.enter(Phase.READING)
                # what is still to come may be sent after another save
                connection.is_cleared = connection.has_waited = False
            if connection.phase is Phase.READING and connection.is_overdue(LIMITS[Phase.READING]):
                line = connection.buffer.partition(b"\r\n")[0]
                raise FramingError(HTTPStatus.REQUEST_TIMEOUT, "The request does not come to its end", bytes(line))
            linger = self.server.linger
            # with no time to wait not even what has come counts: others have their turn first
            if not linger or not connection.wait(linger):
                return None
            has_come = True
        connection.enter(Phase.ANSWERING)
        connection.is_cleared = False
        return request

    def _answer(self, connection: Connection, request: Request) -> None:
        self._began = time.perf_counter()
        self._head, self._message = request, None
        self.command, self.path, self.requestline = request.method, request.target, request.line
        self.raw_requestline = f"{request.line}\r\n".encode("latin-1")
        self.request_version = f"HTTP/{request.version[0]}.{request.version[1]}"
        environ, body, stream = self._call(connection, request)
        with stream:
            if self._gives_away(connection, environ):
                return
            answer = Response(connection, request, body, environ, self._is_last)
            queries = self.server.log.queries
            self._queries = queries.begin() if queries is not None else None
            answer.run(self.server.get_app() if not connection.has_waited else self.server.gate.overdue)
            if queries is not None:
                queries.end()
            connection.has_waited = False
            self.close_connection = answer.close
            if not answer.is_gone:
                self.tell(answer.code, answer.sent)
            self._settle(connection, answer, body)

    def _gives_away(self, connection: Connection, environ: dict[str, Any]) -> bool:
        """Sends the head of a stream, where the request is one for it."""
        streams = getattr(self.server, "streams", None)
        if streams is None or connection.has_waited or not (head := streams.claims(environ)):
            return False
        connection.send(head)
        connection.enter(Phase.GIVEN_AWAY)
        return True

    def tell(self, code: int, sent: int) -> None:
        """Logs what was answered, and has it remembered by whoever wants to."""
        log = self.server.log
        is_wanted = log.is_wanted(self.path, str(code))
        record = {}
        if log.as_json or self.server.on_answer is not None:
            record = {
                "time": round(time.time(), 3),
                "method": self.command,
                "path": self.path,
                "status": code,
                "size": sent,
                "ms": round((time.perf_counter() - self._began) * MILLISECONDS, 1),
            }
            if self._queries is not None:
                record["queries"] = self._queries.as_json(log.queries.slow)
        if not log.as_json:
            self.log_request(code, sent)
        elif is_wanted:
            request_lines.tell_json(record, self.request)
        if self._queries is not None and is_wanted:
            request_lines.tell_queries(self._queries, log)
        if self.server.on_answer is not None and not self.path.startswith(OWN_PATHS):
            self.server.on_answer(record)

    def _is_last(self) -> bool:
        """Whether the connection is not to be kept, whatever the client wants."""
        return (self.server.stopping and self.server.gate is None) or not self.server.is_threaded

    def _call(self, connection: Connection, request: Request) -> tuple[dict[str, Any], Body | None, IO[bytes]]:
        """The environment to call the application with, and in it the body of the request."""
        body: Body | None = None
        stream: Any
        environ = self.get_environ()
        if request.length is None:
            if request.expects_continue:
                ask_for(connection)
            try:
                stream, length = spool(connection)
            except FramingError as error:
                error.line = request.line
                raise
            environ["CONTENT_LENGTH"] = str(length)
        elif request.length:
            body = Body(connection, request.length, request.expects_continue)
            stream = io.BufferedReader(body)
        else:
            stream = io.BytesIO()
        environ |= {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": guess_scheme(environ),
            "wsgi.input": stream,
            "wsgi.input_terminated": True,
            "wsgi.errors": self.get_stderr(),
            "wsgi.multithread": self.server.is_threaded,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
        }
        return environ, body, stream

    def _settle(self, connection: Connection, answer: Response, body: Body | None) -> None:
        """What becomes of the connection after an answer."""
        if answer.broken:
            connection.enter(Phase.CLOSED)
        elif body is not None and not body.drain():
            connection.enter(Phase.CLOSING)
        elif self.close_connection:
            # to close it while something is unread would reset it: RFC 9112, 9.6
            connection.enter(Phase.CLOSING if connection.has_unread() else Phase.CLOSED)
        else:
            connection.enter(Phase.IDLE)

    def refuse(self, connection: Connection, error: FramingError) -> None:
        """Answers what is no request; nothing that follows it can be trusted."""
        self.command = self.path = ""
        self.requestline = error.line
        connection.enter(Phase.CLOSING)
        sent = refuse(connection, error.status, f"{error}.")
        if not error.line.startswith(TLS_HANDSHAKE.decode("latin-1")):
            self.log_error("code %d, message %s", error.status, str(error))
        self.log_request(error.status, sent)

    # What subclasses of Django's class may use or replace

    @property
    def headers(self) -> Message:
        """The header fields as a message, which is made for who asks."""
        if self._message is None:
            self._message = HTTPMessage()
            for name, value in self._head.fields if self._head else ():
                self._message[name] = value
        message: Message = self._message
        return message

    @headers.setter
    def headers(self, message: Message) -> None:
        self._message = message

    def get_environ(self) -> dict[str, Any]:
        """As Django's; headers with underscores in their name are dropped: they could pose as others."""
        request = self._head
        # what wsgiref guesses the scheme from
        https = {"HTTPS": "on"} if self._scheme == "https" else {}
        if request is None:
            return super().get_environ() | https
        path, _, query = request.target.partition("?")
        environ: dict[str, Any] = {
            **self.server.base_environ,
            **https,
            "SERVER_PROTOCOL": self.request_version,
            "SERVER_SOFTWARE": self.server_version,
            "REQUEST_METHOD": request.method,
            "PATH_INFO": unquote(path, "iso-8859-1"),
            "QUERY_STRING": query,
            "REMOTE_ADDR": self.client_address[0],
            "CONTENT_TYPE": "text/plain",
        }
        if (host := self.address_string()) != self.client_address[0]:
            environ["REMOTE_HOST"] = host
        for name, value in request.fields:
            _add_field(environ, name, value)
        if "HTTP_IF_NONE_MATCH" in environ:
            # RFC 9110, 13.1.3: it is to be ignored then; Django's view of files does not, and knows whole seconds only
            environ.pop("HTTP_IF_MODIFIED_SINCE", None)
        return environ

    def get_stderr(self) -> Any:
        return sys.stderr

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        if isinstance(code, HTTPStatus):
            code = code.value
        log = getattr(self.server, "log", None) or AccessLog()
        took = time.perf_counter() - self._began if self._began else 0.0
        told = f" {took * MILLISECONDS:.0f} ms" if self._began and (log.duration or took >= log.slow) else ""
        if self._queries is not None and self._queries.count:
            told += f", {self._queries.summary()}" if told else f" {self._queries.summary()}"
        if told:
            self.log_message('"%s" %s %s%s', self.requestline, str(code), str(size), told)
        else:
            self.log_message('"%s" %s %s', self.requestline, str(code), str(size))

    def log_message(self, format: str, *args: Any) -> None:
        log = getattr(self.server, "log", None) or AccessLog()
        if not log.is_wanted(getattr(self, "path", ""), str(args[1]) if len(args) > 1 else ""):
            return
        if str(args[0]).startswith(TLS_HANDSHAKE.decode("latin-1")):
            extra = {"request": self.request, "server_time": self.log_date_time_string(), "status_code": 500}
            logger.error(THIS_IS_TLS + getattr(self.server, "tls_remedy", ""), extra=extra)
            return
        if NO_ESCAPES:
            args = tuple(escaped(one) if isinstance(one, str) else one for one in args)
        super().log_message(format, *args)

    def log_error(self, format: str, *args: Any) -> None:
        logger.warning(format, *(escaped(one) if isinstance(one, str) else one for one in args))


def takes_turns(handler: Any) -> bool:
    """Whether a class of handlers leaves to us how requests are read."""
    return (
        isinstance(handler, type)
        and issubclass(handler, WSGIRequestHandler)
        and all(getattr(handler, name) is getattr(WSGIRequestHandler, name) for name in REPLACED)
    )


def _add_field(environ: dict[str, Any], name: str, value: str) -> None:
    if "_" in name:
        return
    key = name.upper().replace("-", "_")
    if key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        environ[key] = value
    elif key != "TRANSFER_ENCODING":  # the body is decoded by now: RFC 9112, 7.1.3
        key = f"HTTP_{key}"
        if key in environ:
            # RFC 9110, 5.3, without the space as Django has it; cookies: RFC 9113, 8.2.3
            environ[key] += ("; " if key == "HTTP_COOKIE" else ",") + value
        else:
            environ[key] = value


def escaped(text: str) -> str:
    """Text that cannot do anything to a terminal."""
    return text.encode("unicode_escape").decode("ascii")


class TruncatedUploads(logging.Filter):
    """Lets no traceback through of a view that was reading what the client did not send: the request's line says it.

    For the logger ``django.request``, while we serve.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        while error is not None:
            if isinstance(error, Incomplete):
                return False
            error = error.__cause__ or error.__context__
        return True
