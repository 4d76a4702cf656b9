"""Connections are made on another thread and handed to their owner whole, or closed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmcore.errors import UnreachableError
from mmcore.exchange.binance.link import Connect
from mmcore.exchange.channel import Channel
from mmcore.host.connector import ThreadConnector
from tests.exchange.conftest import Peer, Server, Servers

WAIT_S = 10


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Servers:
    folder: Path = tmp_path_factory.mktemp("servers")
    return Servers(folder)


class Owner:
    """Who a connector works for."""

    def __init__(self, servers: Servers) -> None:
        self.woken = threading.Semaphore(0)
        self.wakers: list[str] = []
        self.connector = ThreadConnector("test-connect", servers.now_ns, self.wake)

    def wake(self) -> None:
        self.wakers.append(threading.current_thread().name)
        self.woken.release()

    def wait(self) -> None:
        assert self.woken.acquire(timeout=WAIT_S)


@pytest.fixture
def owner(servers: Servers) -> Iterator[Owner]:
    made = Owner(servers)
    yield made
    made.connector.close()


@contextmanager
def accepting(servers: Servers) -> Iterator[Server]:
    """A server that upgrades, says one frame and listens until the client goes."""

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.send(b"\x81\x02hi")
        while peer.sock.recv(100):
            pass

    with servers.serving(script) as server:
        yield server


def test_a_connection_is_handed_over_once_with_its_attempt_and_the_owner_woken(servers: Servers, owner: Owner) -> None:
    with accepting(servers) as server:
        assert owner.connector.take() is None
        assert not owner.connector.waiting
        owner.connector.start(Connect(3, f"ws://127.0.0.1:{server.port}/stream"))
        owner.wait()
        assert owner.connector.waiting
        taken = owner.connector.take()
        assert taken is not None
        attempt, channel = taken
        assert attempt == 3
        assert isinstance(channel, Channel)
        assert not channel.closed
        assert owner.connector.take() is None
        assert owner.wakers[0].startswith("test-connect")
        channel.close()


def test_a_failure_is_handed_over_as_what_went_wrong(servers: Servers, owner: Owner) -> None:
    owner.connector.start(Connect(1, f"ws://127.0.0.1:{servers.unused_port()}/stream"))
    owner.wait()
    taken = owner.connector.take()
    assert taken is not None
    attempt, error = taken
    assert attempt == 1
    assert isinstance(error, UnreachableError)
    assert "connection refused" in str(error)


def test_attempts_are_made_one_after_the_other_and_come_in_their_order(servers: Servers, owner: Owner) -> None:
    with accepting(servers) as server:
        owner.connector.start(Connect(1, f"ws://127.0.0.1:{servers.unused_port()}/"))
        owner.connector.start(Connect(2, f"ws://127.0.0.1:{server.port}/"))
        owner.wait()
        owner.wait()
        first, second = owner.connector.take(), owner.connector.take()
        assert first is not None
        assert second is not None
        assert [first[0], second[0]] == [1, 2]
        assert isinstance(second[1], Channel)
        second[1].close()


def test_what_nobody_has_taken_is_closed_at_the_end(servers: Servers, owner: Owner) -> None:
    with accepting(servers) as server:
        owner.connector.start(Connect(1, f"ws://127.0.0.1:{server.port}/"))
        owner.wait()
        owner.connector.close()
        assert server.ended.get(timeout=WAIT_S) == 0
        assert owner.connector.take() is None


def test_a_connection_that_comes_after_the_end_is_closed_and_not_handed_over(servers: Servers, owner: Owner) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def slow(peer: Peer) -> None:
        head = peer.head()
        arrived.set()
        assert go_on.wait(WAIT_S)
        peer.send(peer.upgrade_answer(head))
        while peer.sock.recv(100):
            pass

    with servers.serving(slow) as server:
        owner.connector.start(Connect(1, f"ws://127.0.0.1:{server.port}/"))
        assert arrived.wait(WAIT_S)
        owner.connector.close()
        go_on.set()
        assert server.ended.get(timeout=WAIT_S) == 0
        owner.wait()
        assert owner.connector.take() is None
