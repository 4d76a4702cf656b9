"""The far end of the wire benches: an exchange that says a frame at a fixed moment and notes when the answer is there.

It runs in the test's own process, alone on its core, hardly ever sleeps while it measures, and does nothing between a
frame and its answer but look for the answer. What it does about an order comes after the clock was read.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import hashlib
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic_ns, sleep
from typing import Any, Final, Protocol

from bench.wire import market
from bench.wire.near import HOT_PRIORITY, undisturbed

FAR_CPU: Final = 0
ROOT: Final = Path(__file__).resolve().parents[2]
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_NS_PER_S: Final = 1_000_000_000
_GIVE_UP_NS: Final = 30 * _NS_PER_S
# What is not a frame or its answer waits for an answer, but not for longer.
_IDLE_NS: Final = 50_000_000
_FLOOD_DIFF: Final = 1000
_SETTLE_NS: Final = 100_000_000
# Once in so many frames the far end sleeps until shortly before the next is due: a core that real-time threads never
# leave is taken from them for 50 ms a second. Oftener, and its own cold caches would be in the median.
_REST_EVERY: Final = 10
_AWAKE_NS: Final = 500_000
_DIFF_NS: Final = 100_000_000
_TEXT, _PING, _PONG = 1, 9, 10


def server_frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """Unmasked, as servers send."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


class Line:
    """One accepted connection, without waiting."""

    def __init__(self, sock: socket.socket, path: str) -> None:
        self.path = path
        sock.setblocking(False)
        self._sock = sock
        self._waiting = bytearray()
        self._room = bytearray(1 << 16)
        self._view = memoryview(self._room)

    def send(self, data: bytes | bytearray) -> None:
        """All of it, now."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._sock.send(view):]
            except (BlockingIOError, ssl.SSLWantWriteError):
                continue

    def take(self) -> int:
        """Bytes that came in, now kept for `frames`."""
        try:
            count = self._sock.recv_into(self._room)
        except (BlockingIOError, ssl.SSLWantReadError):
            return 0
        if count == 0:
            raise ConnectionError(f"{self.path}: the near end has gone")
        self._waiting += self._view[:count]
        return count

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """The whole ones of what came in: (opcode, payload)."""
        data = self._waiting
        while len(data) >= 6:
            size, at = data[1] & 127, 2
            if size == 126:
                size, at = int.from_bytes(data[2:4], "big"), 4
            elif size == 127:
                size, at = int.from_bytes(data[2:10], "big"), 10
            end = at + 4 + size
            if len(data) < end:
                return
            mask = bytes(data[at:at + 4]) * (size // 4 + 1)
            whole = int.from_bytes(data[at + 4:end], "big") ^ int.from_bytes(mask[:size], "big")
            opcode = data[0] & 15
            del data[:end]
            yield opcode, whole.to_bytes(size, "big")

    def close(self) -> None:
        self._sock.close()


@dataclass(slots=True)
class Authority:
    """Of the test's TLS. ca_file: what near ends trust."""

    server: ssl.SSLContext
    ca_file: Path


def tls_of(certificate: Any) -> ssl.SSLContext:
    """A server's, with a certificate of trustme."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


class NearEnd:
    """A near end's process and its connections, found by their paths."""

    def __init__(self, kind: str, paths: tuple[str, ...], authority: Authority | None) -> None:
        self.lines: dict[str, Line] = {}
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(20)
            scheme = "wss" if authority else "ws"
            url = f"{scheme}://localhost:{listener.getsockname()[1]}"
            command = [sys.executable, "-m", "bench.wire.near", kind, url]
            command += [str(authority.ca_file)] if authority else []
            self._process = subprocess.Popen(command, cwd=ROOT)
            try:
                while len(self.lines) < len(paths):
                    line = _accept(listener, authority)
                    assert line.path in paths, line.path
                    self.lines[line.path] = line
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for line in self.lines.values():
            line.close()


