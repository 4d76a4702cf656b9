"""The WebSocket byte transport against real servers: reads, partial writes, TLS, handshakes that go wrong."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.errors import UnreachableError
from mmcore.exchange.channel import (
    Channel,
    HandshakeRefusedError,
    close_frame,
    open_channel,
    ping_frame,
    pong_frame,
    text_frame,
)
from mmcore.exchange.net import tls_context

if TYPE_CHECKING:
    from conftest import Peer, Script, Servers


def wait(channel: Channel, *, writing: bool = False, seconds: float = 60.0) -> None:
    """Until the descriptor is ready, as a role's thread waits."""
    poller = select.poll()
    poller.register(channel.fileno(), select.POLLIN | (select.POLLOUT if writing else 0))
    assert poller.poll(seconds * 1000), "nothing happened on the descriptor"


def read(channel: Channel, count: int, chunk: int = 65536) -> bytes:
    """Exactly `count` bytes, waiting as long as it takes."""
    data = b""
    buffer = memoryview(bytearray(chunk))
    while len(data) < count:
        got = channel.recv_into(buffer)
        if got is None:
            wait(channel)
            continue
        assert got > 0, channel.close_reason
        data += buffer[:got]
    assert len(data) == count
    return data


def until_closed(channel: Channel) -> bytes:
    data = b""
    buffer = memoryview(bytearray(4096))
    while (got := channel.recv_into(buffer)) != 0:
        if got is None:
            wait(channel)
        else:
            data += buffer[:got]
    return data


def opened(servers: Servers, port: int, path: str = "/ws", *, timeout_s: float = 30.0) -> Channel:
    return open_channel(f"ws://127.0.0.1:{port}{path}", now_ns=servers.now_ns, timeout_s=timeout_s)


def opened_tls(servers: Servers, port: int, host: str = "127.0.0.1") -> Channel:
    return open_channel(f"wss://{host}:{port}/ws", now_ns=servers.now_ns, timeout_s=30.0,
                        tls=tls_context(servers.authorities))


# --------------------------------------------------------------------------------------------------------------------
# Frames


def unmasked(frame: bytes) -> tuple[int, bytes]:
    assert frame[0] & 0x80, "one whole message"
    assert frame[1] & 0x80, "a client masks"
    size, at = frame[1] & 0x7F, 2
    if size == 126:
        size, at = struct.unpack(">H", frame[2:4])[0], 4
    elif size == 127:
        size, at = struct.unpack(">Q", frame[2:10])[0], 10
    mask, body = frame[at : at + 4], frame[at + 4 :]
    assert len(body) == size
    return frame[0] & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(body))


@given(st.binary(max_size=125))
def test_control_frames_carry_their_payload_masked(payload: bytes) -> None:
    assert unmasked(ping_frame(payload)) == (9, payload)
    assert unmasked(pong_frame(payload)) == (10, payload)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 200_000])
def test_text_frames_carry_any_length(size: int) -> None:
    payload = bytes(65 + i % 26 for i in range(size))
    assert unmasked(text_frame(payload)) == (1, payload)


def test_each_frame_has_a_mask_of_its_own() -> None:
    assert len({ping_frame(b"x")[2:6] for _ in range(8)}) > 1


def test_a_close_frame_says_why() -> None:
    assert unmasked(close_frame(1009)) == (8, b"\x03\xf1")


@pytest.mark.parametrize("make", [ping_frame, pong_frame])
def test_a_control_frame_over_125_bytes_is_a_mistake(make: type[bytes]) -> None:
    with pytest.raises(ValueError, match="125"):
        make(bytes(126))


# --------------------------------------------------------------------------------------------------------------------
# Reading


def test_the_first_bytes_after_the_handshake_are_not_lost_though_they_come_in_the_same_segment(
    servers: Servers,
) -> None:
    def script(peer: Peer) -> None:
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        answer = peer.upgrade_answer(peer.head())
        peer.send(answer + b"\x81\x05first" + b"\x81\x06second")
        peer.sleep(60)

    with servers.serving(script) as server:
        channel = opened(servers, server.port)
        assert read(channel, 15) == b"\x81\x05first\x81\x06second"
        channel.close()


