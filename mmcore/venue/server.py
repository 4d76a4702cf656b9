"""The venue's one shell over sockets: HTTP and WebSocket on one loopback port, and the timer that drives the market."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from aiohttp import WSMessage, WSMsgType, web

from mmcore.venue.admin import Admin
from mmcore.venue.connection import ConnectionRules
from mmcore.venue.errors import VenueError, bad_key_format, invalid_time_unit, rejected_key
from mmcore.venue.exchange import Exchange
from mmcore.venue.front import API, REST, STREAMS, Front
from mmcore.venue.gateway import admit_api, admit_stream
from mmcore.venue.jsontext import TimeUnit, time_unit
from mmcore.venue.limits import LOCAL
from mmcore.venue.line import Line
from mmcore.venue.market import Wire
from mmcore.venue.operations import DEPTH, REST_ROUTES
from mmcore.venue.rest import RestReply, error_reply
from mmcore.venue.streams import STREAMS_PER_CONNECTION, StreamHub, StreamSession
from mmcore.venue.tamper import Tamperer
from mmcore.venue.ws_api import CONNECT_WEIGHT, ApiSession

_LOOPBACK = "127.0.0.1"
_MESSAGE_BYTES_MAX = 1 << 20
_LOST_REPLY_S = 30.0
_CLOSE_S = 2.0
_SBE_PREFIX = "/sbe"
_JSON_WIRES = {TimeUnit.MILLISECOND: Wire.JSON, TimeUnit.MICROSECOND: Wire.JSON_MICROSECOND}


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Bounds and periods of the sockets, in seconds and bytes; the defaults are the exchange's where it states them.

    With `lenient_signatures` the WebSocket API takes signatures over percent-encoded parameters as well.
    `book_wait_s` is how long a request for the order book is held while a recorded market has none yet.
    """

    ping_interval_s: float = 20.0
    pong_timeout_s: float = 60.0
    connection_life_s: float = 86_400.0
    outgoing_bytes_max: int = 8 << 20
    book_wait_s: float = 2.0
    lenient_signatures: bool = False

    def rules(self) -> ConnectionRules:
        """Those of every WebSocket."""
        periods_s = (self.ping_interval_s, self.pong_timeout_s, self.connection_life_s)
        return ConnectionRules(*(int(1_000_000 * period_s) for period_s in periods_s))


class _Carrier:
    """A transport, bounded. Bytes go straight to it, so that one framing serves all connections."""

    def __init__(self, transport: asyncio.Transport, outgoing_bytes_max: int) -> None:
        self._transport = transport
        self._outgoing_bytes_max = outgoing_bytes_max

    def write(self, data: bytes) -> None:
        """Queue bytes; a peer that does not read is cut off at the bound."""
        if self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self._outgoing_bytes_max:
            reset(self._transport)

    def end(self) -> None:
        """Close when all is sent, or break off if the peer does not take it."""
        self._transport.close()
        asyncio.get_running_loop().call_later(_CLOSE_S, self._transport.abort)

    def reset(self) -> None:
        """Break off."""
        reset(self._transport)


class _Peer:
    """One WebSocket connection and its outgoing line."""

    def __init__(self, transport: asyncio.Transport, line: Line) -> None:
        self.transport = transport
        self.line = line

    def is_congested(self) -> bool:
        """Whether anything written earlier still waits to leave this process."""
        return self.line.is_held or self.transport.get_write_buffer_size() > 0


