"""The load: browsers and phones as bare asyncio protocols, so that they cost less than what they
measure."""

import asyncio
import base64
import os
import time
from collections.abc import Iterable, Mapping, Sequence

# As Chrome sends them: what a waiting page's request really weighs.
PAGE_HEADERS = {
    "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/141.0.0.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;"
    "q=0.8",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
    "Sec-CH-UA": '"Chromium";v="141", "Not?A_Brand";v="8"',
    "Sec-CH-UA-Mobile": "?0",
    "Sec-CH-UA-Platform": '"Windows"',
    "Upgrade-Insecure-Requests": "1",
}
PHONE_HEADERS = {
    "User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.60 NetType/WIFI Language/zh_CN",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "zh-CN,zh-Hans;q=0.9",
    "Accept-Encoding": "gzip, deflate, br",
}
_SOCKET_HEADERS = {
    "User-Agent": PAGE_HEADERS["User-Agent"],
    "Accept-Encoding": PAGE_HEADERS["Accept-Encoding"],
    "Accept-Language": PAGE_HEADERS["Accept-Language"],
    "Cache-Control": "no-cache",
    "Pragma": "no-cache",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
}
OPENING_AT_ONCE = 50  # handshakes, so that the server's queue of new connections never overflows
PATIENCE_SECONDS = 30


def _place(base: str) -> tuple[str, int]:
    host, _, port = base.removeprefix("http://").rpartition(":")
    return host, int(port)


