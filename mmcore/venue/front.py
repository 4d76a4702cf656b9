"""The venue's front without sockets: everything between bytes of connections and the exchange, faults included.

A socket server and a driver in virtual time use it alike: they open lines, hand in what clients send, call `advance`
when `exchange.next_due_us()` says so, and write what lines give them. One thread.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from mmcore.venue import effects
from mmcore.venue.connection import DEFAULT_RULES, POLICY_VIOLATION, Connection, ConnectionRules, InboundLimit
from mmcore.venue.exchange import Exchange, UserEvent
from mmcore.venue.faults import TimedStrike
from mmcore.venue.frames import close_frame, pong_frame, text_frame
from mmcore.venue.limits import LOCAL, Visitor
from mmcore.venue.line import Carrier, Line
from mmcore.venue.rest import RestReply, handle_rest
from mmcore.venue.streams import StreamHub, StreamSession
from mmcore.venue.userdata import server_shutdown
from mmcore.venue.ws_api import ApiSession

STREAMS, API, REST = "streams", "api", "rest"


@dataclass(frozen=True, slots=True)
class _Client:
    """Who is at the other end of a line, and by which rules it stays there. Only streams limit what comes in."""

    connection: Connection
    visitor: Visitor
    inbound: InboundLimit | None


class Front:
    """The connections of one exchange.

    `order_rng` decides whether a user event goes out before or after the reply to the request that caused it: the
    exchange promises neither.
    """

    def __init__(
        self,
        exchange: Exchange,
        hub: StreamHub,
        order_rng: random.Random,
        rules: ConnectionRules = DEFAULT_RULES,
    ) -> None:
        self.exchange = exchange
        self.hub = hub
        self._order_rng = order_rng
        self._rules = rules
        self._lines: dict[Line, _Client] = {}
        self._streams: dict[Line, StreamSession] = {}
        self._api: dict[Line, ApiSession] = {}
        self._refuse_until_us: dict[str, int] = {}

    # Connections

    def refuses(self, sockets: str) -> bool:
        """Whether a new connection of this kind (STREAMS or API; any request of REST) is to be reset."""
        return self.exchange.clock.now_us() < self._refuse_until_us.get(sockets, 0)

    def open_line(self, sockets: str, carrier: Carrier, address: str = LOCAL) -> Line:
        """The outgoing side of a new connection from an IP address. Pings and its end come with `advance`."""
        exchange = self.exchange
        line = Line(sockets, carrier, agenda=exchange.agenda, clock=exchange.clock, faults=exchange.faults)
        self._lines[line] = _Client(
            Connection(exchange.clock.now_us(), self._rules),
            exchange.visitors.of(address),
            InboundLimit() if sockets == STREAMS else None,
        )
        self._tend_later(line)
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

    def _tend_later(self, line: Line) -> None:
        self.exchange.agenda.at(self._lines[line].connection.next_due_us(), lambda: self._tend(line))

    def _tend(self, line: Line) -> None:
        """Ping a client, or end a connection that is old or answers no pings."""
        client = self._lines.get(line)
        if client is None:
            return
        due = client.connection.due(self.exchange.clock.now_us())
        if due.frames:
            line.send(due.frames)
        if due.ends:
            line.end()
        else:
            self._tend_later(line)

    # What clients send. `advance` first.

    def ping(self, line: Line, payload: bytes) -> None:
        """A ping: answered with its payload."""
        if self._admits(line):
            line.send(pong_frame(payload))

    def pong(self, line: Line, payload: bytes) -> None:
        """A pong: it keeps the connection if it answers a ping."""
        if self._admits(line):
            self._lines[line].connection.on_pong(payload)

    def control(self, line: Line, text: str) -> None:
        """One text frame on a streams connection."""
        if self._admits(line):
            line.send(text_frame(self._streams[line].handle(text)))

    def _admits(self, line: Line) -> bool:
        """Count a message; one too many in a second ends the connection, and is held against its IP address."""
        client = self._lines[line]
        now_us = self.exchange.clock.now_us()
        if not line.hears:
            return False
        if client.inbound is None or client.inbound.admits(now_us):
            return True
        server_us = self.exchange.server_us()
        client.visitor.stream_penalty.refuse(server_us, client.visitor.stream_connections.resets_at_us(server_us))
        line.send(close_frame(POLICY_VIOLATION, "Too many requests"))
        line.end()
        return False

    def answer(self, line: Line, text: str) -> None:
        """One text frame of the WebSocket API."""
        if not self._admits(line):
            return
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
        event = server_shutdown(self.exchange.server_us())
        if line in self._api:
            line.send(text_frame(self._api[line].announce(event)))
        elif line in self._streams:
            line.send(text_frame(self._streams[line].announce("!serverShutdown", event)))

    def _terminate(self) -> str:
        count = 0
        for line, session in self._api.items():
            for text in session.terminate():
                line.send(text_frame(text))
                count += 1
        return f"{count} subscriptions"

    def revoke(self, api_key: str) -> bool:
        """Refuse a key from now on and end the subscriptions made with it. False if there is no such key."""
        if not self.exchange.keys.revoke(api_key):
            return False
        for line, session in self._api.items():
            for text in session.end_key(api_key):
                line.send(text_frame(text))
        return True

    def _refuse(self, kinds: Iterable[str], for_us: int) -> None:
        until_us = self.exchange.clock.now_us() + for_us
        for sockets in kinds:
            self._refuse_until_us[sockets] = max(until_us, self._refuse_until_us.get(sockets, 0))


def _kinds(sockets: str) -> tuple[str, ...]:
    return (STREAMS, API, REST) if sockets == "all" else (sockets,)
