"""The head of a request, from bytes: strict, pure, and with no socket in sight.

Theory of operation
-------------------
Where two programs read one request differently, what one of them takes for a body the other may take for a second
request ("request smuggling"). So whatever leaves room for a second reading is an error here, also where the RFC would
let a server be lenient: lines end in CRLF and nothing else, names are tokens right before the colon, nothing is folded,
and the length of the body is said once and in one way. After an error nothing on the connection can be trusted: the
caller answers with ``FramingError.status`` and closes it.

``take_head`` is called with all that has come so far, as often as something comes. It takes a whole head off the
buffer, or leaves the buffer as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http import HTTPStatus

MAX_REQUEST_LINE = 65_536  # bytes, as Django's command has it
MAX_FIELDS = 65_536  # bytes of all header fields together
MAX_FIELD_COUNT = 100  # as http.client has it
MAX_LENGTH_DIGITS = 18  # of a Content-Length: an exabyte, and a 64-bit number anywhere

# RFC 9110, 5.6.2
TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# RFC 9112, 3; what RFC 3986 does not allow in a URI but clients send (UTF-8, "|", quotes) is the project's to judge. A
# fragment is none of that: it belongs to no target, and the path would end before it to one reader and not to another
REQUEST_LINE = re.compile(rb"(%s) ([!\"$-~\x80-\xff]+) HTTP/([0-9])\.([0-9])" % TOKEN)
# RFC 9110, 5.5: of the control characters only the tab
FIELD = re.compile(rb"(%s):[ \t]*((?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?)[ \t]*\r\n" % TOKEN)
BARE_LF = re.compile(rb"(?<!\r)\n")
BARE_CR = re.compile(rb"\r(?!\n)(?!\Z)")
ABSOLUTE = re.compile(r"https?://([^/?@]+)(/.*|\?.*|)", re.IGNORECASE)
# RFC 3986, 3.2.2: a name or IPv4 address, or an IPv6 address in brackets; and a port
HOST = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+;=%]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
TLS_HANDSHAKE = b"\x16\x03"  # how a TLS client begins: RFC 8446, 5.1
END = b"\r\n\r\n"


class FramingError(ValueError):
    """What came is no request.

    Attributes:
        status: what to answer before the connection is closed.
        line: the request line as far as it came, for the log.
    """

    def __init__(self, status: HTTPStatus, cause: str, line: bytes = b"") -> None:
        super().__init__(cause)
        self.status = status
        self.line = line.decode("latin-1")


@dataclass(slots=True)
class Request:
    """The head of a request.

    Attributes:
        line: the request line, without its end.
        target: in origin form (RFC 9112, 3.2.1), or ``*``.
        fields: the header fields in their order, names as they came.
        length: of the body in bytes; None where it is chunked.
        keep_alive: whether the client is willing to send another request on the connection.
        expects_continue: whether the client waits for "100 Continue" before it sends the body.
    """

    line: str
    method: str
    target: str
    version: tuple[int, int]
    fields: list[tuple[str, str]] = field(default_factory=list)
    length: int | None = 0
    keep_alive: bool = True
    expects_continue: bool = False

    def get(self, name: str) -> str | None:
        """The value of a field, lines of one name joined by commas (RFC 9110, 5.3); ``name`` in lower case."""
        values = self.all(name)
        return ", ".join(values) if values else None

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name]


def take_head(buffer: bytearray) -> Request | None:
    """Takes the head of a request off the beginning of the buffer; None where more has to come.

    Raises:
        FramingError: it is none, and more would not make it one.
    """
    while buffer.startswith(b"\r\n"):  # RFC 9112, 2.2: an empty line before a request is skipped
        del buffer[:2]
    if not buffer:
        return None
    end = buffer.find(END)
    if end < 0 or end > MAX_REQUEST_LINE + MAX_FIELDS:
        _refuse_hopeless(buffer)
        return None
    head = bytes(buffer[: end + 2])  # with the end of the last line
    request = parse_head(head)
    del buffer[: end + len(END)]
    return request


def parse_head(head: bytes) -> Request:
    """The request whose lines these are, each with its CRLF, without the empty one.

    Raises:
        FramingError: it is none.
    """
    line, _, rest = head.partition(b"\r\n")
    if len(line) > MAX_REQUEST_LINE:
        raise FramingError(HTTPStatus.REQUEST_URI_TOO_LONG, "The request line is too long", line)
    match = REQUEST_LINE.fullmatch(line)
    if match is None:
        raise FramingError(HTTPStatus.BAD_REQUEST, "Bad request syntax", line)
    method, target, major, minor = match.groups()
    if major != b"1":
        raise FramingError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "Only HTTP/1.0 and HTTP/1.1 are spoken here", line)
    request = Request(line.decode("latin-1"), method.decode(), target.decode("latin-1"), (1, int(minor)))
    try:
        request.fields = parse_fields(rest)
        _normalize_target(request)
        _settle_framing(request)
    except FramingError as error:
        error.line = request.line
        raise
    return request


def parse_fields(lines: bytes) -> list[tuple[str, str]]:
    """The fields of a header or trailer section, each line with its CRLF.

    Raises:
        FramingError: they are none, or too many.
    """
    if len(lines) > MAX_FIELDS:
        raise FramingError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The header fields are too large")
    fields: list[tuple[str, str]] = []
    position = 0
    while position < len(lines):
        match = FIELD.match(lines, position)
        if match is None:
            raise FramingError(HTTPStatus.BAD_REQUEST, f"Bad header field {_excerpt(lines, position)!r}")
        if len(fields) == MAX_FIELD_COUNT:
            raise FramingError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Too many header fields")
        fields.append((match[1].decode(), match[2].decode("latin-1")))
        position = match.end()
    return fields


def tokens(value: str) -> set[str]:
    """The members of a comma-separated list, in lower case: RFC 9110, 5.6.1."""
    return {member.strip(" \t").lower() for member in value.split(",")} - {""}


def _refuse_hopeless(buffer: bytearray) -> None:
    """Raises where no end can make a request of what has come."""
    line_end = buffer.find(b"\r\n")
    line = bytes(buffer if line_end < 0 else buffer[:line_end])
    if buffer.startswith(TLS_HANDSHAKE):
        raise FramingError(HTTPStatus.BAD_REQUEST, "This is TLS", bytes(buffer[:100]))
    if len(line) > MAX_REQUEST_LINE:
        raise FramingError(HTTPStatus.REQUEST_URI_TOO_LONG, "The request line is too long", line)
    if len(buffer) > MAX_FIELDS + len(line):
        raise FramingError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The header fields are too large", line)
    if BARE_LF.search(buffer) or BARE_CR.search(buffer) or b"\0" in buffer:
        line, *_ = re.split(rb"[\r\n]", line, maxsplit=1)
        raise FramingError(HTTPStatus.BAD_REQUEST, "Lines have to end in CRLF", line)


def _normalize_target(request: Request) -> None:
    """Checks the target and the Host field, and brings an absolute target into origin form: RFC 9112, 3.2."""
    hosts = request.all("host")
    if len(hosts) > 1 or (not hosts and request.version >= (1, 1)):
        raise FramingError(HTTPStatus.BAD_REQUEST, "The Host field has to be there exactly once")
    if hosts and not HOST.fullmatch(hosts[0]):
        raise FramingError(HTTPStatus.BAD_REQUEST, "Bad Host field")
    if request.method == "CONNECT":
        raise FramingError(HTTPStatus.NOT_IMPLEMENTED, "This is no proxy")
    target = request.target
    if target.startswith("/"):
        # as Python's http.server: "//host" at the beginning of a path would be a host to who redirects to it
        if target.startswith("//"):
            request.target = "/" + target.lstrip("/")
    elif match := ABSOLUTE.fullmatch(target):
        authority, path = match.groups()
        if not HOST.fullmatch(authority):
            raise FramingError(HTTPStatus.BAD_REQUEST, "Bad host in the request target")
        request.target = path if path.startswith("/") else f"/{path}"
        request.fields = [("Host", authority), *(one for one in request.fields if one[0].lower() != "host")]
    elif not (target == "*" and request.method == "OPTIONS"):
        raise FramingError(HTTPStatus.BAD_REQUEST, "Bad request target")


def _settle_framing(request: Request) -> None:
    """Reads from the fields how long the body is, and what follows the answer: RFC 9112, 6 and 9.3."""
    lengths, codings, options, expectations = [], [], "", ""
    for name, value in request.fields:
        key = name.lower()
        if key == "content-length":
            lengths.append(value)
        elif key == "transfer-encoding":
            codings.append(value)
        elif key == "connection":
            options += f",{value}"
        elif key == "expect":
            expectations += f",{value}"
    if codings:
        _settle_coding(request, codings, lengths)
    elif lengths:
        (value, *others) = lengths
        if others or not (value.isascii() and value.isdigit()) or len(value) > MAX_LENGTH_DIGITS:
            raise FramingError(HTTPStatus.BAD_REQUEST, "Bad Content-Length")
        request.length = int(value)
    wanted = tokens(options) if options else set()
    request.keep_alive = "close" not in wanted and (request.version >= (1, 1) or "keep-alive" in wanted)
    if expectations and (expected := tokens(expectations)):
        if expected != {"100-continue"}:
            raise FramingError(HTTPStatus.EXPECTATION_FAILED, "The only expectation to meet is 100-continue")
        # RFC 9110, 10.1.1: HTTP/1.0 knows no such answer, and there is nothing to ask for without a body
        request.expects_continue = request.version >= (1, 1) and request.length != 0


def _settle_coding(request: Request, codings: list[str], lengths: list[str]) -> None:
    if lengths:
        raise FramingError(HTTPStatus.BAD_REQUEST, "Content-Length and Transfer-Encoding exclude each other")
    if request.version < (1, 1):
        raise FramingError(HTTPStatus.BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding")
    if [coding.lower() for coding in codings] != ["chunked"]:
        raise FramingError(HTTPStatus.NOT_IMPLEMENTED, "The only Transfer-Encoding to decode is chunked")
    request.length = None


def _excerpt(lines: bytes, position: int) -> bytes:
    return lines[position : position + 40].partition(b"\r\n")[0]
