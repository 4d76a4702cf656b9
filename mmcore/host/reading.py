"""Reading an open WebSocket: bytes into its parser, messages decoded in C, the exchange's pings answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from mmcore.core.loop import Pumped, Ran
from mmcore.core.ws import WsParser
from mmcore.exchange.channel import Wire

_READS_MAX: Final = 64
_OVER: Final = Pumped(records=False, reply=False, closed=True, limited=False, shutdown=False, answer=b"", burst=False,
                      ran=Ran(busy=False, orders=False, need_quote=False, log_lost=False))


class Line:
    """An open connection. socket: which of the market connections."""

    __slots__ = ("parser", "socket", "space", "unread", "wire")

    def __init__(self, wire: Wire, parser: WsParser, socket: int = 0) -> None:
        self.wire = wire
        self.parser = parser
        self.socket = socket
        self.space = parser.space()
        """Where the next bytes go; asked for when there is time, not when they are there."""
        self.unread = False
        """Whether it may still hold something that its descriptor does not tell of."""

    @property
    def close_reason(self) -> str:
        """Why it is over, once it is."""
        return self.wire.close_reason or f"closed by the exchange ({self.parser.close_code})"


class Reader(Protocol):
    """The owner of a connection."""

    def pump(self, line: Line, filled: int, recv_ns: int) -> Pumped:
        """Has the core take so many more bytes of the line's parser, read at recv_ns."""

    def see(self, line: Line, recv_ns: int, pumped: Pumped) -> None:
        """Sees to what they were; `closed` means that the connection is over."""


def flush(lines: Iterable[Line]) -> None:
    """Gives the kernel what waits for it. The holder of the channel's role."""
    for line in lines:
        if line.wire.wants_write:
            line.wire.flush()


def read(line: Line, reader: Reader, now_ns: Callable[[], int]) -> None:
    """Takes in what is there now. What it was is seen to before pings are answered. More than 64 reads are left for the
    next time. The holder of the channel's role."""
    wire = line.wire
    line.unread = False
    for _ in range(_READS_MAX):
        space = line.space
        count = wire.recv_into(space)
        if count is None:
            return
        recv_ns = now_ns()
        if count == 0:
            reader.see(line, recv_ns, _OVER)
            return
        pumped = reader.pump(line, count, recv_ns)
        reader.see(line, recv_ns, pumped)
        while not pumped.closed and (pumped.answer or pumped.reply or pumped.limited):
            if pumped.answer:
                wire.send(pumped.answer)
            pumped = reader.pump(line, 0, recv_ns)
            reader.see(line, recv_ns, pumped)
        if pumped.closed:
            return
        line.space = line.parser.space()
        # Less than there was room for was all there was; the end of the connection, if known, comes behind it.
        if count < len(space) and not wire.close_reason:
            return
    line.unread = True
