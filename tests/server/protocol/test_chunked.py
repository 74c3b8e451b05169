"""The decoder of chunked bodies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devrunserver.server.protocol.chunked import MAX_SIZE_LINE, Decoder
from devrunserver.server.protocol.parser import MAX_FIELDS, FramingError


def decode(data: bytes, step: int = 0) -> tuple[bytes, Decoder]:
    """What is in a body that comes in steps of so many bytes; 0: at once."""
    decoder = Decoder()
    parts = [data[at : at + step] for at in range(0, len(data), step)] if step else [data]
    return b"".join(block for part in parts for block in decoder.feed(part)), decoder


@pytest.mark.parametrize("step", [0, 1, 2, 3, 7])
@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"000\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"05\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"hello world"),
        (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"a;name=value;b\r\n0123456789\r\n0;last\r\n\r\n", b"0123456789"),
        (b'5 ;a="b c"\r\nhello\r\n0\r\n\r\n', b"hello"),
        (b"5\r\n\r\n0\r\n\r\n0\r\n\r\n", b"\r\n0\r\n"),
        (b"5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n", b"hello"),
    ],
)
def test_bodies(data: bytes, body: bytes, step: int) -> None:
    decoded, decoder = decode(data, step)
    assert decoded == body
    assert decoder.is_complete and decoder.rest == b""


def test_what_follows_is_not_of_the_body() -> None:
    decoded, decoder = decode(b"1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n")
    assert (decoded, decoder.rest) == (b"a", b"GET / HTTP/1.1\r\n")


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5_0\r\n",
        b" 5\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b"5\nhello\n0\n\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"5\r\nhell\r\n0\r\n\r\n",
        b"5;a\x00\r\nhello\r\n",
        b"5;a\nb\r\nhello\r\n",
        b"5\rhello\r\n",
        b"ffffffffffffffffff\r\n",
        b"5;" + b"a" * MAX_SIZE_LINE + b"\r\n",
        b"5" * (MAX_SIZE_LINE + 2),
        b"0\r\nA : b\r\n\r\n",
        b"0\r\n A: b\r\n\r\n",
        b"0\r\nGET / HTTP/1.1\r\n\r\n",
        b"0\r\n" + b"A: b\r\n" * MAX_FIELDS,
        b"0\r\nA: " + b"b" * MAX_FIELDS,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_no_body(data: bytes, step: int) -> None:
    with pytest.raises(FramingError) as caught:
        decode(data, step and max(step, len(data) // 100))  # byte by byte a long one would take seconds
    assert caught.value.status in (400, 431)


@pytest.mark.parametrize(
    "data", [b"", b"5", b"5\r", b"5\r\nhell", b"5\r\nhello", b"5\r\nhello\r", b"0\r\n", b"0\r\n\r"]
)
def test_a_part_is_not_complete(data: bytes) -> None:
    assert not decode(data)[1].is_complete


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.integers(0, 20), st.binary(max_size=10))
def test_what_is_encoded_is_decoded(chunks: list[bytes], step: int, rest: bytes) -> None:
    data = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    decoded, decoder = decode(data, step)
    assert decoded == b"".join(chunks)
    assert decoder.is_complete
    assert list(decoder.feed(rest)) == []
    assert decoder.rest == rest


@given(st.binary(max_size=200), st.integers(1, 10))
def test_how_the_bytes_come_does_not_matter(data: bytes, step: int) -> None:
    def outcome(step: int) -> bytes | str:
        try:
            decoded, decoder = decode(data, step)
        except FramingError:
            return "error"
        return decoded if decoder.is_complete else "more"

    assert outcome(0) == outcome(step)
