"""Reading an open WebSocket: bytes into its parser, messages decoded in C, the exchange's pings answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from mmcore.core.feed import Feed as Decoder
from mmcore.core.loop import Loop, Pumped
from mmcore.core.ws import WsParser
from mmcore.exchange.channel import Wire

_READS_MAX: Final = 64
_OVER: Final = Pumped(records=False, reply=False, closed=True, limited=False, shutdown=False, answer=b"")


@dataclass(slots=True)
class Line:
    """An open connection. channel: which of the loop's channels; socket: which of the market connections."""

    wire: Wire
    parser: WsParser
    channel: int
    socket: int = 0

    @property
    def close_reason(self) -> str:
        """Why it is over, once it is."""
        return self.wire.close_reason or f"closed by the exchange ({self.parser.close_code})"


def received(line: Line, loop: Loop, decoder: Decoder, now_ns: Callable[[], int]) -> Iterator[tuple[int, Pumped]]:
    """What is there now, as (when it was read, what it was); `closed` in the last of them means that it is over.

    More than 64 reads are left for the next time. The holder of the channel's role."""
    wire, parser = line.wire, line.parser
    if wire.wants_write:
        wire.flush()
    for _ in range(_READS_MAX):
        count = wire.recv_into(parser.space())
        if count is None:
            return
        recv_ns = now_ns()
        if count == 0:
            yield recv_ns, _OVER
            return
        parser.filled(count)
        more = True
        while more:
            pumped = loop.pump(line.channel, parser, decoder, recv_ns, line.socket)
            if pumped.answer:
                wire.send(pumped.answer)
            yield recv_ns, pumped
            if pumped.closed:
                return
            more = pumped.reply or pumped.limited