def _head(method: str, path: str, base: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {base.removeprefix('http://')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Answer:
    """Status, headers and body of one answer."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = [tuple(line.split(": ", 1)) for line in lines]
        self.body = body


class Connection(asyncio.Protocol):
    """A kept HTTP connection; one request at a time."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._buffer = b""
        self._answer: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None

    async def open(self) -> "Connection":
        """Connect; before that, :meth:`fetch` must not be called."""
        await asyncio.get_running_loop().create_connection(lambda: self, *_place(self._base))
        return self

    async def fetch(
        self,
        path: str,
        headers: Mapping[str, str],
        *,
        body: bytes | None = None,
        kind: str = "application/x-www-form-urlencoded",
    ) -> Answer:
        """GET ``path``, or POST a body of this kind to it."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        if body is None:
            self._transport.write(_head("GET", path, self._base, headers))
        else:
            form = {
                "Content-Type": kind,
                "Content-Length": str(len(body)),
            }
            self._transport.write(_head("POST", path, self._base, {**headers, **form}) + body)
        # wait_for of Python 3.11 may forget that it was cancelled.
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._answer

    @property
    def closed(self) -> bool:
        """Whether one of the two has hung up."""
        return self._transport is None or self._transport.is_closing()

    def close(self) -> None:
        """Hang up."""
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, mark, rest = self._buffer.partition(b"\r\n\r\n")
        if not mark:
            return
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        if self._answer and not self._answer.done():
            self._answer.set_result(Answer(head, rest[:length]))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("closed without an answer"))


async def fetch(base: str, path: str, headers: Mapping[str, str]) -> Answer:
    """GET ``path`` over a connection of its own, as a phone does that was not here before."""
    connection = await Connection(base).open()
    try:
        return await connection.fetch(path, headers)
    finally:
        connection.close()


class Waiting(asyncio.Protocol):
    """A browser's end of a live socket: answers pings, and notes when each frame came."""

    def __init__(self, base: str, path: str, headers: Mapping[str, str]) -> None:
        self._base = base
        self._path = path
        self._headers = headers
        self._buffer = b""
        self._open = False
        self._frame: asyncio.Future[tuple[float, bytes]] | None = None
        self._wanted = b""
        self._transport: asyncio.Transport | None = None

    async def open(self, first: bytes) -> "Waiting":
        """Connect, and wait for a frame that holds ``first``; for none if that is empty."""
        self._expect(first)
        await asyncio.get_running_loop().create_connection(lambda: self, *_place(self._base))
        await self._came()
        return self

    def expect(self, wanted: bytes) -> None:
        """From now on look for a frame that holds ``wanted``; :meth:`came` gives its time."""
        self._expect(wanted)

    def _expect(self, wanted: bytes) -> None:
        self._wanted = wanted
        self._frame = asyncio.get_running_loop().create_future()

    async def came(self) -> float:
        """When that frame came, on the clock of ``time.perf_counter``."""
        return (await self._came())[0]

    async def _came(self) -> tuple[float, bytes]:
        assert self._frame is not None
        return await asyncio.wait_for(self._frame, PATIENCE_SECONDS)

    def send(self, text: bytes) -> None:
        """Send a text frame."""
        self._write(0x1, text)

    def close(self) -> None:
        """Hang up."""
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        own = {"Origin": self._base, "Sec-WebSocket-Key": key}
        transport.write(
            _head("GET", self._path, self._base, {**_SOCKET_HEADERS, **own, **self._headers})
        )

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._buffer += data
        if not self._open:
            head, mark, rest = self._buffer.partition(b"\r\n\r\n")
            if not mark:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._settle(error=ConnectionError(f"refused: {head[:60]!r}"))
                return
            self._open = True
            self._buffer = rest
            if not self._wanted:
                self._settle((now, b""))
        while (frame := self._take()) is not None:
            opcode, payload = frame
            if opcode == 0x9:
                self._write(0xA, payload)
            elif opcode == 0x1 and self._wanted and self._wanted in payload:
                self._settle((now, payload))

    def connection_lost(self, error: Exception | None) -> None:
        self._settle(error=error or ConnectionError("closed"))

    def _settle(
        self, found: tuple[float, bytes] | None = None, error: Exception | None = None
    ) -> None:
        if self._frame is None or self._frame.done():
            return
        if found is None:
            self._frame.set_exception(error or ConnectionError())
            self._frame.exception()
            return
        self._frame.set_result(found)

    def _take(self) -> tuple[int, bytes] | None:
        """The next whole frame of the buffer. A server's frames are unmasked."""
        data = self._buffer
        if len(data) < 2:
            return None
        start, length = 2, data[1]
        if length == 126:
            start, length = 4, int.from_bytes(data[2:4])
        if len(data) < start + length:
            return None
        self._buffer = data[start + length :]
        return data[0] & 0x0F, data[start : start + length]

    def _write(self, opcode: int, payload: bytes) -> None:
        assert self._transport is not None
        # A mask of zeros is a mask, and costs nothing.
        size = len(payload)
        head = (
            bytes([0x80 | opcode, 0x80 | size])
            if size < 126
            else (bytes([0x80 | opcode, 0xFE]) + size.to_bytes(2))
        )
        self._transport.write(head + bytes(4) + payload)


async def open_all(sockets: Iterable[Waiting], first: bytes) -> list[Waiting]:
    """Open many sockets, a few at a time."""
    places = asyncio.Semaphore(OPENING_AT_ONCE)

    async def open_one(socket: Waiting) -> Waiting:
        async with places:
            return await socket.open(first)

    return list(await asyncio.gather(*map(open_one, sockets)))


async def round_trips(
    base: str, path: str, headers: Mapping[str, str], *, until: asyncio.Event, pause: float
) -> list[float]:
    """Ask again and again over one connection; the milliseconds of each answer.

    A loop that is busy answers late, so the worst of these is its lag as people feel it.
    """
    connection = await Connection(base).open()
    seen = []
    try:
        while not until.is_set():
            begun = time.perf_counter()
            await connection.fetch(path, headers)
            seen.append(1000 * (time.perf_counter() - begun))
            await asyncio.sleep(pause)
    finally:
        connection.close()
    return seen


async def pages_per_second(
    base: str, requests: Sequence[tuple[str, Mapping[str, str]]], *, connections: int
) -> float:
    """Fetch all of ``requests`` over a few kept connections; how many a second.

    Raises:
        AssertionError: one of them was not answered with 200.
    """
    opened = [await Connection(base).open() for _ in range(connections)]
    todo = iter(requests)

    async def work(connection: Connection) -> None:
        for path, headers in todo:
            answer = await connection.fetch(path, headers)
            assert answer.status == 200, (path, answer.status)

    begun = time.perf_counter()
    await asyncio.gather(*map(work, opened))
    spent = time.perf_counter() - begun
    for connection in opened:
        connection.close()
    return len(requests) / spent
