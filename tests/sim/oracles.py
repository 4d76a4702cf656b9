"""What must hold whatever goes wrong, judged from the exchange's side, with a look into the engine's memory.

N1 no order of ours rests on the exchange that the engine does not hold, and none is left after the end. N2 no client id
is accepted twice. N3 balances, position and fills are equal to the atom. N4 an order is sent on a true and fresh book
only. N5 position and open orders keep to the limit at the exchange at every moment. N6 nothing is sent while the
exchange has asked for silence. N7 no order is sent once the bot has halted, and in calm none is refused by a filter or
rests off the symbol's steps.

A wipe of the account ends what fills and position were; what holds after it is that nothing is left behind, that no id
comes again, and that balances are equal where the bot went on.
"""

from __future__ import annotations

import re
from collections import deque
from decimal import Decimal
from typing import Final

from mmcore._native import ffi, lib
from mmcore.config import Settings
from mmcore.core.engine import EngineStatus, reasons, state_name
from mmcore.core.kinds import EngineState, OrderState
from mmcore.exchange.binance.protocol import ClientId
from mmcore.venue.accounts import OPEN_STATUSES, Order
from mmcore.venue.market import Side
from mmcore.venue.matching import LevelChange
from tests.sim.bot_side import BotRun, SimBot
from tests.sim.exchange_side import ExchangeSide
from tests.sim.network import Frames
from tests.sim.timeline import NS_PER_MS, NS_PER_S, Timeline

_TOP: Final = 10
_PING_NS: Final = NS_PER_S
# A window of the stream, a bookTicker that is ahead for a while, and what the bot needs to see it.
_FRESH_SLACK_NS: Final = 400 * NS_PER_MS
_REFUSAL: Final = re.compile(
    rb'"status":(429|418),"error":\{"code":(-\d+).*?"serverTime":(\d+),"retryAfter":(\d+)'
)
_QUOTES: Final = re.compile(rb'"method":"order\.(?:place|cancelReplace)"')
_HOLDER: Final = 5
_NEWS_NS: Final = 60 * NS_PER_S


class Witness:
    """The book as the matching engine made it, change by change, rolled forward to the update id asked for. It has no
    code of the bot's, nor of the streams."""

    def __init__(self, side: ExchangeSide, timeline: Timeline) -> None:
        last_id, bids, asks = side.market.depth(1_000_000)
        self._timeline = timeline
        self._at_id = last_id
        self._sides: tuple[dict[int, int], dict[int, int]] = (dict(bids), dict(asks))
        self._waiting: deque[tuple[LevelChange, int]] = deque()
        engine = side.market._engine
        drain = engine.drain_level_changes

        def drained() -> list[LevelChange]:
            changes = drain()
            self._waiting.extend((change, timeline.now_ns) for change in changes)
            return changes

        engine.drain_level_changes = drained  # type: ignore[method-assign]

    def roll_to(self, update_id: int) -> int | None:
        """Applies the changes up to that id. Returns when the first change after it was made, the present if none was;
        None when the id lies behind, before a change that was asked for already."""
        waiting = self._waiting
        while waiting and waiting[0][0].update_id <= update_id:
            change, _ = waiting.popleft()
            book = self._sides[0 if change.side is Side.BUY else 1]
            if change.qty_e8:
                book[change.price_e8] = change.qty_e8
            else:
                book.pop(change.price_e8, None)
            self._at_id = change.update_id
        if self._at_id != update_id:
            return None
        return waiting[0][1] if waiting else self._timeline.now_ns

    def differs(self, side: int, levels: list[tuple[int, int]]) -> str:
        """How the best levels differ from these; "" if they do not."""
        book = self._sides[side]
        for price_e8, qty_e8 in levels:
            if book.get(price_e8, 0) != qty_e8:
                return f"level {price_e8}: {qty_e8} instead of {book.get(price_e8, 0)}"
        if levels:
            worst = levels[-1][0]
            better = sum(1 for price in book if (price >= worst if side == 0 else price <= worst))
            if better != len(levels):
                return f"{better} levels up to {worst} instead of {len(levels)}"
        return ""


