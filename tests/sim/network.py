"""A network in memory: connections whose bytes take their time, arrive in pieces, and may be lost with the connection.

Each direction of a connection keeps its order, as TCP does. What may go wrong is a condition of a `Road`: connects
refused or unanswered, bytes held up (and then all there at once), connections reset or half open.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from mmcore.errors import UnreachableError
from mmcore.exchange.binance.link import Connect
from mmcore.exchange.channel import Wire
from tests.sim.timeline import NS_PER_MS, NS_PER_S, Timeline

_CONNECT_TIMEOUT_NS: Final = 5 * NS_PER_S
_SPLIT_SHARE: Final = 0.05


@dataclass(slots=True)
class Latency:
    """One way: at least `base_ns`, mostly little more, seldom ten times the jitter."""

    base_ns: int
    jitter_ns: int

    def draw(self, rng: random.Random) -> int:
        return self.base_ns + int(self.jitter_ns * min(rng.expovariate(1.0), 10.0))


class Road:
    """What all connections of one kind ("market", "order") have in common, and its present conditions."""

    def __init__(self, timeline: Timeline, rng: random.Random, latency: Latency) -> None:
        self.timeline = timeline
        self.rng = rng
        self.latency = latency
        self.connections: dict[Connection, None] = {}
        self.refused_until_ns = 0
        self.unanswered_until_ns = 0
        self.up_held_until_ns = 0
        self.down_held_until_ns = 0

    def hold(self, until_ns: int, *, up: bool, down: bool) -> None:
        """Bytes that set out from now on arrive then, not before, and all at once."""
        if up:
            self.up_held_until_ns = max(self.up_held_until_ns, until_ns)
        if down:
            self.down_held_until_ns = max(self.down_held_until_ns, until_ns)

    def some(self) -> list[Connection]:
        """All connections, or one of them."""
        every = list(self.connections)
        return every if len(every) < 2 or self.rng.random() < 0.5 else [self.rng.choice(every)]

    def reset_all(self) -> None:
        """Every connection ends."""
        for connection in tuple(self.connections):
            connection.reset()


class Pipe:
    """One direction of a connection."""

    __slots__ = ("_arrive", "_last_ns", "_road", "_upwards", "_waiting", "is_cut", "is_lost")

    def __init__(self, road: Road, arrive: Callable[[bytes], None], *, upwards: bool) -> None:
        """arrive(data): called when bytes are there; b"" = the end."""
        self._road = road
        self._arrive = arrive
        self._last_ns = 0
        self._waiting: list[bytes] = []
        self._upwards = upwards
        self.is_lost = False
        self.is_cut = False

    def push(self, data: bytes) -> None:
        """Bytes, or b"" for the end, set out now."""
        if self.is_lost or self.is_cut:
            return
        road = self._road
        if len(data) > 1 and not self._upwards and road.rng.random() < _SPLIT_SHARE:
            at = road.rng.randrange(1, len(data))
            self._send(data[:at])
            self._send(data[at:])
        else:
            self._send(data)

    def _send(self, data: bytes) -> None:
        road = self._road
        held_ns = road.up_held_until_ns if self._upwards else road.down_held_until_ns
        due_ns = max(road.timeline.now_ns + road.latency.draw(road.rng), held_ns, self._last_ns)
        if due_ns == self._last_ns and self._waiting:
            self._waiting.append(data)  # as TCP gives what has piled up: all at once
            return
        self._last_ns = due_ns
        waiting = self._waiting = [data]
        road.timeline.at(due_ns, lambda: self._deliver(waiting))

    def _deliver(self, waiting: list[bytes]) -> None:
        if waiting is self._waiting:
            self._waiting = []
        if self.is_lost or self.is_cut:
            return
        data = b"".join(waiting)
        if data:
            self._arrive(data)
        if not waiting[-1]:
            self._arrive(b"")


class ServerEnd(Protocol):
    """The far end of a connection."""

    def received(self, data: bytes) -> None:
        """Bytes came in."""

    def lost(self) -> None:
        """The connection is over."""


class Server(Protocol):
    """Who is called."""

    def accept(self, connection: Connection, url: str) -> ServerEnd:
        """A connection was opened. Raises UnreachableError, HandshakeRefusedError among them, when it is not taken."""


class Connection:
    """One WebSocket connection after its handshake: the client's `wire`, two pipes, and the server's end."""

    def __init__(self, road: Road, name: str, arrived: Callable[[], None], tap: Tap) -> None:
        """name: for the tap. arrived: called when the client has something to read."""
        self.road = road
        self.name = name
        self.tap = tap
        self.end: ServerEnd | None = None
        self.wire = SimWire(self, arrived)
        self.up = Pipe(road, self._at_server, upwards=True)
        self.down = Pipe(road, self.wire.received, upwards=False)
        road.connections[self] = None

    def _at_server(self, data: bytes) -> None:
        if self.end is None:
            return
        if data:
            self.end.received(data)
        else:
            self._server_loses()

    def _server_loses(self) -> None:
        end, self.end = self.end, None
        self.road.connections.pop(self, None)
        if end is not None:
            end.lost()

    # What the server's side does

    def write(self, data: bytes) -> None:
        """Bytes to the client."""
        self.down.push(data)

    def finish(self) -> None:
        """The server closes after what it has written; it is told that this is done in a moment, as by a socket."""
        self.down.push(b"")
        self.road.timeline.after(0, self._server_loses)

    def half_open(self, *, up: bool, down: bool) -> None:
        """From now on nothing arrives in these directions, and nobody is told."""
        self.up.is_lost |= up
        self.down.is_lost |= down

    def reset(self) -> None:
        """Both ends learn that it is over, the client after the way there; what is on its way is lost."""
        self.up.is_cut = self.down.is_cut = True
        self.road.timeline.after(self.road.latency.draw(self.road.rng), self.wire.broken)
        self.road.timeline.after(0, self._server_loses)


class Tap(Protocol):
    """Sees what crosses the client's edge of the network."""

    def sent(self, name: str, data: bytes) -> None:
        """The client handed these bytes over; b"": it asks for a connection."""

    def read(self, name: str, data: bytes) -> None:
        """These bytes have arrived at the client."""


