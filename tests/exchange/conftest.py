"""Small real servers on 127.0.0.1 for the transports: a script for each TCP connection, with or without TLS."""

from __future__ import annotations

import base64
import hashlib
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

Script = Callable[["Peer"], None]
"""What the server does with one connection; the connection is closed when it returns."""


@dataclass
class Peer:
    """One connection as the server sees it."""

    sock: socket.socket
    number: int
    """0 for the server's first connection."""
    stop: threading.Event

    def line(self) -> str:
        """One line of a request, without its end; "" at the end of the head and of the connection."""
        data = b""
        while not data.endswith(b"\n"):
            byte = self.sock.recv(1)
            if not byte:
                break
            data += byte
        return data.decode().rstrip("\r\n")

    def head(self) -> list[str]:
        """The lines of a request's head; empty when the client has gone."""
        return list(iter(self.line, ""))

    def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.sock.recv(count - len(data))
            if not part:
                raise ConnectionError("the client went away")
            data += part
        return data

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def upgrade(self) -> list[str]:
        """Answers a WebSocket handshake; returns the request's head."""
        head = self.head()
        self.send(self.upgrade_answer(head))
        return head

    @staticmethod
    def upgrade_answer(head: list[str]) -> bytes:
        key = next(line.split(": ")[1] for line in head if line.lower().startswith("sec-websocket-key"))
        digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        return (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n")

    def frame(self) -> tuple[int, bytes]:
        """One client frame: opcode and unmasked payload. Checks that it is whole and masked."""
        first, second = self.exactly(2)
        assert first & 0x80, "not fragmented"
        assert second & 0x80, "clients mask"
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(self.exactly(2 if size == 126 else 8), "big")
        mask = self.exactly(4)
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(self.exactly(size)))
        return first & 0x0F, payload

    def sleep(self, seconds: float) -> None:
        """Ends early when the test is over."""
        self.stop.wait(seconds)


@dataclass
class Server:
    """Where a server listens, and what went on."""

    port: int
    heads: list[list[str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0
    ended: queue.SimpleQueue[int] = field(default_factory=queue.SimpleQueue)
    """Numbers of connections the server has closed."""


class Servers:
    """Makes servers, and a certificate authority that vouches for them."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.authorities = str(folder / "authority.pem")
        """The PEM file a client has to trust."""
        self._authority.cert_pem.write_to_path(self.authorities)

    @staticmethod
    def now_ns() -> int:
        return time.monotonic_ns()

    def tls(self, *names: str) -> ssl.SSLContext:
        """For a server whose certificate is good for these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*(names or ("127.0.0.1",))).configure_cert(context)
        return context

    @staticmethod
    def unused_port() -> int:
        """A port on 127.0.0.1 nobody listens on."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port: int = listener.getsockname()[1]
        return port

    @staticmethod
    def reply(status: int = 200, body: bytes = b"{}", **headers: str) -> bytes:
        """A raw HTTP reply; header names with _ for -."""
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Content-Type: application/json",
                 *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    @contextmanager
    def serving(self, script: Script, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
        """A server that runs `script` for each connection in a thread of its own. A script that fails (and not only
        because its client went away) fails the test."""
        listener = socket.create_server(("127.0.0.1", 0))
        server = Server(listener.getsockname()[1])
        stop = threading.Event()
        threads: list[threading.Thread] = []
        sockets: list[socket.socket] = []
        failures: list[BaseException] = []

        def serve(sock: socket.socket, number: int) -> None:
            try:
                if tls is not None:
                    sock = tls.wrap_socket(sock, server_side=True)
                    sockets.append(sock)
                script(Peer(sock, number, stop))
            except OSError:
                pass  # the client went away, which many tests want
            except BaseException as error:
                failures.append(error)
            finally:
                sock.close()
                server.ended.put(number)

        def accept() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                sockets.append(sock)
                thread = threading.Thread(target=serve, args=(sock, server.connections))
                server.connections += 1
                threads.append(thread)
                thread.start()

        threads.append(threading.Thread(target=accept))
        threads[0].start()
        try:
            yield server
        finally:
            stop.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            for sock in sockets:
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
            for thread in threads:
                thread.join(60)
        assert not failures, failures

    @contextmanager
    def http(self, answer: Callable[[str, bytes], bytes], tls: ssl.SSLContext | None = None) -> Iterator[Server]:
        """An HTTP server that keeps connections open. answer(request line, body) is the raw reply; an empty one closes
        the connection."""
        started: list[Server] = []

        def script(peer: Peer) -> None:
            while head := peer.head():
                sizes = [int(line.split(":")[1]) for line in head if line.lower().startswith("content-length:")]
                body = peer.exactly(sum(sizes))
                started[0].heads.append(head)
                started[0].bodies.append(body)
                raw = answer(head[0], body)
                if not raw:
                    return
                peer.send(raw)

        with self.serving(script, tls) as server:
            started.append(server)
            yield server


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Servers:
    return Servers(tmp_path_factory.mktemp("servers"))
