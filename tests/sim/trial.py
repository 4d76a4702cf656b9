"""One trial: a seed makes an exchange, a network, a bot and a plan of faults, and they live for some virtual time."""

from __future__ import annotations

import hashlib
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from mmcore.config import (
    ExchangeSettings,
    MarketData,
    Mode,
    OrderEntry,
    RiskSettings,
    RunOptions,
    Settings,
    StrategySettings,
)
from mmcore.core.engine import reasons
from mmcore.core.kinds import EngineState
from mmcore.errors import ExitCode, MmcoreError
from mmcore.exchange.binance.signing import Ed25519Signer, HmacSigner
from mmcore.host.bot import Keys
from mmcore.host.watch import End
from mmcore.telemetry.summary import ExitReason
from mmcore.units import E8
from mmcore.venue.accounts import Order
from mmcore.venue.limits import DEFAULT_LIMITS
from mmcore.venue.market import Side
from mmcore.venue.rest import RestReply
from mmcore.venue.signing import ApiKey, ed25519_key, hmac_key
from tests.sim.bot_side import URL, BotRun, KilledError, RestConditions, SimHttp
from tests.sim.exchange_side import ACCOUNT, ExchangeSide
from tests.sim.network import Road, SimConnector, split_latency
from tests.sim.oracles import Oracles
from tests.sim.plan import KINDS, NETWORK_KINDS, Fault, draw_kinds, draw_plan, exchange_faults
from tests.sim.timeline import NS_PER_MS, NS_PER_S, HostClock, Timeline, VenueClock

_EPOCH_S: Final = 1_780_000_000
_API_KEY: Final = "k" * 64
_SECRET: Final = "s" * 64
_CALM_NS: Final = 75 * NS_PER_S
_RECOVERED_NS: Final = 45 * NS_PER_S
_SETTLE_NS: Final = 60 * NS_PER_S
# A ban may last longer than the trial.
_ENDS_WELL: Final = ("duration", *(f"never began: the exchange cannot be reached: {limit}" for limit in (
    "the exchange asks to wait: ", "not sent: limits forbid it")))
_SAMPLE_NS: Final = NS_PER_S
# Reasons for which one side may stay empty though nothing is wrong.
_BUSINESS: Final = frozenset({"POSITION_LIMIT", "REDUCING", "NO_BALANCE", "COLLAR_ORDER", "COLLAR_PERIOD",
                              "STRATEGY_PASS", "OPEN_NOTIONAL"})


_RESET: Final = frozenset({"ACCOUNT_RESET", "LEDGER_MISMATCH"})


@dataclass(frozen=True, slots=True)
class Knobs:
    """What a trial is besides its seed. None: drawn from the seed."""

    minutes: float = 15.0
    kinds: tuple[str, ...] | None = None
    gap_s: float | None = None
    pace: int = 40
    weight: int | None = None


@dataclass(slots=True)
class Result:
    """What came of a trial."""

    seed: int
    violations: list[str]
    digest: str
    virtual_s: float
    faults: Counter[str]
    runs: list[str]
    counts: dict[str, int] = field(default_factory=dict)


class _Tap:
    """What crosses the bot's edge of the network: into the digest, and past the oracles."""

    def __init__(self, timeline: Timeline) -> None:
        self.hash = hashlib.blake2b(digest_size=16)
        self.oracles: Oracles | None = None
        self._timeline = timeline

    def sent(self, name: str, data: bytes) -> None:
        # A client's frames are masked at random; the exchange's side hashes what stands in them.
        self.hash.update(b"%d>%s%d" % (self._timeline.now_ns, name.encode(), len(data)))
        if self.oracles is not None:
            self.oracles.sent(name, data)

    def read(self, name: str, data: bytes) -> None:
        self.hash.update(b"%d<%s" % (self._timeline.now_ns, name.encode()))
        self.hash.update(data)
        if self.oracles is not None:
            self.oracles.read(name, data)


