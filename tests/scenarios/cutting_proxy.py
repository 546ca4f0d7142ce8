"""A proxy before the website that breaks a share of all calls: before they arrive, after, or in the answer."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SHARE = 0.04
"""Of each kind of break."""
BREAKS = ("refused", "unavailable", "cut after sending", "answer lost", "answer torn")
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nnope\n"


class CuttingProxy:
    def __init__(self, target_port: int, seed: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.counts: Counter[str] = Counter()
        self._random = random.Random(seed)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One call; returns whether the connection lives on."""
        call = await _message(reader)
        chance = self._random.random()
        fault = BREAKS[int(chance / SHARE)] if chance < SHARE * len(BREAKS) else "passed"
        self.counts[fault] += 1
        if fault == "refused":
            return _cut(writer)
        if fault == "unavailable":
            writer.write(UNAVAILABLE)
            return True
        theirs, ours = await asyncio.open_connection("127.0.0.1", self.target_port)
        try:
            ours.write(call)
            await ours.drain()
            if fault == "cut after sending":
                return _cut(writer)
            answer = await _message(theirs)
            if fault == "answer lost":
                return _cut(writer)
            writer.write(answer[:-50] if fault == "answer torn" else answer)
            await writer.drain()
            return fault == "passed" and b"connection: close" not in answer.lower()
        finally:
            ours.close()


def _cut(writer: asyncio.StreamWriter) -> bool:
    writer.transport.abort()
    return False


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return head + (await reader.readexactly(lengths[0]) if lengths else b"")


@contextmanager
def cutting_proxy(target_port: int, *, seed: int) -> Iterator[CuttingProxy]:
    """A running proxy on a free port."""
    proxy, loop = CuttingProxy(target_port, seed), asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(proxy.serve, "127.0.0.1", 0))
    proxy.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()
