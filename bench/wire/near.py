"""The near ends of the wire benches, one to a process: `python -m bench.wire.near KIND URL [CA]`.

block, spin: the bot's own feed, strategy and order threads, engine and gate over real connections. What the REST worker
would answer at the start is given by hand; it is cold. The others do no work: `picows` echoes, in Cython on asyncio;
`pipeline` is websocket-client with a thread to read, one to decide and one to send; `recv` is its bare `recv`.
"""

from __future__ import annotations

import asyncio
import os
import queue
import random
import ssl
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

NEAR_CPU: Final = 1
HOT_PRIORITY: Final = 10
_NS_PER_S: Final = 1_000_000_000
_E8: Final = 10**8


def undisturbed(priority: int, thread_id: int = 0) -> bool:
    """Before all that is not of the bench, where the system allows it: on a machine that others use as well their time
    slices would be most of what is measured. What spins stands below what only wakes now and then."""
    try:
        os.sched_setscheduler(thread_id, os.SCHED_FIFO, os.sched_param(priority))
    except PermissionError:
        return False
    return True


def bot(url: str, authority: str, *, spin: bool) -> None:
    """Trades until the far end has gone."""
    from mmcore.config import HostSettings, RiskSettings, Settings, StrategySettings, Wait
    from mmcore.core.engine import Engine
    from mmcore.core.feed import Feed
    from mmcore.core.gate import Gate
    from mmcore.core.loop import Loop, Ran
    from mmcore.exchange.base import CommissionRates
    from mmcore.exchange.binance.filters import ExchangeInfo
    from mmcore.exchange.binance.protocol import ClockOffset, Endpoints, LimitState, WsRequests
    from mmcore.exchange.binance.streams import MarketStreams, Source
    from mmcore.exchange.binance.ws_api import WsApi
    from mmcore.host import assemble
    from mmcore.host.clock import SystemClock
    from mmcore.host.feed import FeedThread
    from mmcore.host.orders import OrdersThread, Session
    from mmcore.host.strategy import StrategyThread

    clock = SystemClock()
    settings = Settings(
        strategy=StrategySettings(layers=1, vol_mult=0.0, alpha_weight=0.0, imbalance_weight=0.0,
                                  refresh_tolerance_bps=0.0),
        risk=RiskSettings(duplicate_window_ms=1, order_rate_pct=100),
        host=HostSettings(wait=Wait.SPIN if spin else Wait.BLOCK, cpu=NEAR_CPU if spin else None))
    info = ExchangeInfo(_INFO)
    config = assemble.engine_config(settings, info.rules("BTCUSDT"), CommissionRates(0, 0, 0, 0), info.rate_limits,
                                    utc_offset_ns=clock.epoch_ns() - clock.mono_ns(), accept_reset=False)
    for name in ("reconcile_open_ns", "reconcile_trades_ns", "reconcile_account_ns", "audit_ns"):
        setattr(config.raw, name, 3600 * _NS_PER_S)  # there is no REST to ask
    gate = Gate(assemble.gate_config(config, order_prefix=_PREFIX, api_key="key", rest=False, ed25519=True,
                                     stp_mode="EXPIRE_MAKER", mask_seed=1))
    loop = Loop(Engine(config), assemble.loop_config(settings, recorded=False))
    offset, limits, signer, rng = ClockOffset(), LimitState(), _Unsigned(), random.Random(1)
    now_ns = clock.mono_ns()
    offset.add(now_ns, now_ns, clock.epoch_ns() // 1_000_000)
    endpoints = Endpoints(rest="", streams=url, sbe_streams="", ws_api=f"{url}/ws-api/v3")
    orders: OrdersThread
    failures: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    def after_run(holder: int, ran: Ran) -> None:
        if ran.orders and not orders.try_run(holder):
            orders.wake()

    def connectors(name: str, wake: Callable[[], None]) -> _Connector:
        return _Connector(authority, clock.mono_ns, wake)

    def decoder() -> Feed:
        return Feed(symbol="BTCUSDT", order_prefix=_PREFIX, account_prefix="mA1-")

    orders = OrdersThread(
        loop, gate, Session(WsApi(endpoints, WsRequests("key", signer), offset, limits, rng), signer, offset, limits,
                            "BTCUSDT"), decoder(), clock, connectors=connectors, orders_by_rest=None,
        cancel_by_rest=lambda *_: False, resync_clock=lambda: None, leftover_name=lambda _: None,
        after_run=after_run, fail=failures.put,
        stale_decision_ns=settings.risk.stale_decision_ms * 1_000_000, served_by_feed=spin)
    streams = MarketStreams(Source(f"{url}/stream"), limits, rng)
    feed = FeedThread(loop, [streams], decoder(), clock, after_run, connectors, orders, carries_orders=spin,
                      cpu=settings.host.cpu)
    strategy = StrategyThread(loop, clock, after_run, None, settings.strategy.timeout_ms)
    for thread in (strategy, orders, feed):
        thread.start()
    if spin:
        undisturbed(HOT_PRIORITY, feed.native_id or 0)
    _begin(loop, clock.mono_ns(), offset.offset_ns)
    _serve_rest(loop, clock.mono_ns,
                lambda: failures.empty() and not any(thread.died for thread in (strategy, orders, feed)))


def _begin(loop: Any, now_ns: int, offset_ns: int) -> None:
    from mmcore.core import loop as core_loop
    from mmcore.core import record
    from mmcore.core.kinds import Command

    for asset in ("BTC", "USDT"):
        loop.push(core_loop.RING_REST, record.balance(asset, 10**6 * _E8, 0, 1))
    loop.push(core_loop.RING_CONTROL, record.clock(offset_ns, 10**6, now_ns))
    loop.push(core_loop.RING_REST, record.command(Command.START, now_ns))


def _serve_rest(loop: Any, now_ns: Callable[[], int], alive: Callable[[], bool]) -> None:
    """What the engine asks of the REST worker: no orders of earlier runs, and the snapshot."""
    from bench.wire import market
    from mmcore._native import lib
    from mmcore.core import loop as core_loop
    from mmcore.core import record
    from mmcore.core.feed import Feed

    reader, work = Feed(market.SYMBOL), core_loop.new_record()
    text = market.snapshot()
    while alive():
        loop.wait(core_loop.REST, lambda: loop.pending(core_loop.REST), 20_000_000)
        while loop.next_work(work):
            kind, token = int(work.kind), int(work.body.command.command)
            if kind == lib.MM_KIND_WANT_OPEN:
                loop.push(core_loop.RING_REST, record.open_end(token))
            elif kind == lib.MM_KIND_WANT_SNAPSHOT:
                (event,) = reader.decode_events(text, now_ns())
                loop.push(core_loop.RING_REST, event)


class _Unsigned:
    """The far end looks at no signature."""

    can_log_on = True

    def sign(self, payload: bytes) -> str:
        return "A" * 88


class _Connector:
    """Opens at once, trusting the authority of the test."""

    def __init__(self, authority: str, now_ns: Callable[[], int], wake: Callable[[], None]) -> None:
        from mmcore.exchange.net import tls_context

        self._tls = tls_context(authority) if authority else None
        self._now_ns = now_ns
        self._wake = wake
        self._made: deque[tuple[int, Any]] = deque()

    @property
    def waiting(self) -> bool:
        return bool(self._made)

    def start(self, request: Any) -> None:
        from mmcore.exchange.channel import open_channel

        try:
            made: Any = open_channel(request.url, now_ns=self._now_ns, tls=self._tls)
        except Exception as error:
            made = error
        self._made.append((request.attempt, made))
        self._wake()

    def take(self) -> tuple[int, Any] | None:
        return self._made.popleft() if self._made else None

    def close(self) -> None:
        pass


_PREFIX: Final = "mA1-0000001-"
_INFO: Final[dict[str, Any]] = {
    "serverTime": 1,
    "rateLimits": [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6_000_000},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 4000},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 100_000_000},
    ],
    "symbols": [{
        "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
        "orderTypes": ["LIMIT", "LIMIT_MAKER"], "isSpotTradingAllowed": True, "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
            {"filterType": "NOTIONAL", "minNotional": "5", "maxNotional": "9000000"},
            {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "5", "bidMultiplierDown": "0.2",
             "askMultiplierUp": "5", "askMultiplierDown": "0.2"},
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        ],
    }],
}


