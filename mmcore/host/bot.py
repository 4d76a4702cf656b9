"""The parts of one run: what the exchange said before it, and everything that trades. Who runs them is the caller's
business: threads here, one loop in virtual time in the simulation."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from mmcore.config import MarketData, OrderEntry, RunOptions, Settings, Wait
from mmcore.core import loop as core_loop
from mmcore.core import record
from mmcore.core.engine import Engine, OpenOrderView
from mmcore.core.feed import Feed as Decoder
from mmcore.core.gate import Gate
from mmcore.core.kinds import Command, EngineState, OrderState
from mmcore.core.loop import Loop, Ran
from mmcore.errors import ClockError, CredentialsError, ExchangeError, ExitCode, MmcoreError, UnreachableError
from mmcore.exchange.base import AccountSnapshot, CommissionRates, Side, SymbolError
from mmcore.exchange.binance.filters import ExchangeInfo, SymbolRules
from mmcore.exchange.binance.protocol import (
    ClientId,
    ClockOffset,
    Endpoints,
    LimitedError,
    LimitState,
    WsRequests,
    is_own,
    next_epoch,
)
from mmcore.exchange.binance.rest import RestClient, RestOrders
from mmcore.exchange.binance.signing import Signer
from mmcore.exchange.binance.streams import MarketStreams, json_source, sbe_source
from mmcore.exchange.binance.ws_api import WsApi
from mmcore.host import assemble
from mmcore.host.clock import Clock
from mmcore.host.connector import Connectors
from mmcore.host.feed import FeedThread
from mmcore.host.orders import OrdersThread, Session
from mmcore.host.recorder import Recorder
from mmcore.host.rest_worker import RestWorker
from mmcore.host.rest_worker import Run as RunNames
from mmcore.host.rules import RulesWatch
from mmcore.host.state import BanMemory, RunState
from mmcore.host.stop import Stop
from mmcore.host.strategy import StrategyThread
from mmcore.host.worker import HostThread, PartThread
from mmcore.strategy.base import MarketMaker
from mmcore.units import format_e8

_log = logging.getLogger("mmcore.run")

_T = TypeVar("_T")

HOLDER: Final = 4
"""The watching thread's number."""
REACH_S: Final = 10.0
"""What the exchange gets to answer at first, and until the first sync."""
RETRY_S: Final = 0.5
TICK_S: Final = 0.02
_NS_PER_S: Final = 1_000_000_000
_JOIN_S: Final = 3.0
_CLOCK_SAMPLES: Final = 8
_CLOCK_SAMPLES_NS: Final = 3 * _NS_PER_S
_COMMAND_TRIES: Final = 100


@dataclass(frozen=True, slots=True)
class Keys:
    """What requests are signed with."""

    api_key: str = field(repr=False)
    signer: Signer
    ed25519: bool


@dataclass(frozen=True, slots=True)
class World:
    """All that is outside the program, as one run finds it. rng: for jitter and masks, never for a decision."""

    clock: Clock
    connectors: Connectors
    rng: random.Random


@dataclass(frozen=True, slots=True)
class Access:
    """The way to the exchange, shared by all who send."""

    endpoints: Endpoints
    keys: Keys
    rest: RestClient
    offset: ClockOffset
    limits: LimitState
    bans: BanMemory | None = None
    """None: nothing is kept of what the exchange asked for."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the exchange said before anything was started."""

    info: ExchangeInfo
    rules: SymbolRules
    rates: CommissionRates
    epoch: int
    leftovers: bool
    """Whether orders of an earlier run were open."""