class SimWire:
    """The client's end: `mmcore.exchange.channel.Wire` without a socket."""

    def __init__(self, connection: Connection, arrived: Callable[[], None]) -> None:
        self._connection = connection
        self._arrived = arrived
        self._inbox = bytearray()
        self._close_reason = ""
        self._is_closed = False

    @property
    def close_reason(self) -> str:
        return self._close_reason

    @property
    def wants_write(self) -> bool:
        return False

    def fileno(self) -> int:
        return -1

    def received(self, data: bytes) -> None:
        if self._is_closed:
            return
        if data:
            self._connection.tap.read(self._connection.name, data)
            self._inbox += data
        else:
            self._close_reason = self._close_reason or "closed by the other side"
        self._arrived()

    def broken(self) -> None:
        if not self._is_closed:
            self._inbox.clear()
            self._close_reason = self._close_reason or "the connection was closed"
            self._arrived()

    def recv_into(self, buffer: memoryview) -> int | None:
        count = min(len(buffer), len(self._inbox))
        if count:
            buffer[:count] = self._inbox[:count]
            del self._inbox[:count]
            return count
        return 0 if self._close_reason else None

    def send(self, frame: bytes | memoryview) -> bool:
        if self._close_reason or self._is_closed:
            return False
        data = bytes(frame)
        self._connection.tap.sent(self._connection.name, data)
        self._connection.up.push(data)
        return True

    def flush(self) -> bool:
        return True

    def close(self, code: int = 1000) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._close_reason = self._close_reason or "closed by us"
            self._connection.up.push(b"")


class SimConnector:
    """`mmcore.host.connector.Connector` on a road."""

    def __init__(self, road: Road, server: Server, tap: Tap, name: str, arrived: Callable[[], None]) -> None:
        """arrived: called when there is a result to take, or something to read on a connection made here."""
        self._road = road
        self._server = server
        self._tap = tap
        self._name = name
        self._arrived = arrived
        self._results: deque[tuple[int, Wire | Exception]] = deque()
        self._is_closed = False

    @property
    def waiting(self) -> bool:
        return bool(self._results)

    def take(self) -> tuple[int, Wire | Exception] | None:
        return self._results.popleft() if self._results else None

    def start(self, request: Connect) -> None:
        road = self._road
        now_ns = road.timeline.now_ns
        self._tap.sent(self._name, b"")
        if now_ns < road.unanswered_until_ns:
            failure = UnreachableError("no answer in time")
            road.timeline.after(_CONNECT_TIMEOUT_NS, lambda: self._result(request.attempt, failure))
            return
        there_ns = 2 * road.latency.draw(road.rng)  # the TCP and TLS handshakes in one
        if now_ns < road.refused_until_ns:
            refusal = UnreachableError("connection refused")
            road.timeline.after(there_ns, lambda: self._result(request.attempt, refusal))
            return
        road.timeline.after(there_ns, lambda: self._accept(request))

    def _accept(self, request: Connect) -> None:
        connection = Connection(self._road, self._name, self._arrived, self._tap)
        result: Wire | Exception = connection.wire
        try:
            connection.end = self._server.accept(connection, request.url)
        except UnreachableError as refusal:
            self._road.connections.pop(connection, None)
            result = refusal
        back_ns = self._road.latency.draw(self._road.rng)
        self._road.timeline.after(back_ns, lambda: self._result(request.attempt, result))

    def _result(self, attempt: int, result: Wire | Exception) -> None:
        if not self._is_closed:
            self._results.append((attempt, result))
            self._arrived()
        elif not isinstance(result, Exception):
            result.close()

    def close(self) -> None:
        self._is_closed = True
        for _, result in self._results:
            if not isinstance(result, Exception):
                result.close()
        self._results.clear()


class Frames:
    """Cuts a client's bytes into WebSocket frames: whole ones, masked, unfragmented, as this client sends them."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """(opcode, payload) of every frame that is complete now."""
        self._bytes += data
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> tuple[int, bytes] | None:
        held = self._bytes
        if len(held) < 2:
            return None
        assert held[0] & 0xF0 == 0x80, "a whole frame"
        assert held[1] & 0x80, "a masked frame"
        size, at = held[1] & 0x7F, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(held) < at + width:
                return None
            size, at = int.from_bytes(held[at : at + width], "big"), at + width
        if len(held) < at + 4 + size:
            return None
        payload = unmask(bytes(held[at + 4 : at + 4 + size]), bytes(held[at : at + 4]))
        opcode = held[0] & 0x0F
        del held[: at + 4 + size]
        return opcode, payload


def unmask(payload: bytes, mask: bytes) -> bytes:
    """A frame's payload without its mask."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def split_latency(rng: random.Random) -> Latency:
    """A distance to the exchange: from the next room to another continent."""
    base_ms = rng.choice((0.1, 0.5, 1.0, 3.0, 10.0, 40.0))
    return Latency(int(base_ms * NS_PER_MS), int(base_ms * NS_PER_MS * rng.uniform(0.05, 0.5)))
