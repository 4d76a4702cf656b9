"""The supervisor: the main thread of a run. It checks, starts the threads, watches them, stops them, and says how
it ended."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import secrets
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

from mmcore.config import Mode, OrderEntry, RunOptions, Settings, Wait
from mmcore.core import loop as core_loop
from mmcore.core import record
from mmcore.core.engine import Engine, EngineStatus, OpenOrderView, first_reason, reason_text, reasons, state_name
from mmcore.core.feed import Feed as Decoder
from mmcore.core.gate import Gate
from mmcore.core.kinds import Command, EngineState, OrderState
from mmcore.core.loop import Loop, Ran
from mmcore.credentials import Credentials, Secret
from mmcore.errors import ClockError, CredentialsError, ExchangeError, ExitCode, MmcoreError, UnreachableError
from mmcore.exchange.base import CommissionRates, Side, SymbolError
from mmcore.exchange.binance.filters import ExchangeInfo, SymbolRules
from mmcore.exchange.binance.protocol import (
    TESTNET,
    ClientId,
    ClockOffset,
    Endpoints,
    LimitedError,
    LimitState,
    WsRequests,
    endpoints_at,
    is_own,
    next_epoch,
)
from mmcore.exchange.binance.rest import RestClient, RestOrders
from mmcore.exchange.binance.signing import Ed25519Signer, HmacSigner, Signer
from mmcore.exchange.binance.streams import MarketStreams
from mmcore.exchange.binance.ws_api import WsApi
from mmcore.host import assemble
from mmcore.host.clock import Clock, SystemClock
from mmcore.host.demo import DemoVenue
from mmcore.host.feed import FeedThread
from mmcore.host.orders import OrdersThread, Session
from mmcore.host.recorder import Recorder
from mmcore.host.rest_worker import RestWorker
from mmcore.host.rest_worker import Run as RunNames
from mmcore.host.strategy import StrategyThread
from mmcore.host.worker import HostThread
from mmcore.strategy.base import MarketMaker
from mmcore.strategy.loading import load_strategy
from mmcore.telemetry import summary as summaries
from mmcore.telemetry.log import Log, Redactor
from mmcore.telemetry.summary import ExitReason
from mmcore.units import format_e8

_log = logging.getLogger("mmcore.run")

_HOLDER: Final = 4
_NS_PER_S: Final = 1_000_000_000
_REACH_S: Final = 10.0
_RETRY_S: Final = 0.5
_TICK_S: Final = 0.02
_STATUS_EVERY_NS: Final = 2 * _NS_PER_S
_STATUS_TERMINAL_NS: Final = 500_000_000
_STUCK_NS: Final = 2 * _NS_PER_S
_SETTLE_NS: Final = 5 * _NS_PER_S
_SETTLE_UNKNOWN_NS: Final = 15 * _NS_PER_S
_JOIN_S: Final = 3.0
# cffi gives the GIL up at every call and has to get it back: a shorter turn for others keeps that wait short.
_SWITCH_INTERVAL_S: Final = 1e-4
_BUILT_IN: Final = ("inventory_skew", "avellaneda_stoikov")


def run(settings: Settings, options: RunOptions) -> ExitCode:
    """One run, from the first check to the summary. Raises MmcoreError for what stops it before trading."""
    redactor = Redactor()
    with Log(settings.log.level, settings.log.format == "json", settings.log.file, redactor), _signals() as stop:
        return _run(settings, options, redactor, stop, SystemClock())


# ---- signals -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Stop:
    """Signals so far. The first stops the run, the second changes nothing, the third gives up waiting."""

    count: int = 0
    wake: threading.Event = field(default_factory=threading.Event)

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        self.wake.set()


@contextlib.contextmanager
def _signals() -> Iterator[_Stop]:
    stop = _Stop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, stop.on_signal) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# ---- before trading ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Keys:
    api_key: str = field(repr=False)
    signer: Signer
    ed25519: bool


def _keys_of(credentials: Credentials | None) -> _Keys:
    """Only emptiness is judged here: what a key is good for, the exchange says."""
    if credentials is None or not credentials.api_key:
        raise CredentialsError("API_KEY is not set: testnet needs a key (API_KEY or API_KEY_FILE in the environment)")
    key = credentials.api_key.reveal()
    if credentials.private_key_pem:
        return _Keys(key, Ed25519Signer(credentials.private_key_pem.reveal()), True)
    if credentials.api_secret:
        return _Keys(key, HmacSigner(credentials.api_secret.reveal()), False)
    raise CredentialsError("API_SECRET is not set: give API_SECRET, API_SECRET_FILE or API_PRIVATE_KEY_FILE")


@dataclass(frozen=True, slots=True)
class _Known:
    """What the exchange said before anything was started."""

    info: ExchangeInfo
    rules: SymbolRules
    rates: CommissionRates
    epoch: int
    leftovers: bool
    """Whether orders of an earlier run were open."""


class _Reach:
    """First contact: the exchange gets 10 s altogether."""

    def __init__(self, rest: RestClient, settings: Settings, clock: Clock, stop: _Stop) -> None:
        self._rest = rest
        self._symbol = settings.exchange.symbol
        self._tag = settings.account.tag
        self._clock = clock
        self._stop = stop
        self._until_ns = clock.mono_ns() + int(_REACH_S * _NS_PER_S)

    def ask(self) -> _Known:
        while True:
            try:
                return self._ask()
            except (UnreachableError, LimitedError) as error:
                if self._stop.count or self._clock.mono_ns() >= self._until_ns:
                    raise UnreachableError(f"the exchange cannot be reached: {error}") from None
                _log.warning("the exchange cannot be reached yet: %s", error)
                self._clock.sleep(_RETRY_S)
            except ExchangeError as error:
                raise _refused(error) from None

    def _ask(self) -> _Known:
        self._rest.server_time()
        info = self._rest.exchange_info(self._symbol)
        rules = info.rules(self._symbol)
        account = self._rest.account()
        refusal = rules.refusal(account.permissions)
        if refusal is None and not account.can_trade:
            refusal = "this account may not trade"
        if refusal is not None:
            raise SymbolError(refusal)
        rates = self._rest.commission(self._symbol)
        seen = [order.client_id for order in self._rest.open_orders(self._symbol)]
        epoch = next_epoch(self._clock.epoch_ns() // _NS_PER_S, self._tag, seen)
        return _Known(info, rules, rates, epoch, any(is_own(client_id, self._tag) for client_id in seen))


def _refused(error: ExchangeError) -> MmcoreError:
    """What the exchange refuses before a run starts, in words that say what to do."""
    if error.code == -1021:
        return ClockError(f"the exchange refuses this machine's clock: {error}")
    if error.exit_code is ExitCode.CREDENTIALS:
        return CredentialsError(f"the exchange refuses the credentials: {error}")
    return error


# ---- the parts of a run --------------------------------------------------------------------------------------


class _Bot:
    """All threads of one run and what they share."""

    def __init__(self, settings: Settings, options: RunOptions, endpoints: Endpoints, keys: _Keys, clock: Clock,
                 offset: ClockOffset, limits: LimitState, rest: RestClient, known: _Known,
                 maker: MarketMaker | None) -> None:
        self.settings = settings
        self.clock = clock
        self.known = known
        self.failure: Exception | None = None
        utc_offset_ns = clock.epoch_ns() - clock.mono_ns()
        config = assemble.engine_config(settings, known.rules, known.rates, known.info.rate_limits,
                                        utc_offset_ns=utc_offset_ns, accept_reset=options.accept_reset)
        recorded = settings.host.record is not None
        self.engine = Engine(config)
        self.loop = Loop(self.engine, assemble.loop_config(settings, recorded=recorded))
        symbol, tag = known.rules.symbol, settings.account.tag
        self.order_prefix = str(_first_id(tag, known.epoch))[:-len("0000000-b0")]
        by_rest = settings.exchange.order_entry is OrderEntry.REST
        gate_values = assemble.gate_config(config, order_prefix=self.order_prefix, api_key=keys.api_key, rest=by_rest,
                                           ed25519=keys.ed25519, mask_seed=secrets.randbits(32))
        self.gate = Gate(gate_values)
        self.names = Gate(gate_values)  # for reading ids only: gates belong to one thread
        rng = random.Random(secrets.randbits(64))
        names = RunNames(symbol, tag, known.epoch, settings.account.dedicated)
        self.rest = RestWorker(self.loop, rest, self._decoder(), offset, clock, names, self._on_state)
        self.orders_by_rest = RestOrders(rest, self.rest.submit) if by_rest else None
        spins = settings.host.wait is Wait.SPIN
        session = Session(WsApi(endpoints, WsRequests(keys.api_key, keys.signer), offset, limits, rng), keys.signer,
                          offset, limits, symbol)
        self.orders = OrdersThread(
            self.loop, self.gate, session, self._decoder(), clock, orders_by_rest=self.orders_by_rest,
            cancel_by_rest=self.rest.cancel, resync_clock=self.rest.resync_clock,
            leftover_name=self.rest.leftover_name, after_run=self.after_run, fail=self._fail, served_by_feed=spins)
        self.strategy = StrategyThread(self.loop, clock, self.after_run, maker, settings.strategy.timeout_ms)
        self.feed = FeedThread(self.loop, MarketStreams(endpoints, symbol, limits, rng), self._decoder(), clock,
                               self.after_run, self.orders if spins else None, settings.host.cpu)
        self.recorder = (Recorder(self.loop, config, settings.host.record, clock)
                         if settings.host.record is not None else None)
        self.threads: list[HostThread] = [self.rest, self.strategy, self.orders, self.feed]
        self.state = EngineState.INIT
        self.state_verdict = 0

    def _decoder(self) -> Decoder:
        return Decoder(symbol=self.known.rules.symbol, order_prefix=self.order_prefix,
                       account_prefix=f"m{self.settings.account.tag}-")

    def _on_state(self, state: int, verdict: int) -> None:
        self.state = EngineState(state)
        self.state_verdict = verdict

    def _fail(self, error: Exception) -> None:
        self.failure = self.failure or error

    def after_run(self, holder: int, ran: Ran) -> None:
        """What the engine left to do: orders go out from this very thread if their own is parked. Any thread."""
        if ran.need_quote:
            self.strategy.ask()
        if ran.orders and not self.orders.try_run(holder):
            self.orders.wake()

    def start(self) -> None:
        """Starts every thread; trading begins when `begin` has been called."""
        if self.recorder is not None:
            self.recorder.start()
        for thread in self.threads:
            thread.start()

    def command(self, which: Command, value: int = 0) -> None:
        """Tells the engine. Main thread."""
        records = record.command(which, self.clock.mono_ns(), value)
        while not self.loop.push(core_loop.RING_CONTROL, records):
            self.clock.sleep(_TICK_S)

    def dead_thread(self) -> HostThread | None:
        """A thread that ended without being asked."""
        every = [*self.threads, *([self.recorder] if self.recorder is not None else [])]
        return next((thread for thread in every if not thread.is_alive() or thread.died is not None), None)

    def stop_threads(self) -> None:
        """Ends all threads; the log writer last, so that it has everything."""
        for thread in [self.feed, self.orders, self.strategy, self.rest]:
            thread.stop()
        for thread in self.threads:
            if thread.is_alive():
                thread.join(_JOIN_S)
        if self.orders_by_rest is not None:
            self.orders_by_rest.close()
        if self.recorder is not None:
            self.recorder.stop()
            self.recorder.join(_JOIN_S)

    def order_name(self, order: OpenOrderView) -> str:
        """`ID BUY 0.001 @ 67000 (LIVE)` for a person."""
        name = self.names.client_id(order.seq, order.side, order.layer)
        side = "BUY" if order.side == 0 else "SELL"
        return f"{name} {side} {format_e8(order.qty_e8)} @ {format_e8(order.price_e8)} ({OrderState(order.state).name})"


def _first_id(tag: str, epoch: int) -> ClientId:
    return ClientId(tag, epoch, 0, Side.BUY, 0)


# ---- a run ---------------------------------------------------------------------------------------------------


def _run(settings: Settings, options: RunOptions, redactor: Redactor, stop: _Stop, clock: Clock) -> ExitCode:
    started_ns = clock.mono_ns()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    maker = None if settings.strategy.name in _BUILT_IN else load_strategy(settings.strategy)
    venue = DemoVenue(settings.demo) if settings.exchange.mode is Mode.DEMO else None
    try:
        if venue is not None:
            credentials: Credentials | None = Credentials(Secret(venue.api_key), Secret(venue.api_secret))
            endpoints = endpoints_at(venue.url)
        else:
            credentials = options.credentials
            endpoints = endpoints_at(settings.exchange.endpoint) if settings.exchange.endpoint else TESTNET
        if credentials is not None:
            redactor.add(*credentials.secrets)
        keys = _keys_of(credentials)
        offset, limits = ClockOffset(), LimitState()
        rest = RestClient(endpoints, tag=settings.account.tag, now_ns=clock.mono_ns, clock=offset, limits=limits,
                          api_key=keys.api_key, signer=keys.signer)
        try:
            known = _Reach(rest, settings, clock, stop).ask()
        except MmcoreError as error:
            if options.summary is not None:
                summaries.write(options.summary, _never_began(settings, error))
            raise
        bot = _Bot(settings, options, endpoints, keys, clock, offset, limits, rest, known, maker)
        return _Watch(bot, options, venue, stop, started_ns).run()
    finally:
        if venue is not None:
            venue.stop()


def _never_began(settings: Settings, error: MmcoreError) -> summaries.RunSummary:
    """The summary of a run that the exchange did not let begin."""
    reason = {ExitCode.UNREACHABLE: ExitReason.UNREACHABLE,
              ExitCode.CREDENTIALS: ExitReason.CREDENTIALS}.get(error.exit_code, ExitReason.ERROR)
    return summaries.RunSummary(
        mode=str(settings.exchange.mode), symbol=settings.exchange.symbol, exit_reason=reason, events=0,
        book_updates=0, gaps=0, resyncs=0, quotes=0, quoted_share=summaries.QuotedShare(0.0, 0.0), orders_sent=0,
        orders_acked=0, orders_rejected=0, orders_refused=0, orders_canceled=0, fills=0, open_orders_at_exit=0,
        unknown_orders=0, position_e8=0, balances={}, pnl=summaries.Pnl(0, 0, 0), no_quote_reasons={},
        latency_ns={stage: summaries.Latency(0, 0, 0, 0, 0) for stage in summaries.Stage})


@dataclass(slots=True)
class _Seen:
    """Progress of a role when it was last looked at."""

    progress: int
    since_ns: int


class _Watch:
    """The main thread while the bot runs."""

    def __init__(self, bot: _Bot, options: RunOptions, venue: DemoVenue | None, stop: _Stop, started_ns: int) -> None:
        self._bot = bot
        self._options = options
        self._venue = venue
        self._stop = stop
        self._started_ns = started_ns
        self._watched_ns = bot.clock.mono_ns()
        self._synced = False
        self._clock = bot.clock
        self._began = False
        self._seen: dict[int, _Seen] = {}
        self._status_due_ns = 0
        self._outage_since_ns = 0
        self._faulted_ns = 0
        self._audit: Mapping[str, Any] | None = None
        self._terminal = sys.stderr.isatty()

    def run(self) -> ExitCode:
        self._bot.start()
        reason, codes, left = self._trade_and_stop()
        self._bot.stop_threads()
        status = self._bot.loop.status(_HOLDER)
        if self._venue is not None:
            self._read_audit(self._venue)
        if left:
            codes.append(ExitCode.ORDERS_LEFT)
            _log.critical("own orders NOT confirmed gone: %s", "; ".join(left))
        if not self._write_summary(reason, status, left):
            codes.append(ExitCode.INTERNAL)
        code = ExitCode.worst(codes)
        self._say_end(reason, code, status, left)
        return code

    def _trade_and_stop(self) -> tuple[ExitReason, list[ExitCode], list[str]]:
        """Why it ended, the exit codes that gives, and the own orders that are not confirmed gone."""
        try:
            reason, codes, emergency = self._trade()
            return reason, codes, self._emergency_stop() if emergency else self._settle()
        except Exception as error:  # whatever it is: no order may be left behind for it
            _log.critical("internal error: %s: %s", type(error).__name__, error, exc_info=error)
            return ExitReason.ERROR, [ExitCode.INTERNAL], self._emergency_stop()

    # ---- trading

    def _trade(self) -> tuple[ExitReason, list[ExitCode], bool]:
        """Until something ends the run: why, the exit codes it gives, and whether the engine can no longer be
        trusted."""
        while True:
            self._stop.wake.wait(_TICK_S)
            now_ns = self._clock.mono_ns()
            if self._stop.count:
                return ExitReason.SIGNAL, [], False
            duration_s = self._options.duration_s
            if duration_s is not None and now_ns - self._started_ns >= duration_s * _NS_PER_S:
                return self._end_of_duration()
            broken = self._broken(now_ns)
            if broken is not None:
                return ExitReason.ERROR, [ExitCode.INTERNAL], True
            ended = self._ended(now_ns)
            if ended is not None:
                return ended
            self._begin(now_ns)
            self._watch_strategy(now_ns)
            self._show_status(now_ns)

    def _end_of_duration(self) -> tuple[ExitReason, list[ExitCode], bool]:
        if self._bot.state is EngineState.HALTED:
            return ExitReason.RISK, [ExitCode.RISK], False
        if not self._began or self._bot.loop.status(_HOLDER).synced_ns == 0:
            _log.critical("the duration is over before the first sync with the exchange")
            return ExitReason.UNREACHABLE, [ExitCode.UNREACHABLE], False
        return ExitReason.DURATION, [], False

    def _begin(self, now_ns: int) -> None:
        """Once orders and account events flow: balances, then START, through one ring, so in this order."""
        if self._began or not self._bot.orders.ready:
            return
        self._began = True
        self._bot.rest.submit(self._start_engine, True)

    def _start_engine(self) -> None:
        """On the REST worker's thread, again until it succeeds."""
        bot = self._bot
        if bot.rest.stopping:
            return
        try:
            bot.rest.note_trades()
            bot.rest.read_account(0)
        except MmcoreError as error:
            _log.warning("account: %s", error)
            bot.clock.sleep(_RETRY_S)
            bot.rest.submit(self._start_engine, False)
            return
        bot.rest.push(record.command(Command.START, bot.clock.mono_ns()))
        _log.info("account read; looking for orders of earlier runs")

    def _ended(self, now_ns: int) -> tuple[ExitReason, list[ExitCode], bool] | None:
        bot = self._bot
        if bot.failure is not None:
            refused = _refused(bot.failure) if isinstance(bot.failure, ExchangeError) else bot.failure
            _log.critical("%s", refused)
            code = refused.exit_code if isinstance(refused, MmcoreError) else ExitCode.INTERNAL
            reason = ExitReason.CREDENTIALS if code is ExitCode.CREDENTIALS else ExitReason.ERROR
            return reason, [code], False
        halting = reasons(bot.state_verdict) if bot.state in (EngineState.HALTED, EngineState.KILLED) else []
        if "CREDENTIALS" in halting:
            _log.critical("the exchange refuses the credentials: %s", "the key was revoked or may not trade")
            return ExitReason.CREDENTIALS, [ExitCode.CREDENTIALS], False
        if bot.state is EngineState.KILLED:
            bot.gate.kill()
            _log.critical("killed: %s", ", ".join(halting))
            return ExitReason.KILL, [ExitCode.RISK], False
        if self._venue is not None and not self._venue.running:
            _log.critical("the embedded exchange has died")
            return ExitReason.UNREACHABLE, [ExitCode.UNREACHABLE], False
        return self._never_reached(now_ns) or self._outage(now_ns)

    def _never_reached(self, now_ns: int) -> tuple[ExitReason, list[ExitCode], bool] | None:
        """Until the first sync the exchange gets 10 s; after it, reconnecting goes on until somebody stops it."""
        self._synced = self._synced or self._bot.loop.status(_HOLDER).synced_ns != 0
        if self._synced or now_ns - self._watched_ns < _REACH_S * _NS_PER_S or self._bot.state is EngineState.HALTED:
            return None
        what = "the market data" if self._began else "the order channel"
        _log.critical("the exchange cannot be reached: no first sync within %d s, %s is missing", int(_REACH_S), what)
        return ExitReason.UNREACHABLE, [ExitCode.UNREACHABLE], False

    def _outage(self, now_ns: int) -> tuple[ExitReason, list[ExitCode], bool] | None:
        """With nothing reachable and own orders whose end nobody can confirm, waiting any longer helps nobody: 15 s of
        trying is what a stop would give them too."""
        bot = self._bot
        if bot.orders.ready or not self._began:
            self._outage_since_ns = 0
            return None
        self._outage_since_ns = self._outage_since_ns or now_ns
        if now_ns - self._outage_since_ns < _SETTLE_UNKNOWN_NS or bot.loop.status(_HOLDER).open_orders == 0:
            return None
        _log.critical("the exchange has been unreachable for 15 s with own orders open")
        return ExitReason.UNREACHABLE, [ExitCode.UNREACHABLE], False

    def _broken(self, now_ns: int) -> str | None:
        """A thread that died, or a role that stands still for 2 s with input waiting."""
        dead = self._bot.dead_thread()
        if dead is not None:
            _log.critical("thread %s has died", dead.name)
            return dead.name
        for role, name in ((core_loop.ENGINE, "engine"), (core_loop.ORDERS, "orders")):
            progress = self._bot.loop.progress(role)
            seen = self._seen.get(role)
            if seen is None or seen.progress != progress or not self._bot.loop.pending(role):
                self._seen[role] = _Seen(progress, now_ns)
            elif now_ns - seen.since_ns >= _STUCK_NS:
                _log.critical("the %s role has been stuck for 2 s with input waiting", name)
                return name
        return None

    def _watch_strategy(self, now_ns: int) -> None:
        """A strategy that is still thinking cannot say so itself: its quotes are pulled meanwhile."""
        thinking = self._bot.strategy
        since_ns = thinking.thinking_since_ns
        if since_ns and since_ns != self._faulted_ns and now_ns - since_ns > thinking.timeout_ns:
            self._faulted_ns = since_ns
            self._bot.command(Command.STRATEGY_FAULT, 1)
            self._bot.after_run(_HOLDER, self._bot.loop.run(_HOLDER, self._clock.mono_ns()))

    # ---- stopping

    def _settle(self) -> list[str]:
        """No new orders, every own order cancelled and confirmed gone. Returns those that are not."""
        bot = self._bot
        bot.command(Command.STOP)
        begun_ns = clear_since_ns = self._clock.mono_ns()
        while True:
            self._stop.wake.clear()
            now_ns = self._clock.mono_ns()
            if not self._began:  # this run has no orders
                return self._emergency_stop() if bot.known.leftovers else []
            if bot.state is EngineState.STOPPED:
                return []
            if bot.orders.ready:
                self._outage_since_ns = 0  # it is back: cancels get their full time
            if not bot.orders.ready or bot.loop.status(_HOLDER).unknown_orders:
                clear_since_ns = now_ns
            tried_ns = now_ns - (self._outage_since_ns or begun_ns)
            if now_ns - clear_since_ns >= _SETTLE_NS or tried_ns >= _SETTLE_UNKNOWN_NS or self._stop.count >= 3:
                return self._not_confirmed()
            if self._broken(now_ns) is not None:
                return self._emergency_stop()
            self._stop.wake.wait(_TICK_S)

    def _not_confirmed(self) -> list[str]:
        self._bot.stop_threads()  # the engine's orders may be read only while nothing runs it
        left = [self._bot.order_name(order) for order in self._bot.engine.orders()]
        return left or ["openOrders could not be read twice"]

    def _emergency_stop(self) -> list[str]:
        """The engine or a thread is gone: nothing new may leave, and the REST worker cancels alone."""
        bot = self._bot
        bot.gate.kill()
        until_ns = self._clock.mono_ns() + _SETTLE_UNKNOWN_NS
        left: list[str] = ["own orders: the REST worker did not answer"]
        done = threading.Event()

        def cancel() -> None:
            left[:] = bot.rest.cancel_everything(until_ns)
            done.set()

        if bot.rest.is_alive() and bot.rest.submit(cancel, True):
            given_up_ns = until_ns + int(_JOIN_S * _NS_PER_S)
            while not done.wait(_TICK_S) and self._clock.mono_ns() < given_up_ns and self._stop.count < 3:
                pass
        elif not bot.rest.is_alive():
            left[:] = bot.rest.cancel_everything(until_ns)
        return list(left)

    # ---- telling

    def _show_status(self, now_ns: int) -> None:
        if now_ns < self._status_due_ns:
            return
        self._status_due_ns = now_ns + (_STATUS_TERMINAL_NS if self._terminal else _STATUS_EVERY_NS)
        line = self._status_line(self._bot.loop.status(_HOLDER))
        _tell(line if self._terminal else line + "\n")

    def _status_line(self, status: EngineStatus) -> str:
        verdict = status.bid_verdict or status.ask_verdict
        p50, p99 = self._bot.loop.latency(core_loop.STAGES.index("tick_to_order"))[:2]
        bid, bid_qty, ask, ask_qty = status.best
        shown = summaries.Status(
            mode=str(self._bot.settings.exchange.mode), symbol=self._bot.known.rules.symbol,
            state=state_name(status.state), reason=reason_text(first_reason(verdict)) if verdict else None,
            best_bid_e8=bid if bid_qty else None, best_ask_e8=ask if ask_qty else None,
            own_bid_e8=status.wanted_bid_e8, own_ask_e8=status.wanted_ask_e8, position_e8=status.position_e8,
            pnl_e8=status.pnl[0] + status.pnl[1] - status.pnl[2], quote_asset=self._bot.known.rules.quote_asset,
            orders=status.orders_sent, fills=status.fills, tick_to_order_p50_ns=p50, tick_to_order_p99_ns=p99)
        width = shutil.get_terminal_size().columns if self._terminal else 0
        return summaries.format_status(shown, terminal=self._terminal, colour="NO_COLOR" not in os.environ, width=width)

    def _read_audit(self, venue: DemoVenue) -> None:
        try:
            self._audit = venue.audit()
        except UnreachableError as error:
            _log.warning("%s", error)

    def _write_summary(self, reason: ExitReason, status: EngineStatus, left: list[str]) -> bool:
        """False: the disk did not take it. How the run ended is told all the same."""
        path = self._options.summary
        try:
            if path is not None:
                summaries.write(path, self._summary(reason, status, left))
        except OSError as error:
            _log.critical("--summary %s: %s", path, error.strerror or error)
            return False
        return True

    def _summary(self, reason: ExitReason, status: EngineStatus, left: list[str]) -> summaries.RunSummary:
        bot = self._bot
        balances = {asset: summaries.Balance(free, locked) for asset, (free, locked) in bot.engine.balances().items()}
        latency = {stage: summaries.Latency(*bot.loop.latency(core_loop.STAGES.index(stage)))
                   for stage in summaries.Stage}
        return summaries.RunSummary(
            mode=str(bot.settings.exchange.mode), symbol=bot.known.rules.symbol, exit_reason=reason,
            events=status.events, book_updates=status.book_updates, gaps=status.gaps, resyncs=status.resyncs,
            quotes=status.quotes,
            quoted_share=summaries.QuotedShare.of_times(status.quoted_bid_ns, status.quoted_ask_ns,
                                                        status.synced_time_ns),
            orders_sent=status.orders_sent, orders_acked=status.orders_acked, orders_rejected=status.orders_rejected,
            orders_refused=status.orders_refused, orders_canceled=status.orders_canceled, fills=status.fills,
            open_orders_at_exit=max(status.open_orders, len(left)) if left else 0, unknown_orders=status.unknown_orders,
            position_e8=status.position_e8, balances=balances,
            pnl=summaries.Pnl(*status.pnl),
            no_quote_reasons={name: spent_ns // 1_000_000 for name, spent_ns in status.reason_ns.items()},
            latency_ns=latency,
            actions_digest=bot.recorder.actions_digest() if bot.recorder is not None else None,
            venue_audit=self._audit)

    def _say_end(self, reason: ExitReason, code: ExitCode, status: EngineStatus, left: list[str]) -> None:
        gone = "own orders NOT confirmed gone" if left else "all own orders confirmed gone"
        _tell(f"{chr(10) if self._terminal else ''}mmcore: stopped ({reason}): {gone}; {status.orders_sent} orders, "
              f"{status.fills} fills; exit {code.value}\n")


def _tell(text: str) -> None:
    """To the person watching. That nobody is there any more (a closed pipe) is no reason to stop."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()
