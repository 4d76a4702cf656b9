"""The venue's front without sockets: everything between bytes of connections and the exchange, faults included.

A socket server and a driver in virtual time use it alike: they open lines, hand in what clients send, call `advance`
when `exchange.next_due_us()` says so, and write what lines give them. One thread.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from mmcore.venue import effects
from mmcore.venue.exchange import Exchange, UserEvent
from mmcore.venue.faults import TimedStrike
from mmcore.venue.jsontext import TimeUnit, compact_json
from mmcore.venue.limits import LOCAL
from mmcore.venue.line import Carrier, Line
from mmcore.venue.rest import RestReply, handle_rest
from mmcore.venue.streams import StreamHub, StreamSession, close_frame, text_frame
from mmcore.venue.userdata import server_shutdown
from mmcore.venue.ws_api import ApiSession

STREAMS, API, REST = "streams", "api", "rest"


class Front:
    """The connections of one exchange.

    `order_rng` decides whether a user event goes out before or after the reply to the request that caused it: the
    exchange promises neither.
    """

    def __init__(self, exchange: Exchange, hub: StreamHub, order_rng: random.Random) -> None:
        self.exchange = exchange
        self.hub = hub
        self._order_rng = order_rng
        self._lines: dict[Line, None] = {}
        self._streams: dict[Line, StreamSession] = {}
        self._api: dict[Line, ApiSession] = {}
        self._refuse_until_us: dict[str, int] = {}

    # Connections

    def refuses(self, sockets: str) -> bool:
        """Whether a new connection of this kind (STREAMS or API; any request of REST) is to be reset."""
        return self.exchange.clock.now_us() < self._refuse_until_us.get(sockets, 0)

    def open_line(self, sockets: str, carrier: Carrier) -> Line:
        """The outgoing side of a new connection."""
        exchange = self.exchange
        line = Line(sockets, carrier, agenda=exchange.agenda, clock=exchange.clock, faults=exchange.faults)
        self._lines[line] = None
        return line

    def attach_streams(self, line: Line, session: StreamSession) -> None:
        """What `line` carries."""
        self._streams[line] = session

    def attach_api(self, line: Line, session: ApiSession) -> None:
        """What `line` carries."""
        self._api[line] = session

    def close(self, line: Line) -> None:
        """The connection is gone."""
        del self._lines[line]
        self._api.pop(line, None)
        session = self._streams.pop(line, None)
        if session is not None:
            session.close()

    def drop(self, sockets: Iterable[str], refuse_us: int) -> None:
        """Reset all connections of these kinds, and new ones for a while."""
        kinds = tuple(sockets)
        self._refuse(kinds, refuse_us)
        for line in [line for line in self._lines if line.sockets in kinds]:
            line.reset()

    # Time

    def advance(self) -> None:
        """Let everything that is due by now happen, and send what comes of it."""
        messages = self.exchange.advance()
        now_us = self.exchange.clock.now_us()
        for strike in self.exchange.faults.take_due(now_us):
            self._strike(strike)
        self.hub.publish(messages)
        self._send_late()
        self.deliver()

    def deliver(self) -> None:
        """Send the user events that have come up."""
        self._send_events(self.exchange.take_user_events())

    # Requests. `advance` first.

    def answer(self, line: Line, text: str) -> None:
        """One text frame of the WebSocket API."""
        session = self._api[line]
        replies = b"".join(text_frame(reply) for reply in session.handle(text))
        events = self.exchange.take_user_events()
        events_first = bool(events) and self._order_rng.random() < 0.5
        if session.events_first is not None:
            events_first = session.events_first
        if events_first:
            self._send_events(events)
        if replies:
            line.send(replies)
        if not events_first:
            self._send_events(events)

    def rest(
        self,
        method: str,
        target: str,
        api_key: str | None,
        body: bytes,
        *,
        time_unit: str | None = None,
        address: str = LOCAL,
    ) -> RestReply:
        """One REST request; the arguments are those of `handle_rest`."""
        reply = handle_rest(self.exchange, method, target, api_key, body, time_unit=time_unit, address=address)
        self.deliver()
        return reply

    # Sending

    def _send_events(self, events: Iterable[UserEvent]) -> None:
        for event in events:
            for line, session in self._api.items():
                for text in session.wrap(event):
                    line.send(text_frame(text))

    def _send_late(self) -> None:
        for line, session in self._api.items():
            for text in session.take_late():
                line.send(text_frame(text))

    # Faults at their time

    def _strike(self, strike: TimedStrike) -> None:
        fault = strike.fault
        values = fault.values
        if "sockets" not in values:
            hit = self._terminate() if fault.kind == "stream_terminated" else effects.strike(self.exchange, fault)
        elif fault.kind == "connect_refused":
            self._refuse(_kinds(fault.word("sockets")), 1000 * fault.whole("for_ms"))
            hit = fault.word("sockets")
        else:
            kinds = _kinds(fault.word("sockets"))
            lines = [line for line in self._lines if line.sockets in kinds]
            if values["which"] == "one" and lines:
                lines = [strike.rng.choice(lines)]
            if fault.kind == "reset":
                self._refuse(kinds, 1000 * fault.whole("refuse_ms"))
            for line in lines:
                self._strike_line(line, strike)
            hit = f"{len(lines)} of {fault.word('sockets')}"
        self.exchange.faults.note(fault, self.exchange.clock.now_us(), hit)

    def _strike_line(self, line: Line, strike: TimedStrike) -> None:
        fault = strike.fault
        if fault.kind == "half_open":
            line.half_open(1000 * fault.whole("for_ms"))
        elif fault.kind == "trickle":
            line.trickle(1000 * fault.whole("for_ms"), fault.whole("byte_us"))
        elif fault.kind == "reset":
            line.reset()
        elif fault.kind == "closed":
            self._close(line, int(fault.word("code")))
        else:
            assert fault.kind == "shutdown", f"{fault.kind} is a fault on lines"
            self._announce_shutdown(line)
            due_us = self.exchange.clock.now_us() + 1000 * fault.whole("close_ms")
            self.exchange.agenda.at(due_us, lambda: self._close(line, 1001))

    def _close(self, line: Line, code: int) -> None:
        if code != 1006:
            line.send(close_frame(code))
        line.end()

    def _announce_shutdown(self, line: Line) -> None:
        stream, api = self._streams.get(line), self._api.get(line)
        event = compact_json(server_shutdown(self.exchange.server_us()), TimeUnit.MILLISECOND)
        if api is not None:
            event = f'{{"event":{event}}}'
        elif stream is not None and stream.combined:
            event = f'{{"stream":"!serverShutdown","data":{event}}}'
        line.send(text_frame(event))

    def _terminate(self) -> str:
        count = 0
        for line, session in self._api.items():
            for text in session.terminate():
                line.send(text_frame(text))
                count += 1
        return f"{count} subscriptions"

    def _refuse(self, kinds: Iterable[str], for_us: int) -> None:
        until_us = self.exchange.clock.now_us() + for_us
        for sockets in kinds:
            self._refuse_until_us[sockets] = max(until_us, self._refuse_until_us.get(sockets, 0))


def _kinds(sockets: str) -> tuple[str, ...]:
    return (STREAMS, API, REST) if sockets == "all" else (sockets,)