class Trial:
    """Everything of one seed, on one timeline, in one thread."""

    def __init__(self, seed: int, knobs: Knobs) -> None:
        self.seed = seed
        self.knobs = knobs
        self.rng = random.Random(f"{seed}:trial")
        self.timeline = Timeline(1_000 * NS_PER_S)
        self.began_ns = self.timeline.now_ns
        self.ends_ns = self.began_ns + int(knobs.minutes * 60 * NS_PER_S)
        drift_ppm = self.rng.randint(-80, 80)
        offset_us = _EPOCH_S * 1_000_000 + self.rng.randint(-3_000_000, 3_000_000)
        self.clock = HostClock(self.timeline, _EPOCH_S * NS_PER_S, self.run_until)
        self.uses_ed25519 = self.rng.random() < 0.3
        self.settings = _settings(self.rng, sbe=self.uses_ed25519 and self.rng.random() < 0.5)
        self.options = RunOptions(accept_reset=random.Random(f"{seed}:reset").random() < 0.5)
        keys = _api_key(self.uses_ed25519)
        per_minute = knobs.weight if knobs.weight is not None else self.rng.choice((6000, 6000, 6000, 2000))
        limits = replace(DEFAULT_LIMITS, weight=replace(DEFAULT_LIMITS.weight, limit=per_minute))
        self.side = ExchangeSide(seed, VenueClock(self.timeline, offset_us, drift_ppm), [keys], pace=knobs.pace,
                                 maker_rate_e8=self.rng.choice((0, 100_000, 75_000)), limits=limits)
        self.tap = _Tap(self.timeline)
        latency = split_latency(self.rng)
        self.roads = {name: Road(self.timeline, random.Random(f"{seed}:{name}"), latency)
                      for name in ("market", "order")}
        self.rest_conditions = RestConditions()
        self.latency = latency
        self.oracles = Oracles(self.timeline, self.side, self.settings)
        self.tap.oracles = self.oracles
        self.side.after_change = self.oracles.changed
        self.run: BotRun | None = None
        self.runs: list[str] = []
        self.faults: Counter[str] = Counter()
        self.is_killed = False
        self.steps = 0

    # ---- time

    def step(self) -> None:
        """The next thing that happens, and what the bot makes of it."""
        run = self.run
        self.steps += 1
        due_ns = self.side.next_due_ns()
        self.timeline.advance(min(run.deadline_ns() if run is not None else self.ends_ns, due_ns))
        if self.timeline.now_ns >= due_ns:
            self.side.advance()
        if self.is_killed:
            self.is_killed = False
            raise KilledError
        if run is not None:
            run.serve()

    def run_until(self, time_ns: int) -> None:
        """Lets the world go on until then."""
        self.timeline.at(time_ns, lambda: None)
        while self.timeline.now_ns < time_ns:
            self.step()

    # ---- faults

    def strike(self, fault: Fault) -> None:
        """A fault begins."""
        self.faults[fault.kind] += 1
        kind, until_ns = fault.kind, fault.until_ns
        if kind == "killed":
            self.is_killed = self.run is not None and self.run.bot is not None
        elif kind == "wall_clock_step":
            self.clock.wall_offset_ns += self.rng.randint(-3600, 3600) * NS_PER_S
        elif kind.startswith("rest_"):
            self.rest_conditions.mode, self.rest_conditions.until_ns = kind, until_ns
        elif kind in ("outage", "long_outage"):
            for road in self.roads.values():
                road.unanswered_until_ns = max(road.unanswered_until_ns, until_ns)
                road.hold(until_ns, up=True, down=True)
            self.rest_conditions.mode, self.rest_conditions.until_ns = "rest_lost_before", until_ns
        else:
            name, _, what = kind.partition("_")
            _strike_road(self.roads[name], what, until_ns)

    # ---- the bot

    def _make_run(self) -> BotRun:
        number = len(self.runs)
        rng = random.Random(f"{self.seed}:bot:{number}")
        http = SimHttp(self.timeline, random.Random(f"{self.seed}:rest:{number}"), self.latency, self.rest_conditions,
                       self, self.tap, self.step)

        def connector(name: str, arrived: Callable[[], None]) -> SimConnector:
            road = self.roads["market" if name.startswith("feed") else "order"]
            return SimConnector(road, self.side, self.tap, name, arrived)

        run = BotRun(self.timeline, self.clock, self.settings, _keys(self.uses_ed25519), http, connector, rng,
                     self.options, self.ends_ns)
        run.latency_max_ns = self.latency.base_ns + 10 * self.latency.jitter_ns
        return run

    def on_request(self, method: str, target: str, api_key: str | None) -> RestReply | None:
        return self.side.on_request(method, target, api_key)

    def _one_run(self) -> None:
        """The bot from its start to its end, or until it is killed or refused."""
        run = self.run = self._make_run()
        self.oracles.begin(run)
        try:
            run.begin()
            while not run.is_over:
                self.step()
            end = run.finish()
        except KilledError:
            self.runs.append("killed")
            for road in self.roads.values():
                road.reset_all()
            self.run = None
            return
        except MmcoreError as error:
            self.runs.append(f"never began: {error}")
            self.run = None
            # A new process knows nothing of a ban: who starts it waits for the end, or makes it longer and longer.
            self.run_until(min(max(run.banned_until_ns, self.timeline.now_ns), self.ends_ns))
            return
        self._judge(run, end)
        self.run = None

    def _judge(self, run: BotRun, end: End) -> None:
        began = run.watch is not None and run.watch.began
        self.runs.append(f"{end.reason}{' left ' + '; '.join(end.left) if end.left else ''}")
        in_order = end.reason is ExitReason.DURATION and self.timeline.now_ns >= self.ends_ns
        if end.reason is ExitReason.RISK and self._halts_rightly():
            self.runs[-1] += " after a wipe"
        elif end.reason in (ExitReason.ERROR, ExitReason.KILL, ExitReason.RISK, ExitReason.CREDENTIALS):
            self.oracles.blame("run", f"ended by {end.reason}: {self.oracles.describe()}")
        if end.left and in_order:
            self.oracles.blame("run", f"left behind in calm: {end.left}")
        if ExitCode.INTERNAL in end.codes:
            self.oracles.blame("run", "an internal error")
        self.oracles.judge_end(left=end.left, began=began, reached=end.reason is not ExitReason.UNREACHABLE,
                               accepts_reset=self.options.accept_reset)

    def _halts_rightly(self) -> bool:
        """An account that was reset is nothing to trade on, unless that was allowed beforehand, and it can be told."""
        found = set(reasons(self.oracles.status().verdict))
        if self.options.accept_reset:
            return self.oracles.was_traceless and "LEDGER_MISMATCH" in found
        return self.oracles.was_wiped and bool(_RESET & found)

    def _operate(self) -> None:
        """Whoever looks after the bot ends a run that has halted because of a wipe; another one begins."""
        run = self.run
        assert run is not None
        assert run.bot is not None
        if run.bot.state is EngineState.HALTED and run.stop.count == 0 and self._halts_rightly():
            run.stop.on_signal(signal.SIGTERM, None)

    # ---- the whole

    def go(self) -> Result:
        """Lives through it."""
        calm_ns = max(self.ends_ns - _CALM_NS, self.began_ns)
        kinds = self.knobs.kinds if self.knobs.kinds is not None else draw_kinds(self.rng)
        gap_s = self.knobs.gap_s if self.knobs.gap_s is not None else self.rng.choice((5.0, 15.0, 40.0))
        assert set(kinds) <= set(KINDS), f"unknown kinds: {set(kinds) - set(KINDS)}"
        self.side.arm(self.seed, exchange_faults(self.seed, sorted(set(kinds) - set(NETWORK_KINDS)),
                                                 calm_ns - self.began_ns, gap_s))
        network = set(kinds) & set(NETWORK_KINDS)
        for fault in draw_plan(self.rng, network, self.began_ns + 5 * NS_PER_S, calm_ns, gap_s):
            self.timeline.at(fault.at_ns, lambda fault=fault: self.strike(fault))
        self._schedule_raids()
        self._schedule_samples(calm_ns + _RECOVERED_NS)
        while self.timeline.now_ns < self.ends_ns:
            self._one_run()
            if self.timeline.now_ns < self.ends_ns:
                self.run_until(min(self.timeline.now_ns + int(self.rng.uniform(0.5, 8.0) * NS_PER_S), self.ends_ns))
        self._judge_afterwards()
        self.faults.update(strike.kind for strike in self.side.exchange.faults.strikes)
        counts = {**self.oracles.checked, **self.side.totals(), "steps": self.steps}
        return Result(self.seed, self.oracles.violations, self.tap.hash.hexdigest(),
                      (self.timeline.now_ns - self.began_ns) / NS_PER_S, self.faults, self.runs, counts)

    def _judge_afterwards(self) -> None:
        if not self.runs[-1].startswith(_ENDS_WELL):
            self.oracles.blame("run", f"the last run ended by {self.runs[-1:]}")

    def _schedule_raids(self) -> None:
        """Takers who hit the bot's own orders, in part, whole, or through several of them."""
        rng = random.Random(f"{self.seed}:raid")

        def raid() -> None:
            self.timeline.after(int(rng.expovariate(1 / 8.0) * NS_PER_S) + 50 * NS_PER_MS, raid)
            resting: list[Order] = list(self.side.account.open_orders.values())
            if not resting:
                return
            order = rng.choice(resting)
            share = rng.choice((0.3, 1.0, 1.0, 3.0))
            side = Side.SELL if order.side is Side.BUY else Side.BUY
            self.side.raid(side, order.price_e8, int(order.remaining_e8 * share))

        self.timeline.after(NS_PER_S, raid)

    def _schedule_samples(self, recovered_ns: int) -> None:
        quoted = {Side.BUY: 0, Side.SELL: 0}
        samples = [0]

        def sample() -> None:
            self.oracles.sample()
            if self.run is not None and self.run.bot is not None:
                self._operate()
            if self.run is None or self.run.bot is None or self.timeline.now_ns < recovered_ns:
                pass
            elif self.timeline.now_ns < self.ends_ns:
                self.oracles.is_calm = True
                self.oracles.sample_calm()
                samples[0] += 1
                self._note_quoted(quoted)
            if self.timeline.now_ns < self.ends_ns:
                self.timeline.after(_SAMPLE_NS, sample)
            elif samples[0]:
                for side, count in quoted.items():
                    if count * 2 < samples[0]:
                        self.oracles.blame("live", f"{side.value} quoted in {count} of {samples[0]} samples of calm: "
                                                   f"{self.oracles.describe()}")

        self.timeline.after(_SAMPLE_NS, sample)

    def _note_quoted(self, quoted: dict[Side, int]) -> None:
        """A side counts as quoted when an order rests, or when it is left empty for a reason of business."""
        status = self.oracles.status()
        resting = {order.side for order in self.oracles.own_open()}
        for side, verdict in ((Side.BUY, status.bid_verdict), (Side.SELL, status.ask_verdict)):
            quoted[side] += side in resting or _is_business(verdict)