class Reach:
    """First contact: the exchange gets 10 s altogether, and what is under way then the rest of a request's 3 s."""

    def __init__(self, access: Access, settings: Settings, clock: Clock, stop: Stop,
                 state: RunState | None = None) -> None:
        """state: keeps this run's epoch before the first order; None: the exchange does not outlive the run."""
        self._rest = access.rest
        self._bans = access.bans
        self._state = state
        self._symbol = settings.exchange.symbol
        self._tag = settings.account.tag
        self._stp_mode = settings.exchange.stp_mode.value
        # A strategy in Python sizes its orders itself.
        self._order_qty_e8 = (settings.strategy.order_qty_e8 if settings.strategy.name in assemble.BUILT_IN else None)
        self._clock = clock
        self._stop = stop
        self._until_ns = clock.mono_ns() + int(REACH_S * _NS_PER_S)
        self._told: set[str] = set()
        self._failure = "it had not answered everything yet"

    def ask(self) -> Known:
        if self._bans is not None:
            self._bans.share()
        while True:
            try:
                return self._ask()
            except LimitedError as error:
                self._wait(error)
            except UnreachableError as error:
                if self._stop.count or self._clock.mono_ns() >= self._until_ns:
                    raise UnreachableError(f"the exchange cannot be reached: {error}") from None
                self._tell(error)
                self._clock.sleep(RETRY_S)
            except ExchangeError as error:
                raise refused(error) from None
            finally:
                if self._bans is not None:
                    self._bans.share()

    def _wait(self, error: LimitedError) -> None:
        """Until the limit's end; raises UnreachableError at once when that is later than the exchange gets."""
        if self._stop.count or max(error.until_ns, self._clock.mono_ns()) >= self._until_ns:
            raise UnreachableError(f"the exchange cannot be reached: {error}") from None
        self._tell(error)
        self._clock.sleep(RETRY_S)
        while self._clock.mono_ns() < error.until_ns and not self._stop.count:
            self._clock.sleep(RETRY_S)

    def _tell(self, error: MmcoreError) -> None:
        """Each cause once."""
        self._failure = str(error)
        if str(error) not in self._told:
            self._told.add(str(error))
            _log.warning("the exchange cannot be reached yet: %s", error)

    def _get(self, request: Callable[..., _T], *arguments: str) -> _T:
        """One request. Raises UnreachableError instead when nobody waits for its answer any more."""
        if self._stop.count or self._clock.mono_ns() >= self._until_ns:
            raise UnreachableError(self._failure)
        return request(*arguments)

    def _sample_clock(self) -> None:
        """One sample will do; more make it exact, as far as they come quickly."""
        enough_ns = self._clock.mono_ns() + _CLOCK_SAMPLES_NS
        for _ in range(_CLOCK_SAMPLES):
            self._get(self._rest.server_time)
            if self._clock.mono_ns() >= enough_ns:
                break

    def _ask(self) -> Known:
        self._sample_clock()
        info = self._get(self._rest.exchange_info, self._symbol)
        rules = info.rules(self._symbol)
        account = self._get(self._rest.account)
        refusal = rules.refusal(account.permissions)
        if refusal is None and not account.can_trade:
            refusal = "this account may not trade"
        if refusal is None:
            refusal = rules.stp_refusal(self._stp_mode)
        if refusal is None and self._order_qty_e8 is not None:
            refusal = rules.size_refusal(self._order_qty_e8, self._best_bid_e8())
        if refusal is not None:
            raise SymbolError(refusal)
        self._warn_of_position(rules, account)
        rates = self._get(self._rest.commission, self._symbol)
        resting = [order.client_id for order in self._get(self._rest.open_orders, self._symbol)]
        return Known(info, rules, rates, self._epoch(resting), any(is_own(name, self._tag) for name in resting))

    def _warn_of_position(self, rules: SymbolRules, account: AccountSnapshot) -> None:
        """No reason not to start: what it sells makes room."""
        held_e8 = sum(one.free_e8 + one.locked_e8 for one in account.balances if one.asset == rules.base_asset)
        refusal = rules.position_refusal(self._order_qty_e8 or 0, held_e8)
        if refusal is not None:
            _log.warning("buys will be refused until enough is sold: %s", refusal)

    def _best_bid_e8(self) -> int | None:
        """None also where the exchange has no book to show yet: the size is then judged without a price."""
        try:
            return self._get(self._rest.best_bid_e8, self._symbol)
        except UnreachableError:
            return None

    def _epoch(self, resting: list[str]) -> int:
        recent = self._get(self._rest.recent_client_ids, self._symbol)
        stored = self._state.epoch() if self._state is not None else 0
        epoch = next_epoch(self._clock.epoch_ns() // _NS_PER_S, self._tag, [*resting, *recent], stored)
        if self._state is not None:
            self._state.keep(epoch)
        return epoch


def refused(error: ExchangeError) -> MmcoreError:
    """What the exchange refuses before a run starts, in words that say what to do."""
    if error.code == -1021:
        return ClockError(f"the exchange refuses this machine's clock: {error}")
    if error.exit_code is ExitCode.CREDENTIALS:
        return CredentialsError(f"the exchange refuses the credentials: {error}")
    return error


class Bot:
    """All parts of one run and what they share."""

    def __init__(self, settings: Settings, options: RunOptions, access: Access, world: World, known: Known,
                 maker: MarketMaker | None) -> None:
        """maker: a strategy written in Python, None = one of the engine's own."""
        clock, loop_values = world.clock, assemble.loop_config(settings, recorded=settings.host.record is not None)
        self.settings, self.clock, self.known = settings, clock, known
        self.failure: Exception | None = None
        self.state, self.state_verdict = EngineState.INIT, 0
        discount = known.rates.discount
        config = assemble.engine_config(settings, known.rules, known.rates, known.info.rate_limits,
                                        utc_offset_ns=clock.epoch_ns() - clock.mono_ns(),
                                        accept_reset=options.accept_reset,
                                        fee_asset=discount.asset if discount is not None else "")
        self.engine = Engine(config)
        self.loop = Loop(self.engine, loop_values)
        symbol, tag = known.rules.symbol, settings.account.tag
        self.order_prefix = str(_first_id(tag, known.epoch))[:-len("0000000-b0")]
        by_rest = settings.exchange.order_entry is OrderEntry.REST
        gate_values = assemble.gate_config(config, order_prefix=self.order_prefix, api_key=access.keys.api_key,
                                           rest=by_rest, ed25519=access.keys.ed25519,
                                           stp_mode=settings.exchange.stp_mode.value,
                                           mask_seed=world.rng.getrandbits(32))
        self.gate = Gate(gate_values)
        self.names = Gate(gate_values)  # for reading ids only: gates belong to one thread
        rules = RulesWatch(known.rules, known.rates, settings.risk.order_notional_max_e8, self._fail)
        names = RunNames(symbol, tag, known.epoch, settings.account.dedicated, rules)
        self.rest = RestWorker(self.loop, access.rest, self._decoder(), access.offset, clock, names, self._on_state,
                               share_bans=access.bans.share if access.bans is not None else None)
        self.orders_by_rest = RestOrders(access.rest, self.rest.submit, clock.mono_ns) if by_rest else None
        spins = settings.host.wait is Wait.SPIN
        self.orders = self._orders(access, world, served_by_feed=spins)
        self.strategy = StrategyThread(self.loop, clock, self.after_run, maker, settings.strategy.timeout_ms)
        self.feed = FeedThread(self.loop, self._streams(access, world), self._decoder(), clock, self.after_run,
                               world.connectors, self.orders, carries_orders=spins, cpu=settings.host.cpu)
        self.recorder = (Recorder(self.loop, config, settings.host.record, clock)
                         if settings.host.record is not None else None)
        self.threads: list[PartThread] = [self.rest, self.strategy, self.orders, self.feed]

    def _orders(self, access: Access, world: World, *, served_by_feed: bool) -> OrdersThread:
        keys = access.keys
        api = WsApi(access.endpoints, WsRequests(keys.api_key, keys.signer), access.offset, access.limits, world.rng)
        session = Session(api, keys.signer, access.offset, access.limits, self.known.rules.symbol)
        return OrdersThread(
            self.loop, self.gate, session, self._decoder(), world.clock, connectors=world.connectors,
            orders_by_rest=self.orders_by_rest, cancel_by_rest=self.rest.cancel, resync_clock=self.rest.resync_clock,
            leftover_name=self.rest.leftover_name, after_run=self.after_run, fail=self._fail,
            stale_decision_ns=self.settings.risk.stale_decision_ms * 1_000_000, served_by_feed=served_by_feed)

    def _streams(self, access: Access, world: World) -> list[MarketStreams]:
        """One for each market connection."""
        exchange, symbol = self.settings.exchange, self.known.rules.symbol
        source = (sbe_source(access.endpoints, symbol, access.keys.api_key)
                  if exchange.market_data is MarketData.SBE else json_source(access.endpoints, symbol))
        return [MarketStreams(source, access.limits, world.rng) for _ in range(exchange.market_sockets)]

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

    def start_engine(self) -> None:
        """Balances, then START, through one ring, so in this order. On the REST worker, again until it succeeds."""
        if self.rest.stopping:
            return
        try:
            self.rest.read_start()
        except MmcoreError as error:
            _log.warning("account: %s", error)
            self.clock.sleep(RETRY_S)
            self.rest.submit(self.start_engine, False)
            return
        self.rest.push(record.command(Command.START, self.clock.mono_ns()))
        _log.info("account read; looking for orders of earlier runs")

    def command(self, which: Command, value: int = 0) -> None:
        """Tells the engine. Raises RuntimeError when it takes nothing for 2 s. Main thread."""
        records = record.command(which, self.clock.mono_ns(), value)
        for _ in range(_COMMAND_TRIES):
            if self.loop.push(core_loop.RING_CONTROL, records):
                return
            self.clock.sleep(TICK_S)
        raise RuntimeError("the engine takes no commands")

    def works(self, thread: HostThread) -> bool:
        """Whether a thread still does its rounds."""
        return thread.is_alive() and thread.died is None

    def dead_thread(self) -> HostThread | None:
        """A thread that ended without being asked."""
        every = [*self.threads, *([self.recorder] if self.recorder is not None else [])]
        return next((thread for thread in every if not self.works(thread)), None)

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