def reset(transport: asyncio.Transport) -> None:
    """End a connection with a TCP reset; what was not yet sent is lost."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:  # else the other side has ended it already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class VenueServer:
    """Serves one exchange on 127.0.0.1 until stopped. All methods belong to the event loop's thread.

    With `start_with_depth` the market starts at the first subscription to a depth stream, else with the server.
    `order_rng` decides whether a user event goes out before or after the reply to the request that caused it: the
    exchange promises neither.
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        start_with_depth: bool,
        order_rng: random.Random,
        queue_log: Sequence[dict[str, Any]] | None = None,
        settings: ServerSettings | None = None,
    ) -> None:
        self.exchange = exchange
        self._start_with_depth = start_with_depth
        self._settings = settings or ServerSettings()
        self._hub = StreamHub(exchange.market.want, Tamperer(exchange.faults, exchange.clock))
        self._front = Front(exchange, self._hub, order_rng, self._settings.rules())
        self._admin = Admin(self._front, queue_log)
        self._peers: set[_Peer] = set()
        self._market_started = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_us: int | None = None
        self._advanced = asyncio.Event()
        self._stopping = asyncio.Event()
        self._runner: web.ServerRunner | None = None
        self.failure: asyncio.Future[None] | None = None
        """Set when the venue itself is at fault; it must not go on then."""

    async def start(self, port: int) -> str:
        """Listen on `port` (0: any free one) and return the base URL. Raises OSError."""
        self.failure = asyncio.get_running_loop().create_future()
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None))
        await self._runner.setup()
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((_LOOPBACK, port))
        except OSError:
            sock.close()
            raise
        await web.SockSite(self._runner, sock).start()
        if not self._start_with_depth:
            self._start_market()
        self._arm()
        return f"http://{_LOOPBACK}:{sock.getsockname()[1]}"

    async def stop(self) -> None:
        """Close every connection and the port."""
        if self._timer is not None:
            self._timer.cancel()
        self._stopping.set()
        for peer in self._peers:
            peer.transport.abort()
        if self._runner is not None:
            await self._runner.cleanup()

    # The market's timer

    def _start_market(self) -> None:
        self._market_started = True
        self.exchange.start()
        self._arm()

    def _arm(self) -> None:
        """Set the timer to when the market next has something to do."""
        due_us = self.exchange.next_due_us()
        if due_us == self._timer_due_us and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_due_us = None, due_us
        if due_us is not None:
            delay_s = max(0, due_us - self.exchange.clock.now_us()) / 1e6
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        with self._core():
            self._advance()
            self._arm()

    def _advance(self) -> None:
        """Let the market catch up and send what it says."""
        self._front.advance()
        self._advanced.set()

    @contextmanager
    def _core(self) -> Iterator[None]:
        """Around every call into the exchange: what escapes it is the venue's own fault, and the end of it."""
        try:
            yield
        except Exception as error:
            if self.failure is not None and not self.failure.done():
                self.failure.set_exception(error)
            raise

    # HTTP

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        try:
            stream_path = _stream_path(path)
            if stream_path is None and path != "/ws-api/v3":
                return await self._serve_http(request, path)
            if not web.WebSocketResponse().can_prepare(request).ok:
                raise VenueError(-1000, "A WebSocket handshake is expected here.")
            unit = time_unit(_query(request).get("timeUnit", ["MILLISECOND"])[0])
            if unit is None:
                raise invalid_time_unit()
            visitor = self.exchange.visitors.of(_address(request))
            if stream_path is None:
                admit_api(self.exchange, visitor, CONNECT_WEIGHT)
                return await self._serve_api(request, unit)
            admit_stream(self.exchange, visitor)
            wire = Wire.SBE if path.startswith(_SBE_PREFIX) else _JSON_WIRES[unit]
            if wire is Wire.SBE:
                self._check_sbe_key(request)
            return await self._serve_streams(request, stream_path, wire)
        except VenueError as error:
            return _refusal(error, self.exchange.server_us())
        except ConnectionError:
            return web.Response()  # the client is gone: there is nobody to tell

    async def _serve_http(self, request: web.BaseRequest, path: str) -> web.Response:
        body = await request.read()
        if path.startswith("/venue/"):
            reply = self._admin.handle(request.method, path, body)
            self._arm()
            return _http(reply)
        if self._front.refuses(REST):
            reset(_transport(request))
            return web.Response()
        if REST_ROUTES.get((request.method, path)) is DEPTH:
            await self._book_ready()
        with self._core():
            self._advance()
            api_key = request.headers.get("X-MBX-APIKEY")
            unit = request.headers.get("X-MBX-TIME-UNIT")
            reply = self._front.rest(
                request.method, request.raw_path, api_key, body, time_unit=unit, address=_address(request)
            )
            self._arm()
        if reply.delay_us:
            await self._pause(reply.delay_us / 1e6)
        if reply.lost:
            await self._pause(_LOST_REPLY_S)
            reset(_transport(request))
        return _http(reply)

    async def _pause(self, for_s: float) -> None:
        """Wait, but not beyond the venue's end."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), for_s)

    async def _book_ready(self) -> None:
        """Hold a request for the book until there is one, a few seconds at most."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.book_wait_s
        while self.exchange.market.depth(1) is None and (left_s := deadline - loop.time()) > 0:
            self._advanced.clear()
            try:
                await asyncio.wait_for(self._advanced.wait(), left_s)
            except TimeoutError:
                return

    # WebSocket

    def _check_sbe_key(self, request: web.BaseRequest) -> None:
        """SBE streams ask for the name of an Ed25519 key, and for no signature."""
        name = request.headers.get("X-MBX-APIKEY")
        if name is None:
            raise bad_key_format()
        if not self.exchange.keys.find(name).may_logon:
            raise rejected_key()

    async def _serve_streams(self, request: web.BaseRequest, path: str, wire: Wire) -> web.StreamResponse:
        query = _query(request)
        combined = path == "/stream"
        listed = query.get("streams", [""])[0] if combined else unquote(path.removeprefix("/ws").removeprefix("/"))
        names = [name for name in listed.split("/") if "@" in name]
        if len(set(names)) > STREAMS_PER_CONNECTION:
            raise VenueError(-1000, f"A connection takes {STREAMS_PER_CONNECTION} streams at most.")
        socket_, peer = await self._open_socket(request, STREAMS)
        with self._core():
            self._advance()
            session = StreamSession(
                self._hub, names, combined=combined, write=peer.line.send, wire=wire, congested=peer.is_congested
            )
            self._arm()
        self._front.attach_streams(peer.line, session)
        try:
            self._after_subscription()
            async for message in socket_:
                self._hear(peer.line, message, self._front.control)
                self._after_subscription()
        finally:
            self._close(peer)
        return socket_

    def _after_subscription(self) -> None:
        if self._hub.depth_wanted and not self._market_started:
            self._start_market()

    async def _serve_api(self, request: web.BaseRequest, unit: TimeUnit) -> web.StreamResponse:
        query = _query(request)
        socket_, peer = await self._open_socket(request, API)
        return_limits = query.get("returnRateLimits", ["true"])[0].lower() != "false"
        session = ApiSession(
            self.exchange,
            return_rate_limits=return_limits,
            unit=unit,
            address=_address(request),
            lenient_signatures=self._settings.lenient_signatures,
        )
        self._front.attach_api(peer.line, session)
        try:
            async for message in socket_:
                self._hear(peer.line, message, self._front.answer)
        finally:
            self._close(peer)
        return socket_

    def _close(self, peer: _Peer) -> None:
        self._front.close(peer.line)
        self._peers.discard(peer)

    async def _open_socket(self, request: web.BaseRequest, sockets: str) -> tuple[web.WebSocketResponse, _Peer]:
        if self._front.refuses(sockets):
            reset(_transport(request))
            raise ConnectionResetError("refused")
        socket_ = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=_MESSAGE_BYTES_MAX)
        socket_.headers["x-mbx-uuid"] = str(uuid.uuid4())
        await socket_.prepare(request)
        transport = _transport(request)
        line = self._front.open_line(sockets, _Carrier(transport, self._settings.outgoing_bytes_max), _address(request))
        peer = _Peer(transport, line)
        self._peers.add(peer)
        return socket_, peer

    def _hear(self, line: Line, message: WSMessage, on_text: Callable[[Line, str], None]) -> None:
        """Take in one message of a client."""
        with self._core():
            self._advance()
            if message.type is WSMsgType.TEXT:
                on_text(line, message.data)
            elif message.type is WSMsgType.PING:
                self._front.ping(line, bytes(message.data))
            elif message.type is WSMsgType.PONG:
                self._front.pong(line, bytes(message.data))
            self._arm()


def _stream_path(path: str) -> str | None:
    """The path below the base URL of the streams, JSON or SBE; None for any other path."""
    path = path.removeprefix(_SBE_PREFIX)
    return path if path in ("/stream", "/ws") or path.startswith("/ws/") else None


def _transport(request: web.BaseRequest) -> asyncio.Transport:
    if not isinstance(request.transport, asyncio.Transport):
        raise ConnectionResetError("the client is gone")
    return request.transport


def _query(request: web.BaseRequest) -> dict[str, list[str]]:
    return parse_qs(request.raw_path.partition("?")[2])


def _address(request: web.BaseRequest) -> str:
    return request.remote or LOCAL


def _refusal(error: VenueError, now_us: int) -> web.Response:
    """The answer to a request for a WebSocket that cannot have one."""
    return _http(error_reply(error, {}, now_us))


def _http(reply: RestReply) -> web.Response:
    return web.Response(status=reply.status, headers=reply.headers, text=reply.body, content_type=reply.content_type)