def test_the_request_has_the_path_and_names_no_origin(servers: Servers) -> None:
    heads: list[list[str]] = []

    def script(peer: Peer) -> None:
        heads.append(peer.upgrade())

    with servers.serving(script) as server:
        path = "/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@trade"
        channel = opened(servers, server.port, path)
        until_closed(channel)
        channel.close()
    assert heads[0][0] == f"GET {path} HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.port}" in heads[0]
    assert not any(line.lower().startswith(("origin", "cookie", "sec-websocket-extensions")) for line in heads[0])


def test_nothing_to_read_is_none_and_does_not_wait(servers: Servers) -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.sleep(60)

    with servers.serving(script) as server:
        channel = opened(servers, server.port)
        before = servers.now_ns()
        assert channel.recv_into(memoryview(bytearray(16))) is None
        assert servers.now_ns() - before < 1_000_000_000
        assert channel.close_reason == ""
        channel.close()


@pytest.mark.parametrize("secure", [False, True])
def test_bytes_that_trickle_in_one_by_one_arrive_in_order(servers: Servers, secure: bool) -> None:
    sent = bytes(range(200))

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(sent)):
            peer.send(sent[i : i + 1])
        peer.sleep(60)

    with servers.serving(script, servers.tls() if secure else None) as server:
        channel = opened_tls(servers, server.port) if secure else opened(servers, server.port)
        assert read(channel, len(sent), chunk=7) == sent
        channel.close()


@pytest.mark.parametrize("secure", [False, True])
def test_one_call_fills_the_buffer_from_many_segments_and_keeps_back_nothing_the_descriptor_does_not_know_of(
    servers: Servers, secure: bool
) -> None:
    sent = bytes(i % 251 for i in range(300_000))

    def script(peer: Peer) -> None:
        peer.upgrade()
        for start in range(0, len(sent), 5000):  # one TLS record each
            peer.send(sent[start : start + 5000])
        peer.sleep(60)

    with servers.serving(script, servers.tls() if secure else None) as server:
        channel = opened_tls(servers, server.port) if secure else opened(servers, server.port)
        data, sizes = b"", []
        buffer = memoryview(bytearray(1 << 20))
        while len(data) < len(sent):
            got = channel.recv_into(buffer)
            if got is None:
                wait(channel)  # would hang if bytes were kept inside TLS
            else:
                data += buffer[:got]
                sizes.append(got)
        assert data == sent
        assert channel.recv_into(buffer) is None
        channel.close()
    assert max(sizes) > 5000, "one call takes more than one record when more is there"


def test_a_buffer_that_is_full_is_no_end(servers: Servers) -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.send(b"0123456789")
        peer.sleep(60)

    with servers.serving(script) as server:
        channel = opened(servers, server.port)
        assert [read(channel, 5, chunk=5), read(channel, 5, chunk=5)] == [b"01234", b"56789"]
        assert channel.recv_into(memoryview(bytearray(5))) is None
        channel.close()


@pytest.mark.parametrize("secure", [False, True])
def test_a_close_by_the_other_side_is_zero_after_the_last_byte_and_stays_zero(servers: Servers, secure: bool) -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.send(b"last words")

    with servers.serving(script, servers.tls() if secure else None) as server:
        channel = opened_tls(servers, server.port) if secure else opened(servers, server.port)
        assert until_closed(channel) == b"last words"
        assert channel.closed
        assert channel.close_reason == "closed by the other side"
        assert channel.recv_into(memoryview(bytearray(5))) == 0
        assert not channel.send(text_frame(b"too late"))
        assert not channel.wants_write
        channel.close()
        channel.close()
        assert channel.fileno() == -1


def test_a_reset_is_the_end_with_its_reason(servers: Servers) -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.sock.close()

    with servers.serving(script) as server:
        channel = opened(servers, server.port)
        assert until_closed(channel) == b""
        assert channel.close_reason == "the connection was closed"
        channel.close()