class Oracles:
    """Collects violations; an empty list at the end is the proof. Implements `network.Tap` for what the bot sends."""

    def __init__(self, timeline: Timeline, side: ExchangeSide, settings: Settings) -> None:
        self.violations: list[str] = []
        self.checked = {"orders": 0, "books": 0, "samples": 0, "refusals": 0}
        self._timeline = timeline
        self._side = side
        self._settings = settings
        self._witness = Witness(side, timeline)
        self._run: BotRun | None = None
        self._epoch = 0
        self._fills_read = 0
        self._traded_e8 = 0
        self._others: deque[tuple[int, int]] = deque([(0, 0)])
        self._frames = Frames()
        self._silent_until_ns = 0
        self._seen = (0, 0)
        self._names: set[str] = set()
        self._wipes = 0
        self._carried_e8 = 0
        self.was_wiped = False
        """The account was wiped during this run of the bot."""
        self.was_traceless = False
        """At the last wipe there was nothing by which the bot could tell it from money that is gone."""
        self.is_calm = False
        """Long enough after the last fault."""
        self._status = ffi.new("mm_engine_status *")
        self._levels = ffi.new("mm_level[]", _TOP)

    def blame(self, oracle: str, text: str) -> None:
        """Notes a violation."""
        if len(self.violations) < 20:
            self.violations.append(f"{oracle} at {self._timeline.now_ns / NS_PER_S:.3f} s: {text}")

    # ---- runs of the bot

    def begin(self, run: BotRun) -> None:
        """A run of the bot begins: its limits count from its own start."""
        self._run = run
        self._epoch = 0
        self._silent_until_ns = 0  # of another process: it knows nothing of what the last one was told
        self._fills_read = len(self._side.account.fills)
        self._traded_e8 = self._carried_e8 = 0
        self._others = deque([(0, 0)])
        self.was_wiped = self.was_traceless = False

    def _note_wipe(self) -> None:
        """Fills, balances and orders are those of the beginning; ids begin anew."""
        self._wipes = len(self._side.exchange.archive)
        self._carried_e8 += self._traded_e8
        self._traded_e8 = self._fills_read = 0
        self._seen = (0, 0)
        self.was_wiped = self._run is not None
        self.was_traceless = not self._left_a_trace()

    def _left_a_trace(self) -> bool:
        """An order of this run rested when the account was wiped, or had traded."""
        bot = self._bot()
        (gone,) = self._side.exchange.archive[-1]["accounts"]
        for order in gone["orders"] if bot is not None else ():
            parsed = ClientId.parse((*order["amended_from"], order["client_order_id"])[0])
            is_trace = order["status"] in OPEN_STATUSES or Decimal(order["executed"]) > 0
            if is_trace and parsed is not None and parsed.epoch == bot.known.epoch:
                return True
        return False

    def _position_e8(self) -> int:
        """What the bot's trades of this run, since a wipe if there was one, come to: bought less sold less what was
        paid in the base asset."""
        bot = self._bot()
        assert bot is not None
        fills = self._side.account.fills
        for fill in fills[self._fills_read :]:
            change_e8 = fill.qty_e8 if fill.side is Side.BUY else -fill.qty_e8
            change_e8 -= fill.commission_e8 if fill.commission_asset == "BTC" else 0
            if self._is_of_run(fill.order_id, bot.known.epoch):
                self._traded_e8 += change_e8
            else:
                self._others.append((self._timeline.now_ns, self._others[-1][1] + change_e8))
        self._fills_read = len(fills)
        return self._traded_e8

    def _others_e8(self) -> set[int]:
        """What others traded on the account since the run began, as the bot may know it: the limits are about what is
        held, and news of a trade that is not its own may have to come by a read."""
        while len(self._others) > 1 and self._others[1][0] < self._timeline.now_ns - _NEWS_NS:
            self._others.popleft()
        return {change_e8 for _, change_e8 in self._others}

    def _latency_ns(self) -> int:
        return self._run.latency_max_ns if self._run is not None else 0

    def _bot(self) -> SimBot | None:
        return self._run.bot if self._run is not None else None

    # ---- what the bot sends and reads

    def sent(self, name: str, data: bytes) -> None:
        if name == "rest":
            self._judge_silence(data[:60])
            if data.startswith((b"POST /api/v3/order", b"PUT /api/v3/order")):
                self._judge_state()
            return
        if name != "orders-connect":
            return
        if not data:
            self._judge_silence(b"a connect")
        for opcode, payload in self._frames.feed(data):
            if opcode == 1:
                self._judge_silence(payload[:60])
                if _QUOTES.search(payload):
                    self._judge_book()
                    self._judge_state()

    def read(self, name: str, data: bytes) -> None:
        if name == "rest" and data[:3] in (b"429", b"418") and b"-1015" not in data:
            self.silence_until(self._timeline.now_ns + int(data.split(b" ", 2)[1]) * NS_PER_S)
        if self.is_calm and name in ("rest", "orders-connect") and b'"code":-1013' in data:
            self.blame("N7", f"refused by a filter: {data[-200:]!r}")
        refusal = _REFUSAL.search(data) if b'"status":4' in data else None
        if refusal is not None and refusal[2] != b"-1015":
            # By the exchange's clock, and never for longer than it says from its answer on: that clock may be stepped,
            # and the answer may have been held up.
            wait_ns = (int(refusal[4]) - int(refusal[3])) * NS_PER_MS
            end_ns = self._side.clock.ns_of(int(refusal[4]) * 1000 - self._side.exchange.offset_us)
            self.silence_until(min(self._timeline.now_ns + wait_ns, end_ns))

    def silence_until(self, time_ns: int) -> None:
        """The bot has just been told to be silent until then."""
        self.checked["refusals"] += 1
        self._silent_until_ns = max(self._silent_until_ns, time_ns)

    def _judge_silence(self, what: bytes) -> None:
        # The answer was on its way for a while, and the bot knows the exchange's time to some milliseconds.
        if self._timeline.now_ns < self._silent_until_ns - 50 * NS_PER_MS - 2 * self._latency_ns():
            self.blame("N6", f"sent {what!r} while silence was asked for")

    def _judge_state(self) -> None:
        """An order leaves: the engine must not have halted. What it decided before that leaves in the same moment."""
        bot = self._bot()
        assert bot is not None
        lib.mm_engine_read(bot.engine.raw, self._status)
        if self._status.state in (EngineState.HALTED, EngineState.KILLED):
            self.blame("N7", f"an order of a bot that is {state_name(self._status.state)}")

    def _judge_book(self) -> None:
        """An order leaves: the engine's book must be true, and its news not older than what staleness allows."""
        bot = self._bot()
        assert bot is not None
        self.checked["orders"] += 1
        raw = bot.engine.raw
        lib.mm_engine_read(raw, self._status)
        next_ns = self._witness.roll_to(int(self._status.last_update_id))
        if next_ns is None:
            return
        self.checked["books"] += 1
        for side in (0, 1):
            count = lib.mm_book_depth(lib.mm_engine_book(raw), side, _TOP, self._levels)
            levels = [(int(one.price_e8), int(one.qty_e8)) for one in self._levels[0:count]]
            wrong = self._witness.differs(side, levels)
            if wrong:
                self.blame("N4", f"{'asks' if side else 'bids'} at id {self._status.last_update_id}: {wrong}")
        age_ns = self._timeline.now_ns - next_ns
        allowed_ns = self._settings.risk.stale_book_ms * NS_PER_MS + _PING_NS + 2 * self._latency_ns() + _FRESH_SLACK_NS
        if age_ns > allowed_ns:
            self.blame("N4", f"an order on a book that is {age_ns / NS_PER_MS:.0f} ms behind")

    # ---- what happens at the exchange

    def changed(self) -> None:
        """Orders or balances may have changed there."""
        account = self._side.account
        if len(self._side.exchange.archive) > self._wipes:
            self._note_wipe()
        seen = (len(account.orders), len(account.fills))
        if seen == self._seen:
            return
        if len(account.orders) > self._seen[0]:
            self._judge_new_order(next(reversed(account.orders.values())))
        self._seen = seen
        self._judge_limits()

    def _judge_new_order(self, order: Order) -> None:
        if self._side.account.by_client_id.get(order.client_id) is not order or order.client_id in self._names:
            self.blame("N2", f"{order.client_id} was accepted twice")
        self._names.add(order.client_id)
        same = sum(1 for one in self._side.account.orders.values() if one.client_id == order.client_id)
        if same > 1:
            self.blame("N2", f"{order.client_id} was accepted {same} times")

    def _judge_limits(self) -> None:
        if self._bot() is None:
            return
        position_e8 = self._position_e8()
        limit_e8 = self._settings.risk.position_max_e8
        left = {Side.BUY: 0, Side.SELL: 0}
        for order in self._side.account.open_orders.values():
            left[order.side] += order.remaining_e8
        # Until the bot has seen a wipe, what it bought before counts for it; what filled in between counts for nobody.
        known_e8 = {position_e8 + carried_e8 + others_e8
                    for carried_e8 in (0, self._carried_e8) for others_e8 in self._others_e8()}
        if self.was_wiped:
            limit_e8 += 2 * self._settings.strategy.layers * self._settings.strategy.order_qty_e8
        buys, sells = left[Side.BUY], left[Side.SELL]
        # What others did may go beyond any limit: no order of the bot's may add to it.
        if all((buys and one + buys > limit_e8) or (sells and one - sells < -limit_e8) for one in known_e8):
            self.blame("N5", f"position {position_e8}, open {buys} / {sells}, limit {limit_e8}")

    # ---- samples

    def own_open(self) -> list[Order]:
        """Orders of any run of the bot that rest on the exchange."""
        return [order for order in self._side.account.open_orders.values()
                if ClientId.parse(order.client_id) is not None]

    def sample(self) -> None:
        """At any moment: each own resting order of this run is one the engine holds."""
        bot = self._bot()
        if bot is None:
            return
        self.checked["samples"] += 1
        held = {order.seq for order in bot.engine.orders()}
        for order in self.own_open():
            parsed = ClientId.parse(order.client_id)
            assert parsed is not None
            if parsed.epoch == bot.known.epoch and parsed.sequence not in held:
                self.blame("N1", f"{order.client_id} rests and the engine does not hold it")

    def sample_calm(self) -> None:
        """Long after the last fault: nothing of earlier runs rests, and the engine holds nothing that does not."""
        bot = self._bot()
        if bot is None:
            return
        now_us = self._side.exchange.server_us()
        rules = self._side.exchange.rules
        for order in self.own_open():
            if order.price_e8 % rules.tick_e8 or order.qty_e8 % rules.step_e8:
                self.blame("N7", f"{order.client_id} rests off the steps: {order.qty_e8} at {order.price_e8}")
        resting = {ClientId.parse(order.client_id) for order in self.own_open()}
        for parsed in resting:
            if parsed is not None and parsed.epoch != bot.known.epoch:
                self.blame("N1", f"{parsed} of an earlier run rests")
        recent = {order.client_id for order in self._side.account.orders.values()
                  if now_us - max(order.placed_us, order.ended_us) < 5_000_000}
        names = {str(parsed) for parsed in resting}
        for order in bot.engine.orders():
            name = bot.names.client_id(order.seq, order.side, order.layer)
            known = self._side.account.by_client_id.get(name)
            if name not in names and name not in recent and known is not None:
                self.blame("N1", f"the engine holds {name}, which is {known.status}")
            elif known is None and order.state == OrderState.LIVE:
                self.blame("N1", f"the engine holds {name}, of which the exchange knows nothing")

    def status(self) -> EngineStatus:
        """The engine's own words."""
        bot = self._bot()
        assert bot is not None
        return bot.loop.status(_HOLDER)

    # ---- the end of a run

    def judge_end(self, *, left: tuple[str, ...], began: bool, reached: bool, accepts_reset: bool) -> None:
        """After a run of the bot has stopped in order. reached: it still heard what others did on the account.
        accepts_reset: a wiped account does not halt it."""
        bot = self._bot()
        assert bot is not None
        resting = [order.client_id for order in self.own_open()]
        if resting and not left:
            self.blame("N1", f"after the stop there rest {resting}")
        if left or not began:
            return
        if not self.was_wiped:
            self._judge_trades(bot)
        elif not accepts_reset:
            return  # it has halted, or had no time to
        for asset, (free_e8, locked_e8) in bot.engine.balances().items() if reached else ():
            there = self._side.account.balance(asset)
            if (free_e8, locked_e8) != (there.free_e8, there.locked_e8):
                self.blame("N3", f"{asset}: {free_e8} + {locked_e8} in the engine, "
                                 f"{there.free_e8} + {there.locked_e8} at the exchange")

    def _judge_trades(self, bot: SimBot) -> None:
        status = self.status()
        fills = [fill for fill in self._side.account.fills if self._is_of_run(fill.order_id, bot.known.epoch)]
        if status.fills != len(fills):
            self.blame("N3", f"{status.fills} fills in the engine, {len(fills)} at the exchange")
        position_e8 = self._position_e8()
        if status.position_e8 != position_e8:
            self.blame("N3", f"position {status.position_e8} in the engine, {position_e8} at the exchange")

    def _is_of_run(self, order_id: int, epoch: int) -> bool:
        parsed = ClientId.parse(self._side.account.orders[order_id].client_id)
        return parsed is not None and parsed.epoch == epoch

    def describe(self) -> str:
        """State and reasons, for the report of a run that does not quote."""
        status = self.status()
        return (f"{state_name(status.state)}, {reasons(status.verdict)}, bid {reasons(status.bid_verdict)}, "
                f"ask {reasons(status.ask_verdict)}")
