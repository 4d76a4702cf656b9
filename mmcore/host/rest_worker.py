"""The REST worker: everything cold that needs an answer from the exchange over HTTP.

It takes the engine's requests (snapshots, open orders, trades, balances, the clock), cancels while the order channel is
down, and jobs of the supervisor. Its results go into a ring of its own. Cancels come first.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from mmcore.core import loop as core_loop
from mmcore.core import record
from mmcore.core.engine import reason_text, reasons, state_name, text_of
from mmcore.core.feed import Feed as Decoder
from mmcore.core.kinds import EngineState, Kind, Operation, OrderState, RecordFlag
from mmcore.core.loop import Loop
from mmcore.errors import MmcoreError
from mmcore.exchange.base import AccountSnapshot, OpenOrder, OrderRequest, OwnTrade, SymbolError
from mmcore.exchange.binance.protocol import ClientId, ClockOffset, LimitedError, Sender, is_own
from mmcore.exchange.binance.rest import RestClient
from mmcore.host.clock import Clock
from mmcore.host.outcomes import side_number, to_record
from mmcore.host.rules import RulesWatch
from mmcore.host.worker import PartThread

_log = logging.getLogger("mmcore.rest")

_PARK_MAX_NS: Final = 200_000_000
_CLOCK_EVERY_NS: Final = 60_000_000_000
_CLOCK_AGAIN_NS: Final = 1_000_000_000
_HALTED_EVERY_NS: Final = 5_000_000_000
_CLOCK_SAMPLES: Final = 3
_RESYNC_SAMPLES: Final = 8
_JOBS_MAX: Final = 1024
_RUNNING: Final = (EngineState.SYNCING, EngineState.ACTIVE, EngineState.REDUCING)
_RETRY_S: Final = 0.3
_CONFIRM_S: Final = 1.0
_NAMES_MAX: Final = 4096
_START_READS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Run:
    """What this run trades, and what names its orders. dedicated: nothing else trades the symbol on this account."""

    symbol: str
    tag: str
    epoch: int
    dedicated: bool = False
    rules: RulesWatch | None = None
    """The rules the engine has; None: they are not watched."""


class RestWorker(PartThread):
    """Holder of the REST client and of the REST ring's producing end."""

    def __init__(self, loop: Loop, client: RestClient, decoder: Decoder, offset: ClockOffset, clock: Clock, run: Run,
                 on_state: Callable[[int, int], None], share_bans: Callable[[], None] | None = None) -> None:
        """on_state(state, verdict): told of each change of the engine's state. share_bans: called again and
        again, to keep what the exchange asked for and to learn of what it asked other bots for; None: nobody does."""
        super().__init__("rest")
        self._loop = loop
        self._client = client
        self._decoder = decoder
        self._offset = offset
        self._clock = clock
        self._run_names = run
        self._on_state = on_state
        self._share_bans = share_bans
        self._jobs: deque[Callable[[], None]] = deque()
        self._urgent: deque[Callable[[], None]] = deque()
        self._jobs_lock = threading.Lock()
        self._work = core_loop.new_record()
        self._clock_due_ns = 0
        self._names: dict[int, str] = {}
        self._first_trade_id = 0
        self._told_ban_ns = 0
        self._fee_assets = {loop.engine.config.fee_asset}
        self._unlisted: set[str] = set()
        self.trading = True
        self._halt_told = 0
        self._state = EngineState.INIT

    def wake(self) -> None:
        """Any thread."""
        self._loop.signal(core_loop.REST)

    def submit(self, job: Callable[[], None], urgent: bool) -> bool:
        """Puts a job into the queue, an urgent one in front of all others. False: no room. Any thread."""
        with self._jobs_lock:
            queue = self._urgent if urgent else self._jobs
            if len(queue) >= _JOBS_MAX:
                return False
            queue.append(job)
        self.wake()
        return True

    def leftover_name(self, exchange_id: int) -> str | None:
        """Client id of an own order that an openOrders read has shown. Any thread."""
        return self._names.get(exchange_id)

    def step(self) -> None:
        self._loop.wait(core_loop.REST, self._has_work, _PARK_MAX_NS)
        self.serve()

    def serve(self) -> None:
        self._run_jobs()
        while not self.stopping and self._loop.next_work(self._work):
            self._take_work(self._work)
            self._tell_ban()
            self._run_jobs()
        if self._clock.mono_ns() >= self._clock_due_ns:
            self._measure_clock()
        self._tell_ban()
        self._tell_counts()

    def deadline_ns(self) -> int:
        return 0 if self._has_work() else self._clock_due_ns

    def end(self) -> None:
        if self._share_bans is not None:
            self._share_bans()
        self._client.close()

    def _has_work(self) -> bool:
        return self.stopping or bool(self._jobs) or bool(self._urgent) or self._loop.pending(core_loop.REST)

    def _run_jobs(self) -> None:
        """As many as wait now: one that puts itself back does not keep the engine's requests waiting."""
        for _ in range(len(self._urgent) + len(self._jobs)):
            if self.stopping or not self._run_one_job():
                return

    def _run_one_job(self) -> bool:
        with self._jobs_lock:
            queue = self._urgent or self._jobs
            job = queue.popleft() if queue else None
        if job is None:
            return False
        job()
        return True

    def push(self, records: Any) -> None:
        """Into this worker's ring; waits for room, the engine takes it within moments. This thread only."""
        while not self._loop.push(core_loop.RING_REST, records):
            if self.stopping:
                return
            self._clock.sleep(0.001)

    # ---- the engine's requests

    def _take_work(self, work: Any) -> None:
        kind, body = Kind(work.kind), work.body.command
        token, value = int(body.command), int(body.value2)
        if kind is Kind.STATE:
            self._say_state(int(body.command), int(body.verdict))
            return
        asked: dict[Kind, Callable[[], None]] = {
            Kind.WANT_SNAPSHOT: lambda: self._snapshot(value),
            Kind.WANT_OPEN: lambda: self.read_open_orders(token),
            Kind.WANT_TRADES: lambda: self.read_trades(token, value),
            Kind.WANT_ACCOUNT: lambda: self.read_start(token) if value else self.read_account(token),
            Kind.WANT_CLOCK: self._resync_clock,
            Kind.WANT_RULES: self._read_rules,
            Kind.WANT_PRICE: lambda: self._price(work),
        }
        try:
            asked[kind]()
        except MmcoreError as error:
            # No answer is never taken for an empty one. The engine asks again after seconds; a stop cannot wait that
            # long.
            _log.warning("%s: %s", kind.name.removeprefix("WANT_").lower(), error)
            if kind is Kind.WANT_OPEN and not isinstance(error, LimitedError):
                self._clock.sleep(_RETRY_S)
                self.submit(lambda: self._retry_open_orders(token), False)

    def _retry_open_orders(self, token: int) -> None:
        """Once; an answer to a question that has been asked anew meanwhile is passed over by the engine."""
        try:
            self.read_open_orders(token)
        except MmcoreError as error:
            _log.warning("open: %s", error)

    def _tell_ban(self) -> None:
        """Whoever learned of a ban (a request, a handshake, another bot), the engine must know: it would go on planning
        what cannot be sent."""
        if self._share_bans is not None:
            self._share_bans()
        until_ns = self._client.banned_until_ns
        if until_ns > self._told_ban_ns:
            self._told_ban_ns = until_ns
            self.push(record.ban(until_ns, self._clock.mono_ns()))

    def _tell_counts(self) -> None:
        """What the exchange counts of our requests, whoever sent them: the engine plans by it."""
        counts = self._client.take_counts()
        if counts is not None:
            self.push(record.budget(dataclasses.asdict(counts), self._clock.mono_ns()))

    def _say_state(self, state: int, verdict: int) -> None:
        self._state = EngineState(state)
        why = reasons(verdict)
        _log.info("engine %s", ": ".join(filter(None, (state_name(state), ", ".join(why)))))
        if "BOOK_MISMATCH" in why:
            _log.warning("the book differed from the exchange's snapshot: it is built anew")
        if state == EngineState.HALTED:
            self._warn_halted(verdict)
        elif "LEDGER_MISMATCH" in why and state in _RUNNING:
            _log.warning("the account holds more or less than trades explain since its events were lost for a while: "
                         "taken for a deposit or a withdrawal, which counts as neither profit nor loss")
        elif "ACCOUNT_RESET" in why and state in _RUNNING:
            _log.warning("the account was reset by the exchange: its balances are taken as the new start")
        self._on_state(state, verdict)

    def _warn_halted(self, verdict: int) -> None:
        """Each reason once: while it is halted the market goes on and its reasons come and go."""
        verdict &= ~record.verdict("DISCONNECTED")  # ends by itself: never why it is halted
        verdict &= ~record.verdict("CREDENTIALS")  # ends the run, whose watch says so
        new = verdict & ~self._halt_told
        self._halt_told |= verdict
        texts = [reason_text(number) for number in range(new.bit_length()) if new >> number & 1]
        if texts:
            _log.warning("halted: %s", " ".join(texts))

    def _snapshot(self, levels: int) -> None:
        snapshot = self._client.depth(self._run_names.symbol, levels)
        for event in self._decoder.decode_events(snapshot.body, snapshot.received_ns):
            self.push(event)

    def read_account(self, token: int) -> None:
        """Pushes every balance, then the end mark."""
        self._push_account(self._client.account(), token)

    def _push_account(self, snapshot: AccountSnapshot, token: int) -> None:
        # A testnet account holds hundreds of assets; only these can change by this run's trading. The engine learns of
        # another from the fee that was paid in it, and asks what it costs: from then on it is read too.
        assets = self._loop.engine.config.assets | self._fee_assets
        self._tell_rules(lambda rules: rules.take_balances(snapshot.balances))
        for one in snapshot.balances:
            if one.asset in assets:
                self.push(record.balance(one.asset, one.free_e8, one.locked_e8, snapshot.update_time_ms * 1000))
        self.push(record.account_end(token))

    def read_start(self, token: int = 0) -> None:
        """What a run begins with, or goes on with after a reset of the account: pushes the balances, and trades up to
        them are history. Reads again when a trade came in between, of an order that an earlier run left: it would count
        twice, in the balances and as this run's. An account that never rests (ten reads) is taken as it is: what
        differs then is found by reconciliation."""
        self._names.clear()  # an exchange that has forgotten orders numbers new ones as it did those
        first_id = self._next_trade_id()
        for _ in range(_START_READS_MAX):
            snapshot = self._client.account()
            self._first_trade_id = self._next_trade_id()
            if self._first_trade_id == first_id:
                break
            first_id = self._first_trade_id
        self._push_account(snapshot, token)

    def _next_trade_id(self) -> int:
        trades = self._client.own_trades(self._run_names.symbol)
        return 1 + max((trade.trade_id for trade in trades), default=-1)

    def read_open_orders(self, token: int) -> None:
        """Pushes every open order, then the end mark. Beginning and stopping wait for it to know what to cancel; while
        trading it is a comparison, which our share of the weight may hold back."""
        sender = Sender.READ if self._state in _RUNNING else Sender.CANCEL
        for order in self._client.open_orders(self._run_names.symbol, sender=sender):
            self.push(self._open_row(order))
        self.push(record.open_end(token))

    def _open_row(self, order: OpenOrder) -> Any:
        seq, flags = self._seq_of(order.client_id)
        if not flags & RecordFlag.FOREIGN:
            self._remember(order.exchange_id, order.client_id)
        return record.report(
            Kind.OPEN_ROW, seq, exchange_id=order.exchange_id, status=OrderState.LIVE, flags=flags,
            side=side_number(order.side), price_e8=order.price_e8, qty_e8=order.qty_e8, executed_e8=order.executed_e8)

    def _remember(self, exchange_id: int, client_id: str) -> None:
        if len(self._names) >= _NAMES_MAX:
            self._names.pop(next(iter(self._names)))
        self._names[exchange_id] = client_id

    def _seq_of(self, client_id: str) -> tuple[int, int]:
        """This run's sequence number, or 0 and whose order it is."""
        parsed = ClientId.parse(client_id)
        if parsed is None or parsed.tag != self._run_names.tag:
            return 0, RecordFlag.FOREIGN
        if parsed.epoch != self._run_names.epoch:
            return 0, RecordFlag.OLD_RUN if parsed.epoch < self._run_names.epoch else RecordFlag.NEW_RUN
        return parsed.sequence, 0

    def read_trades(self, token: int, from_id: int) -> None:
        """Pushes the account's trades from `from_id` on, but none from before this run, then the end mark."""
        first = max(from_id, self._first_trade_id)
        for trade in self._client.own_trades_from(self._run_names.symbol, first):
            self.push(self._trade_row(trade))
        self.push(record.trades_end(token))

    def _trade_row(self, trade: OwnTrade) -> Any:
        """A trade names its order by the exchange's id only: whose it is, the order's client id tells."""
        name = self._names.get(trade.exchange_id)
        if name is None:
            name = self._client.client_id_of(self._run_names.symbol, trade.exchange_id)
            self._remember(trade.exchange_id, name)
        seq, flags = self._seq_of(name)
        return record.trade_row(
            seq, flags=flags | (RecordFlag.MAKER if trade.maker else 0), side=side_number(trade.side),
            exchange_id=trade.exchange_id, trade_id=trade.trade_id, price_e8=trade.price_e8, qty_e8=trade.qty_e8,
            quote_e8=trade.quote_e8, fee_e8=trade.fee_e8, fee_asset=trade.fee_asset, time_us=trade.time_ms * 1000)

    def _price(self, work: Any) -> None:
        """Of an asset fees are paid in, told even when there is none: then they count nothing, and that is said."""
        config, asset = self._loop.engine.config, text_of(work.body.balance.asset)
        self._fee_assets.add(asset)
        if asset in self._unlisted:
            return
        try:
            price_e8 = self._client.mid_price(asset + config.quote)
        except SymbolError as error:
            _log.warning("fees paid in %s count 0 in profit and loss: %s", asset, error)
            self._unlisted.add(asset)
            return
        if price_e8 > 0:  # else the last one holds
            self.push(record.price(asset, price_e8))
            self._tell_rules(lambda rules: rules.take_price(asset, price_e8))

    def _tell_rules(self, look: Callable[[RulesWatch], Any | None]) -> None:
        news = look(self._run_names.rules) if self._run_names.rules is not None else None
        if news is not None:
            self.push(news)

    def _resync_clock(self) -> None:
        """The exchange says that the time is wrong: what was known of it counts no longer."""
        self._offset.reset()
        self._measure_clock(_RESYNC_SAMPLES)

    def _measure_clock(self, samples: int = _CLOCK_SAMPLES) -> None:
        self._clock_due_ns = self._clock.mono_ns() + _CLOCK_EVERY_NS
        try:
            for _ in range(samples):
                self._client.server_time()
            self._check_symbol()
            if not self.trading:
                self._clock_due_ns = self._clock.mono_ns() + _HALTED_EVERY_NS
        except MmcoreError as error:
            self._clock_due_ns = self._clock.mono_ns() + _CLOCK_AGAIN_NS
            if isinstance(error, LimitedError):
                self._clock_due_ns = max(self._clock_due_ns, error.until_ns)
            _log.warning("server time: %s", error)
        if self._offset.known:
            now_ns = self._clock.mono_ns()
            self.push(record.clock(self._offset.offset_ns, self._offset.round_trip_ns, now_ns))
            ahead_ns = self._offset.offset_ns + now_ns - self._clock.epoch_ns()
            _log.log(logging.INFO if samples == _RESYNC_SAMPLES else logging.DEBUG,
                     "the exchange's clock is %+.1f ms from this machine's, within %.1f ms; round trip %.1f ms",
                     ahead_ns / 1e6, self._offset.error_ns(now_ns) / 1e6, self._offset.round_trip_ns / 1e6)

    def _read_rules(self) -> None:
        """Once more soon if it fails."""
        try:
            self._check_symbol()
        except MmcoreError:
            self._clock_due_ns = min(self._clock_due_ns, self._clock.mono_ns() + _CLOCK_EVERY_NS // 60)
            raise

    def _check_symbol(self) -> None:
        try:
            rules = self._client.exchange_info(self._run_names.symbol).rules(self._run_names.symbol)
        except SymbolError as error:  # taken off the list, or of numbers nobody can count here
            trading, why = False, str(error)
        else:
            trading, why = rules.refusal() is None, f"{rules.symbol} is {rules.status}"
            self._tell_rules(lambda watch: watch.take_rules(rules))
        if trading != self.trading:
            _log.warning("%s", f"{self._run_names.symbol} is trading again" if trading else why)
        self.trading = trading
        self.push(record.symbol(trading, self._clock.mono_ns()))

    def resync_clock(self) -> None:
        """Measures the exchange's clock soon. Any thread."""
        self.submit(self._resync_clock, True)

    # ---- cancels without the order channel

    def cancel(self, request: OrderRequest, operation: Operation, order_seq: int) -> bool:
        """Cancels or queries an order; the answer comes as a record. False: no room. Any thread."""
        return self.submit(lambda: self._cancel_now(request, operation, order_seq), True)

    def _cancel_now(self, request: OrderRequest, operation: Operation, order_seq: int) -> None:
        call = self._client.cancel_order if operation is Operation.CANCEL else self._client.query_order

        def sent(sent_ns: int) -> None:
            self.push(record.outcome(Kind.SENT, order_seq, operation, sent_ns))

        response = call(request, sent)
        self.push(to_record(response, operation, order_seq, self._clock.mono_ns()))

    def _is_to_cancel(self, client_id: str) -> bool:
        """Own orders of this run and earlier ones; those of a later run are that run's."""
        return is_own(client_id, self._run_names.tag) and not self._seq_of(client_id)[1] & RecordFlag.NEW_RUN

    def cancel_everything(self, until_ns: int) -> list[str]:
        """For when the engine cannot: cancels every own open order until none is left in two reads a second apart.

        Returns the client ids that are not confirmed gone at until_ns. Jobs that wait are forgotten: an order among
        them would come after the last look. This thread only.
        """
        with self._jobs_lock:
            self._jobs.clear()
        left: list[str] = ["unknown: the exchange did not answer"]
        empty_reads = 0
        if self._run_names.dedicated:
            self._client.cancel_all(self._run_names.symbol)
        while empty_reads < 2 and self._clock.mono_ns() < until_ns:
            try:
                rows = [row for row in self._client.open_orders(self._run_names.symbol, sender=Sender.CANCEL)
                        if self._is_to_cancel(row.client_id)]
            except MmcoreError as error:
                _log.warning("open orders: %s", error)
                self._clock.sleep(_CONFIRM_S / 4)
                continue
            left = [row.client_id for row in rows]
            empty_reads = 0 if rows else empty_reads + 1
            for row in rows:
                self._client.cancel_order(OrderRequest(row.client_id, row.symbol, row.side, row.price_e8, row.qty_e8,
                                                       row.exchange_id))
            if empty_reads < 2:
                self._clock.sleep(_CONFIRM_S)
        return left if empty_reads < 2 else []