def test_a_half_open_connection_is_silence_not_an_end(servers: Servers) -> None:
    """No FIN, no RST, no byte: only the pings of the link above can tell, so the channel must not pretend to know."""
    gone = threading.Event()

    def script(peer: Peer) -> None:
        peer.upgrade()
        gone.set()
        peer.sleep(60)

    with servers.serving(script) as server:
        channel = opened(servers, server.port)
        assert gone.wait(60)
        assert channel.send(ping_frame(b"anybody?"))
        assert channel.recv_into(memoryview(bytearray(16))) is None
        assert not channel.closed
        channel.close()


# --------------------------------------------------------------------------------------------------------------------
# Writing


def test_frames_reach_the_server_whole_and_in_order(servers: Servers) -> None:
    got: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        peer.upgrade()
        got.extend(peer.frame() for _ in range(3))
        peer.send(b"\x81\x02ok")
        peer.sleep(60)

    with servers.serving(script) as server:
        channel = opened(servers, server.port)
        for frame in (text_frame(b'{"id":"s1"}'), ping_frame(b"12345678"), memoryview(text_frame(b"x" * 70_000))):
            assert channel.send(frame)
        while not channel.flush():
            wait(channel, writing=True)
        assert read(channel, 4) == b"\x81\x02ok"
        channel.close()
    assert got == [(1, b'{"id":"s1"}'), (9, b"12345678"), (1, b"x" * 70_000)]


@pytest.mark.parametrize("secure", [False, True])
def test_what_the_kernel_does_not_take_at_once_is_kept_in_order_and_bounded(servers: Servers, secure: bool) -> None:
    """The server reads nothing at first, so that writes end in the middle of frames; later it reads all."""
    go = threading.Event()
    received: list[tuple[int, bytes]] = []
    count: list[int] = []

    def script(peer: Peer) -> None:
        peer.upgrade()
        go.wait(60)
        while len(received) < count[0]:
            received.append(peer.frame())
        peer.send(b"\x81\x03all")
        peer.sleep(60)

    with servers.serving(script, servers.tls() if secure else None) as server:
        channel = opened_tls(servers, server.port) if secure else opened(servers, server.port)
        sent: list[tuple[int, bytes]] = []
        while True:
            payload = len(sent).to_bytes(4, "big") + bytes(50_000)
            if not channel.send(text_frame(payload)):
                break  # the bound: nothing of this one may arrive
            sent.append((1, payload))
            assert len(sent) < 2000, "no bound"
        assert not channel.closed
        assert channel.wants_write
        assert 0 < len(channel._out) <= 1 << 20
        count.append(len(sent))
        go.set()
        while not channel.flush():
            wait(channel, writing=True)
        assert (channel.wants_write, len(channel._out)) == (False, 0)
        assert read(channel, 5) == b"\x81\x03all"
        channel.close()
    assert received == sent


def test_reading_and_writing_large_amounts_at_once_over_tls_deadlocks_nobody(servers: Servers) -> None:
    total = 3_000_000

    def script(peer: Peer) -> None:
        peer.upgrade()
        frames = total // 30_000
        for _ in range(frames):
            opcode, payload = peer.frame()
            assert (opcode, len(payload)) == (1, 30_000)
            peer.send(payload)
        peer.sleep(60)

    with servers.serving(script, servers.tls()) as server:
        channel = opened_tls(servers, server.port)
        to_send, got = total // 30_000, 0
        buffer = memoryview(bytearray(8192))
        frame = text_frame(bytes(30_000))
        while got < total:
            while to_send and channel.send(frame):
                to_send -= 1
            count = channel.recv_into(buffer)
            if count is None:
                wait(channel, writing=channel.wants_write)
                channel.flush()
            else:
                assert count > 0, channel.close_reason
                got += count
        assert got == total
        channel.close()


def test_a_write_to_a_connection_that_was_reset_says_so(servers: Servers) -> None:
    closed = threading.Event()

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.sock.close()
        closed.set()

    with servers.serving(script) as server:
        channel = opened(servers, server.port)
        assert closed.wait(60)
        wait(channel)
        results = [channel.send(text_frame(b"order")) for _ in range(3)]
        assert results[-1] is False
        assert channel.closed
        assert not channel.wants_write
        assert channel.recv_into(memoryview(bytearray(5))) == 0
        channel.close()