def _accept(listener: socket.socket, authority: Authority | None) -> Line:
    sock, _ = listener.accept()
    sock.settimeout(10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if authority is not None:
        sock = authority.server.wrap_socket(sock, server_side=True)
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += sock.recv(4096)
    head, *rows = request.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}
    accept = base64.b64encode(hashlib.sha1(headers["sec-websocket-key"].encode() + _GUID).digest()).decode()
    sock.sendall(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
    return Line(sock, head.split()[1])


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """This thread on its core, without pauses for garbage."""
    before = os.sched_getaffinity(0)
    gc.collect()
    try:
        gc.disable()
        os.sched_setaffinity(0, {FAR_CPU})
        undisturbed(HOT_PRIORITY)
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(0, before)
        gc.enable()


# ---- what near ends answer -----------------------------------------------------------------------------------


class Echoing:
    """A far end whose frames come back as they were."""

    def __init__(self, near: NearEnd, source: str = "/echo", sink: str = "/echo") -> None:
        self._source, self._sink = near.lines[source], near.lines[sink]

    def begin(self) -> None:
        """There is nothing to wait for."""

    def send(self, step: int) -> None:
        self._source.send(server_frame(market.ticker(market.SNAPSHOT_ID + 1 + step, step)))

    def take(self) -> int:
        return self._sink.take()

    def answered(self, steps: range) -> int:
        """How many of the open steps what was taken answers, the first of them first."""
        return sum(1 for opcode, payload in self._sink.frames() if opcode == _TEXT and len(payload))

    def idle(self) -> None:
        """Nothing but frames comes from these, and they need nothing else."""


class Reading:
    """A far end that is read from by the bare `recv` of a library."""

    def __init__(self, near: NearEnd) -> None:
        self._line = near.lines["/recv"]

    def begin(self) -> None:
        """There is nothing to wait for."""

    def flood(self, count: int) -> bytes:
        """So many frames in one piece, the last one to be answered."""
        ids = range(market.SNAPSHOT_ID + 1, market.SNAPSHOT_ID + count)
        frames = b"".join(server_frame(market.ticker(update_id, 0, f"{update_id:08}")) for update_id in ids)
        return frames + server_frame(b"over")

    def pour(self, frames: bytes) -> None:
        self._line.send(frames)

    def take(self) -> int:
        return self._line.take()

    def answered(self, steps: range) -> int:
        return len([*self._line.frames()])

    def answer_pings(self) -> None:
        """There are none."""


class Exchange:
    """A far end that takes orders: each step moves the best price, and both of the bot's orders have to follow."""

    def __init__(self, near: NearEnd) -> None:
        self._market, self._api = near.lines["/stream"], near.lines["/ws-api/v3"]
        self._update_id = market.SNAPSHOT_ID
        self._book_id = market.SNAPSHOT_ID
        self._step = self._book_step = self._base = 0
        self._quoted = {"BUY": 0, "SELL": 0}
        self._diff_due_ns = 0
        self._order_id = 0
        self._orders: dict[int, dict[str, Any]] = {}
        self.requests: dict[str, int] = {}

    def begin(self) -> None:
        """Until the bot is quoting on both sides."""
        give_up_ns = monotonic_ns() + _GIVE_UP_NS
        while self.requests.get("order.place", 0) < 2:
            if self._api.take():
                self.answered(range(0))
            self.idle()
            assert monotonic_ns() < give_up_ns, f"the bot does not begin to quote: {self.requests}"

    def send(self, step: int) -> None:
        if step == 0:
            self._base = self._step
        self._update_id += 1
        self._step += 1
        self._market.send(server_frame(market.ticker(self._update_id, self._step)))

    def flood(self, count: int) -> bytes:
        """So many frames in one piece, of which only the last moves the price: its orders say that all have been read
        and applied. The book follows now and then, as it must."""
        frames = bytearray()
        self._base = self._step
        for at in range(1, count + 1):
            self._update_id += 1
            self._step += at == count
            frames += server_frame(market.ticker(self._update_id, self._step, f"1.{at:08}"))
            if at % _FLOOD_DIFF == 0 and at < count:
                frames += self._diff()
        return bytes(frames)

    def pour(self, frames: bytes) -> None:
        self._market.send(frames)

    def _diff(self) -> bytes:
        """Brings the book to the best price."""
        self._update_id += 1
        frame = server_frame(market.diff(self._book_id + 1, self._update_id, self._book_step, self._step))
        self._book_id, self._book_step = self._update_id, self._step
        return frame

    def take(self) -> int:
        return self._api.take()

    def answered(self, steps: range) -> int:
        """A step is answered when both orders are where it, or a later one, wants them; their prices tell."""
        open_steps = range(self._base + steps.start + 1, self._base + steps.stop + 1)
        for opcode, payload in self._api.frames():
            if opcode == _PING:
                self._api.send(server_frame(payload, _PONG))
            elif opcode == _TEXT:
                self._request(json.loads(payload), open_steps)
        return max(0, min(self._quoted.values()) - self._base - steps.start)

    def _request(self, request: dict[str, Any], open_steps: range) -> None:
        """Carries it out and says so."""
        method, params = request["method"], request.get("params", {})
        self.requests[method] = self.requests.get(method, 0) + 1
        result: dict[str, Any] = {}
        if method == "order.cancel":
            result = self._cancel(params["orderId"])
        elif method in ("order.place", "order.cancelReplace"):
            step = market.newest_step(open_steps, params["side"], round(float(params["price"]) * 100))
            if step is not None:
                self._quoted[params["side"]] = step
            canceled = self._cancel(params["cancelOrderId"]) if "cancelOrderId" in params else None
            result = self._order(params)
            if canceled is not None:
                result = {"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS", "cancelResponse": canceled,
                          "newOrderResponse": result}
        else:
            assert method in ("session.logon", "userDataStream.subscribe", "ping"), method
        reply = {"id": request["id"], "status": 200, "result": result, "rateLimits": []}
        self._api.send(server_frame(json.dumps(reply, separators=(",", ":")).encode()))

    def _order(self, params: dict[str, Any]) -> dict[str, Any]:
        self._order_id += 1
        order = {"symbol": market.SYMBOL, "orderId": self._order_id, "orderListId": -1,
                 "clientOrderId": params["newClientOrderId"], "transactTime": 1_700_000_000_000,
                 "price": params["price"], "origQty": params["quantity"], "executedQty": "0.00000000",
                 "cummulativeQuoteQty": "0.00000000", "status": "NEW", "timeInForce": "GTC", "type": "LIMIT_MAKER",
                 "side": params["side"]}
        self._orders[self._order_id] = order
        return order

    def _cancel(self, order_id: int) -> dict[str, Any]:
        order = self._orders.pop(order_id)
        return {**order, "origClientOrderId": order["clientOrderId"], "clientOrderId": f"cancel-{order_id}",
                "status": "CANCELED"}

    def answer_pings(self) -> None:
        """On the market connection: without answers the bot trusts no book."""
        if self._market.take():
            for opcode, payload in self._market.frames():
                if opcode == _PING:
                    self._market.send(server_frame(payload, _PONG))

    def idle(self) -> None:
        """The book follows every 100 ms, and pings are answered."""
        self.answer_pings()
        now_ns = monotonic_ns()
        if now_ns >= self._diff_due_ns:
            self._diff_due_ns = now_ns + _DIFF_NS
            self._market.send(self._diff())


class Far(Protocol):
    """What a schedule asks of a far end."""

    def send(self, step: int) -> None:
        """Says the frame of a step."""

    def take(self) -> int:
        """Reads what has come in, without waiting; 0 = nothing."""

    def answered(self, steps: range) -> int:
        """How many of these open steps what was read answers, the first of them first."""

    def idle(self) -> None:
        """Does what is no part of the measurement."""


def latencies_ns(far: Far, count: int, interval_ns: int) -> list[int]:
    """Frames at fixed moments; for each how long after its moment the answer was there, whenever it really left."""
    done: list[int] = []
    sent = idle_due_ns = 0
    begin_ns = monotonic_ns() + interval_ns
    give_up_ns = begin_ns + count * interval_ns + _GIVE_UP_NS
    while len(done) < count:
        now_ns = monotonic_ns()
        if sent < count and now_ns >= begin_ns + sent * interval_ns:
            far.send(sent)
            sent += 1
        if len(done) == sent and sent < count:
            early_ns = begin_ns + sent * interval_ns - now_ns - _AWAKE_NS
            if early_ns > 0 and sent % _REST_EVERY == 0:
                sleep(early_ns / _NS_PER_S)
            continue
        if not far.take():
            assert now_ns < give_up_ns, f"{len(done)} of {count} steps were answered"
            if now_ns >= idle_due_ns:
                far.idle()
                idle_due_ns = now_ns + _IDLE_NS
            continue
        now_ns = monotonic_ns()
        answered = far.answered(range(len(done), sent))
        done += [now_ns - (begin_ns + at * interval_ns) for at in range(len(done), len(done) + answered)]
        if answered:
            far.idle()
            idle_due_ns = now_ns + _IDLE_NS
    return done


def flood_s(far: Exchange | Reading, count: int) -> float:
    """From the first of so many frames to the answer to the last."""
    frames = far.flood(count)
    settled_ns = monotonic_ns() + _SETTLE_NS  # to make them took a while, in which nothing was answered
    while monotonic_ns() < settled_ns:
        far.answer_pings()
        if far.take():
            far.answered(range(0))
    begin_ns = monotonic_ns()
    far.pour(frames)
    while not (far.take() and far.answered(range(1))):
        far.answer_pings()
        assert monotonic_ns() < begin_ns + _GIVE_UP_NS, "the flood is never answered"
    return (monotonic_ns() - begin_ns) / _NS_PER_S