def _is_business(verdict: int) -> bool:
    return bool(_BUSINESS & set(reasons(verdict)))


def _strike_road(road: Road, what: str, until_ns: int) -> None:
    if what == "reset":
        for connection in road.some():
            connection.reset()
    elif what in ("half_open", "deaf", "mute"):
        for connection in road.some():
            connection.half_open(up=what != "mute", down=what != "deaf")
    elif what.endswith("held"):
        road.hold(until_ns, up=what != "down_held", down=what != "up_held")
    elif what == "refused":
        road.reset_all()
        road.refused_until_ns = max(road.refused_until_ns, until_ns)
    else:
        assert what == "unanswered", what
        road.reset_all()
        road.unanswered_until_ns = max(road.unanswered_until_ns, until_ns)


def _private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)


def _keys(ed25519: bool) -> Keys:
    if not ed25519:
        return Keys(_API_KEY, HmacSigner(_SECRET), False)
    pem = _private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Keys(_API_KEY, Ed25519Signer(pem.decode()), True)


def _api_key(ed25519: bool) -> ApiKey:
    if not ed25519:
        return hmac_key(_API_KEY, ACCOUNT, _SECRET)
    pem = _private_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return ed25519_key(_API_KEY, ACCOUNT, pem)


def _settings(rng: random.Random, *, sbe: bool) -> Settings:
    """Small quotes near the best price, limits within reach, and no limit on losses: those have tests of their own."""
    entry = OrderEntry.REST if rng.random() < 0.15 else OrderEntry.WS_API
    strategy = StrategySettings(
        layers=rng.randint(1, 3), order_qty_e8=rng.choice((100_000, 200_000)), min_spread_bps=rng.choice((2.0, 6.0)),
        layer_step_bps=rng.choice((1.0, 3.0)), max_position_e8=rng.choice((600_000, 2_000_000)),
        allow_negative_edge=True, refresh_tolerance_bps=rng.choice((0.2, 1.0, 2.0)))
    risk = RiskSettings(
        position_max_e8=2_000_000, position_notional_max_e8=5_000 * E8, loss_session_max_e8=10**6 * E8,
        loss_day_max_e8=10**6 * E8, loss_speed_max_e8=10**6 * E8, drawdown_halt_pct=99.0, drawdown_kill_pct=99.5,
        rejects_per_min=1000)
    exchange = ExchangeSettings(mode=Mode.TESTNET, order_entry=entry, endpoint=URL, market_sockets=rng.choice((1, 2)),
                                market_data=MarketData.SBE if sbe else MarketData.JSON)
    return replace(Settings(), exchange=exchange, strategy=strategy, risk=risk)


def run_seed(seed: int, knobs: Knobs | None = None) -> Result:
    """One whole trial."""
    return Trial(seed, knobs or Knobs()).go()
