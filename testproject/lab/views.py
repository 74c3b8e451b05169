"""Pages no shop wants: slow, endless, broken or paused. A development server has to live with all of them."""

import asyncio
import hashlib
import itertools
import time
from collections.abc import AsyncIterator, Iterator

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

PLAIN = "text/plain; charset=utf-8"
LONGEST_SLEEP_SECONDS = 30
MOST_LINES = 10_000
LINE_INTERVAL_SECONDS = 0.2
EVENT_INTERVAL_SECONDS = 1
CHUNK_BYTES = 64 * 1024


def slow(request: HttpRequest) -> HttpResponse:
    """Answer after ``?seconds=``."""
    seconds = _number(request, "seconds", default=2, most=LONGEST_SLEEP_SECONDS)
    time.sleep(seconds)
    return HttpResponse(f"slept {seconds:g} s\n", content_type=PLAIN)


def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Send ``?lines=`` one by one, so that the connection is busy for as long as a test wants."""
    lines = int(_number(request, "lines", default=10, most=MOST_LINES))

    def content() -> Iterator[str]:
        for line in range(1, lines + 1):
            yield f"line {line} of {lines}\n"
            time.sleep(LINE_INTERVAL_SECONDS)

    return StreamingHttpResponse(content(), content_type=PLAIN)


async def events(request: HttpRequest) -> StreamingHttpResponse:
    """Server-sent events without an end; by ASGI, where each is sent as it is yielded."""

    async def content() -> AsyncIterator[str]:
        for number in itertools.count(1):
            yield f"data: event {number}\n\n"
            await asyncio.sleep(EVENT_INTERVAL_SECONDS)

    return StreamingHttpResponse(content(), content_type="text/event-stream")


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("This view always fails.")


def pause(request: HttpRequest) -> HttpResponse:
    """Open the debugger in the terminal of the server; ``c`` lets the answer go out."""
    answer = "went on\n"
    breakpoint()
    return HttpResponse(answer, content_type=PLAIN)


@csrf_exempt
@require_POST
def echo(request: HttpRequest) -> JsonResponse:
    """Tell what arrived. Read in chunks, as ``request.body`` refuses what is larger than 2.5 MB."""
    length, digest = 0, hashlib.sha256()
    while chunk := request.read(CHUNK_BYTES):
        length += len(chunk)
        digest.update(chunk)
    return JsonResponse({"length": length, "sha256": digest.hexdigest()})


def _number(request: HttpRequest, name: str, *, default: float, most: float) -> float:
    """Return a number of the query string, between 0 and ``most``; what is no number counts as absent."""
    try:
        number = float(request.GET.get(name, default))
    except ValueError:
        number = default
    return min(max(0, number), most)
