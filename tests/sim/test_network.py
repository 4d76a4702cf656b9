"""The network in memory: order, loss and time."""

from __future__ import annotations

import random

import pytest

from mmcore.errors import UnreachableError
from mmcore.exchange.binance.link import Connect
from mmcore.exchange.channel import ping_frame, text_frame
from tests.sim.network import Connection, Frames, Latency, Road, SimConnector, SimWire
from tests.sim.timeline import NS_PER_MS, NS_PER_S, Timeline


class Desk:
    """A road, a server that notes what it gets, and a client that is connected."""

    def __init__(self, seed: int = 1) -> None:
        self.timeline = Timeline(5 * NS_PER_S)
        self.road = Road(self.timeline, random.Random(seed), Latency(NS_PER_MS, NS_PER_MS))
        self.got = bytearray()
        self.is_lost = False
        self.crossed: list[tuple[str, str, bytes]] = []
        self.connector = SimConnector(self.road, self, self, "test", lambda: None)
        self.connections: list[Connection] = []

    def accept(self, connection: Connection, url: str) -> Desk:
        self.connections.append(connection)
        return self

    def received(self, data: bytes) -> None:
        self.got += data

    def lost(self) -> None:
        self.is_lost = True

    def sent(self, name: str, data: bytes) -> None:
        self.crossed.append(("sent", name, data))

    def read(self, name: str, data: bytes) -> None:
        self.crossed.append(("read", name, data))

    def run(self, seconds: float) -> None:
        until_ns = self.timeline.now_ns + int(seconds * NS_PER_S)
        while self.timeline.next_ns() <= until_ns:
            self.timeline.advance(until_ns)
        self.timeline.now_ns = until_ns

    def connect(self) -> SimWire:
        self.connector.start(Connect(1, "ws://nowhere"))
        self.run(0.1)
        taken = self.connector.take()
        assert taken is not None
        assert isinstance(taken[1], SimWire)
        return taken[1]


def _read(wire: SimWire) -> bytes:
    buffer = bytearray(1 << 16)
    read = bytearray()
    while (count := wire.recv_into(memoryview(buffer))) is not None and count:
        read += buffer[:count]
    return bytes(read)


@pytest.mark.parametrize("seed", range(20))
def test_bytes_arrive_whole_and_in_order_whatever_the_latencies(seed: int) -> None:
    desk = Desk(seed)
    wire = desk.connect()
    rng = random.Random(seed)
    up = [rng.randbytes(rng.randrange(1, 300)) for _ in range(200)]
    down = [rng.randbytes(rng.randrange(1, 300)) for _ in range(200)]
    for one, other in zip(up, down, strict=True):
        assert wire.send(one)
        desk.connections[0].write(other)
        desk.run(rng.random() * 0.003)
    desk.run(1)
    assert bytes(desk.got) == b"".join(up)
    assert _read(wire) == b"".join(down)
    assert wire.recv_into(memoryview(bytearray(1))) is None


def test_what_was_held_up_arrives_at_the_end_of_it_and_at_once() -> None:
    desk = Desk()
    wire = desk.connect()
    held_until_ns = desk.timeline.now_ns + NS_PER_S
    desk.road.hold(held_until_ns, up=False, down=True)
    for number in range(10):
        desk.connections[0].write(b"%d" % number)
        wire.send(b"%d" % number)
        desk.run(0.05)
    assert bytes(desk.got) == b"0123456789"
    assert _read(wire) == b""
    desk.run((held_until_ns - desk.timeline.now_ns) / NS_PER_S)
    assert _read(wire) == b"0123456789"


def test_a_reset_loses_what_is_on_its_way_and_both_ends_learn_of_it() -> None:
    desk = Desk()
    wire = desk.connect()
    desk.connections[0].write(b"never")
    wire.send(b"never")
    desk.road.reset_all()
    desk.run(0)
    assert desk.is_lost
    desk.run(0.1)
    assert bytes(desk.got) == b""
    assert wire.recv_into(memoryview(bytearray(9))) == 0
    assert wire.close_reason
    assert not wire.send(b"more")


def test_a_half_open_connection_says_nothing_and_takes_everything() -> None:
    desk = Desk()
    wire = desk.connect()
    desk.connections[0].half_open(up=True, down=True)
    assert wire.send(b"into the void")
    desk.connections[0].write(b"into the void")
    desk.run(60)
    assert bytes(desk.got) == b""
    assert wire.recv_into(memoryview(bytearray(9))) is None
    assert not desk.is_lost


def test_an_end_comes_after_what_was_written_before_it() -> None:
    desk = Desk()
    wire = desk.connect()
    desk.connections[0].write(b"last words")
    desk.connections[0].finish()
    desk.run(0.1)
    assert _read(wire) == b"last words"
    assert wire.recv_into(memoryview(bytearray(9))) == 0
    assert desk.is_lost


def test_a_client_that_closes_is_gone_for_the_server_after_its_bytes() -> None:
    desk = Desk()
    wire = desk.connect()
    wire.send(b"bye")
    wire.close()
    assert not desk.is_lost
    desk.run(0.1)
    assert bytes(desk.got) == b"bye"
    assert desk.is_lost


@pytest.mark.parametrize(("condition", "after_s"), [("refused_until_ns", 0.05), ("unanswered_until_ns", 5.0)])
def test_connects_that_are_refused_fail_soon_and_unanswered_ones_late(condition: str, after_s: float) -> None:
    desk = Desk()
    setattr(desk.road, condition, desk.timeline.now_ns + NS_PER_S)
    desk.connector.start(Connect(7, "ws://nowhere"))
    desk.run(after_s - 0.05)
    assert not desk.connector.waiting
    desk.run(0.1)
    taken = desk.connector.take()
    assert taken is not None
    assert taken[0] == 7
    assert isinstance(taken[1], UnreachableError)
    assert desk.connections == []


def test_a_connection_that_comes_up_after_its_owner_has_gone_is_closed() -> None:
    desk = Desk()
    desk.connector.start(Connect(1, "ws://nowhere"))
    desk.connector.close()
    desk.run(1)
    assert desk.is_lost
    assert not desk.connector.waiting


def test_frames_are_cut_and_unmasked_wherever_the_bytes_are_split() -> None:
    payloads = [b"", b"x", b"a" * 125, b"b" * 126, b"c" * 65_535, b"d" * 70_000]
    stream = b"".join(text_frame(payload) for payload in payloads) + ping_frame(b"12345678")
    frames = Frames()
    rng = random.Random(3)
    cut = []
    at = 0
    while at < len(stream):
        size = rng.choice((1, 2, 3, 7, 1000, 40_000))
        cut += frames.feed(stream[at : at + size])
        at += size
    assert cut == [*((1, payload) for payload in payloads), (9, b"12345678")]