def _client_tls(authority: str) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=authority) if authority else None


def echo(url: str, authority: str) -> None:
    """Every frame goes back as it came, out of the callback that brings it."""
    import picows

    class Echo(picows.WSListener):  # type: ignore[misc]
        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            transport.send(frame.msg_type, frame.get_payload_as_bytes())

    async def run() -> None:
        transport, _ = await picows.ws_connect(Echo, f"{url}/echo", ssl_context=_client_tls(authority))
        await transport.wait_disconnected()

    asyncio.run(run())


def _plain_client(url: str, authority: str) -> Any:
    import websocket

    client = websocket.WebSocket(sslopt={"context": _client_tls(authority)} if authority else None,
                                 skip_utf8_validation=True)  # in Python it would be most of the time
    client.connect(url)
    client.sock.setsockopt(6, 1, 1)  # TCP_NODELAY
    return client


def pipeline(url: str, authority: str) -> None:
    """Frame to frame through three threads and two queues."""
    source, sink = (_plain_client(f"{url}/{path}", authority) for path in ("in", "out"))
    first: queue.SimpleQueue[Any] = queue.SimpleQueue()
    second: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def decide() -> None:
        while True:
            second.put(first.get())

    def send() -> None:
        while True:
            sink.send(second.get())

    for part in (decide, send):
        threading.Thread(target=part, daemon=True).start()
    while (message := source.recv()):
        first.put(message)


def recv(url: str, authority: str) -> None:
    """Reads messages until the one that says `over`, answers it, and so on."""
    client = _plain_client(f"{url}/recv", authority)
    while (message := client.recv()):
        if message == "over":
            client.send("over")


def main() -> None:
    kind, url, authority = (*sys.argv[1:], "")[:3]
    if kind != "spin":  # of that only the hot thread is pinned
        os.sched_setaffinity(0, {NEAR_CPU})
    undisturbed(HOT_PRIORITY + 1)
    if kind in ("block", "spin"):
        bot(url, authority, spin=kind == "spin")
    else:
        {"picows": echo, "pipeline": pipeline, "recv": recv}[kind](url, authority)


if __name__ == "__main__":
    main()