def test_closing_says_good_bye_with_the_code(servers: Servers) -> None:
    got: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        peer.upgrade()
        got.append(peer.frame())

    with servers.serving(script) as server:
        channel = opened(servers, server.port)
        channel.close(1009)
    assert got == [(8, b"\x03\xf1")]


# --------------------------------------------------------------------------------------------------------------------
# Handshakes that go wrong


CANARY = "yranac"[::-1]  # so that no line of source in a traceback holds it


def fails(servers: Servers, script: Script, text: str, *, timeout_s: float = 30.0) -> UnreachableError:
    with servers.serving(script) as server:
        url = f"ws://127.0.0.1:{server.port}/ws?{CANARY}"
        with pytest.raises(UnreachableError, match=text) as caught:
            open_channel(url, now_ns=servers.now_ns, timeout_s=timeout_s)
        assert server.connections == 1, "one attempt, no retry"
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    return caught.value


def test_nobody_listening_is_told_so(servers: Servers) -> None:
    with pytest.raises(UnreachableError, match=r"^127\.0\.0\.1: connection refused$"):
        opened(servers, servers.unused_port())


def test_a_resolver_that_does_not_answer_costs_no_more_than_the_time_there_is(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked, go = socket.getaddrinfo, [], threading.Event()

    def stuck(host: Any, *rest: Any, **more: Any) -> Any:
        if host != "slow.test":
            return real(host, *rest, **more)
        if more.get("flags") == socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "no number")
        asked.append(host)
        go.wait(60)
        return real("127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    begun_ns = servers.now_ns()
    for _ in range(3):
        with pytest.raises(UnreachableError, match="no answer in time"):
            open_channel("ws://slow.test:9/", now_ns=servers.now_ns, timeout_s=0.2)
    assert 0.6e9 <= servers.now_ns() - begun_ns < 10e9
    assert asked == ["slow.test"], "who asks again waits for the same answer"
    go.set()
    with pytest.raises(UnreachableError, match="connection refused"):
        open_channel(f"ws://slow.test:{servers.unused_port()}/", now_ns=servers.now_ns)


def test_a_name_that_does_not_exist_is_told_so(servers: Servers) -> None:
    with pytest.raises(UnreachableError, match="name is not known"):
        open_channel("ws://no-such-host.invalid/ws", now_ns=servers.now_ns)


@pytest.mark.parametrize(("status", "retry_after", "expected"), [
    ("429 Too Many Requests", "35", 35), ("418 I'm a teapot", "120", 120), ("503 Busy", None, None),
    ("429 X", "soon", None), ("429 X", "9" * 40, None), ("403 Forbidden", None, None)])
def test_an_http_answer_instead_of_an_upgrade_tells_its_status_and_the_wait_it_asks_for(
    servers: Servers, status: str, retry_after: str | None, expected: int | None
) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        extra = f"Retry-After: {retry_after}\r\n" if retry_after else ""
        peer.send(f"HTTP/1.1 {status}\r\n{extra}Content-Length: 4\r\n\r\nbody".encode())

    error = fails(servers, script, "instead of a WebSocket")
    assert isinstance(error, HandshakeRefusedError)
    assert error.status == int(status[:3])
    assert error.retry_after_s == expected
    assert "body" not in str(error)


def test_a_redirect_is_refused_and_not_followed(servers: Servers) -> None:
    visited = []

    def elsewhere(peer: Peer) -> None:
        visited.append(peer.upgrade())

    with servers.serving(elsewhere) as other:
        def script(peer: Peer) -> None:
            peer.head()
            peer.send(f"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:{other.port}/x\r\n\r\n".encode())

        fails(servers, script, "127.0.0.1")
    assert visited == []


@pytest.mark.parametrize(
    "answer",
    [b"", b"garbage\r\n\r\n", b"\xff\xfe\xfd\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 abc X\r\n\r\n", b"\r\n\r\n",
     b"HTTP/1.1 101 X\r\nno colon\r\n\r\n", b"HTTP/1.1 101 X\r\n\r\n", b"HTTP/1.1 500 X\r\nContent-Length: x\r\n\r\n",
     b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: d3Jvbmc=\r\n\r\n"],
)
def test_an_answer_that_is_no_handshake_is_an_error_and_not_a_crash(servers: Servers, answer: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.send(answer)

    fails(servers, script, r"^127\.0\.0\.1: ")


def test_a_handshake_that_trickles_for_ever_ends_when_its_time_is_over(servers: Servers) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\n")
        while not peer.stop.is_set():
            peer.send(b"X: y\r\n")  # every read succeeds at once: only a total deadline helps
            peer.sleep(0.02)

    before = servers.now_ns()
    fails(servers, script, "no answer in time", timeout_s=0.4)
    assert 0.3e9 < servers.now_ns() - before < 3e9


def test_a_handshake_without_end_is_too_large(servers: Servers) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\n")
        while not peer.stop.is_set():
            peer.send(b"X-Filler: " + b"y" * 8000 + b"\r\n")

    fails(servers, script, "too large")


def test_a_silent_server_is_given_up_in_time(servers: Servers) -> None:
    fails(servers, lambda peer: peer.sleep(60), "no answer in time", timeout_s=0.3)


def test_a_url_of_another_kind_is_a_mistake(servers: Servers) -> None:
    for url in ("http://127.0.0.1/", "ws://", "127.0.0.1:80"):
        with pytest.raises(ValueError, match="ws://"):
            open_channel(url, now_ns=servers.now_ns)


# --------------------------------------------------------------------------------------------------------------------
# TLS


def test_tls_connections_read_and_write(servers: Servers) -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        opcode, payload = peer.frame()
        peer.send(bytes([0x80 | opcode, len(payload)]) + payload)
        peer.sleep(60)

    with servers.serving(script, servers.tls("localhost")) as server:
        channel = opened_tls(servers, server.port, "localhost")
        assert channel.send(text_frame(b"hello"))
        assert read(channel, 7) == b"\x81\x05hello"
        channel.close()


def test_a_certificate_for_another_name_is_refused(servers: Servers) -> None:
    with (servers.serving(lambda peer: None, servers.tls("elsewhere.example")) as server,
          pytest.raises(UnreachableError, match="certificate is not accepted")):
        opened_tls(servers, server.port, "localhost")


def test_a_certificate_of_an_unknown_authority_is_refused(servers: Servers) -> None:
    with (servers.serving(lambda peer: None, servers.tls("localhost")) as server,
          pytest.raises(UnreachableError, match="certificate is not accepted")):
        open_channel(f"wss://localhost:{server.port}/", now_ns=servers.now_ns)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_tls_older_than_1_2_is_refused(servers: Servers) -> None:
    old = servers.tls("localhost")
    old.minimum_version = ssl.TLSVersion.TLSv1_1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with servers.serving(lambda peer: None, old) as server, pytest.raises(UnreachableError, match="TLS failed"):
        opened_tls(servers, server.port, "localhost")


def test_a_tls_handshake_that_never_answers_ends_in_time(servers: Servers) -> None:
    before = servers.now_ns()
    with (servers.serving(lambda peer: peer.sleep(60)) as server,
          pytest.raises(UnreachableError, match="no answer in time")):
        open_channel(f"wss://localhost:{server.port}/", now_ns=servers.now_ns, timeout_s=0.3,
                     tls=tls_context(servers.authorities))
    assert servers.now_ns() - before < 3e9


def test_the_environment_can_neither_redirect_nor_weaken_nor_spy_on_a_connection(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A proxy nobody listens on, a CA bundle that vouches for the test's own server, a key log: all without effect."""
    keys = tmp_path_factory.mktemp("keys") / "keys.log"
    dead = f"http://127.0.0.1:{servers.unused_port()}"
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, dead)
    for name in ("WEBSOCKET_CLIENT_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, servers.authorities)
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.send(b"\x81\x02hi")
        peer.sleep(60)

    with servers.serving(script, servers.tls("localhost")) as server:
        channel = opened_tls(servers, server.port, "localhost")
        assert read(channel, 4) == b"\x81\x02hi"
        channel.close()
        with pytest.raises(UnreachableError, match="certificate is not accepted"):
            open_channel(f"wss://localhost:{server.port}/", now_ns=servers.now_ns)
    assert not keys.exists()
