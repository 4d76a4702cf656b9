"""The real bot against the real venue over sockets, through every fault of the venue once.

`python -m tests.e2e.soak --minutes 10 --seed 1` (or `make soak-sockets`) takes the faults of `SCHEDULE` in an order
drawn by the seed. Each gets an equal share of the time: the bot must be quoting before it, the fault must strike, and
where it halts the bot by design a new bot takes over. The end is judged by the venue's audit alone, and the bots must
have known of every fill. What fails is told with the fault that was last and the command that repeats the run: the
schedule is the same, the times at which processes get to run are not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmcore.venue.faults import KINDS
from mmcore.venue.verdict import judge, own_orders
from tests.e2e.processes import STATE_LINE, Bot, Stage, Venue, open_orders

OWN = "mA1-"
QUOTING_S = 45
STRIKE_S = 45
ENDING_S = 45

_NO_CANCEL = ("place", "amend", "cancel_replace")
_ALL_ORDERS = ("place", "cancel", "amend", "cancel_replace")


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of fault in the schedule.

    `choices` are the values of its parameters from which the seed draws; the others are the venue's defaults.
    `beside` are faults that are armed with it, so that it meets something to strike or to matter for. `halts` are the
    reasons with which the bot may halt, by design: it is then stopped and another one started.
    """

    choices: Mapping[str, Sequence[Any]]
    beside: tuple[Mapping[str, Any], ...] = ()
    halts: frozenset[str] = frozenset()


def _row(*beside: Mapping[str, Any], halts: Sequence[str] = (), **choices: Sequence[Any]) -> Row:
    return Row(choices, beside, frozenset(halts))


_RESYNC = {"kind": "reset", "sockets": "streams"}
_READS = (("query",),)
_OUTCOMES = ("yes", "no", "late")
_ONE_OR_ALL = ("one", "all")
_SOCKETS = ("streams", "api", "all")
_DOUBT = ("LEDGER_MISMATCH", "ACCOUNT_RESET")

SCHEDULE: Mapping[str, Row] = {
    "reply_lost": _row(on=(_ALL_ORDERS,), executed=_OUTCOMES),
    "reply_delayed": _row(on=(_ALL_ORDERS,), delay_ms=(300, 1500, 4000)),
    "status_unknown": _row(on=(_ALL_ORDERS,), error=("503", "-1000", "-1001", "-1006", "-1007"), executed=_OUTCOMES),
    "overloaded": _row(on=(_NO_CANCEL, _ALL_ORDERS)),
    "late_timestamp": _row(on=(_NO_CANCEL, _ALL_ORDERS)),
    "replace_partial": _row(leg=("new", "cancel")),
    "blocked": _row(on=_READS),
    "html_ok": _row(on=_READS, executed=("yes", "no")),
    "rate_limited": _row(status=("429", "418"), retry_after_ms=(2000, 4000)),
    "reply_order": _row(first=("events", "reply")),
    "event_delayed": _row(event=("NEW", "TRADE", "CANCELED"), others=("queue", "pass")),
    "event_swapped": _row(event=("NEW", "TRADE", "CANCELED")),
    "events_replayed": _row({"kind": "stream_terminated"}, count=(5, 50)),
    "message_dropped": _row(stream=("depth",), which=_ONE_OR_ALL),
    "message_doubled": _row(stream=("depth", "bookTicker", "trade"), which=_ONE_OR_ALL),
    "message_swapped": _row(stream=("depth", "bookTicker", "trade"), which=_ONE_OR_ALL),
    "message_malformed": _row(form=("cut", "text", "number", "huge", "bytes", "deep"), which=("one",)),
    "book_crossed": _row(stream=("depth", "bookTicker"), which=_ONE_OR_ALL),
    "write_delayed": _row(sockets=("streams", "api"), delay_ms=(500, 2000)),
    "write_truncated": _row(sockets=("streams", "api")),
    "half_open": _row(sockets=_SOCKETS, which=_ONE_OR_ALL, for_ms=(6000,)),
    "trickle": _row(sockets=_SOCKETS, which=_ONE_OR_ALL),
    "reset": _row(sockets=_SOCKETS, which=_ONE_OR_ALL, refuse_ms=(0, 2000)),
    "closed": _row(sockets=_SOCKETS, which=_ONE_OR_ALL, code=("1000", "1001", "1006", "1008", "1011")),
    "shutdown": _row(sockets=_SOCKETS, which=_ONE_OR_ALL),
    "connect_refused": _row({"kind": "reset", "sockets": "all"}, sockets=("streams", "api", "rest", "all")),
    "snapshot_stale": _row(_RESYNC, for_ms=(3000,)),
    "snapshot_boundary": _row(_RESYNC),
    "snapshot_inside": _row(_RESYNC),
    "stream_terminated": _row(),
    "clock_step": _row(offset_ms=(-1500, 1500, 6000), for_ms=(4000,)),
    "wipe": _row(),
    "symbol_status": _row(status=("HALT", "BREAK", "CANCEL_ONLY", "END_OF_DAY"), for_ms=(4000,)),
    "filter_change": _row(filter=("tick", "step", "min_notional")),
    "exchange_cancels": _row(side=("both", "BUY", "SELL")),
    "balance_moved": _row(asset=("base", "quote"), amount_e8=(-1_000_000, 1_000_000), halts=_DOUBT),
    "external_lock": _row(asset=("base", "quote"), amount_e8=(1_000_000,), halts=_DOUBT),
    "foreign_order": _row(side=("BUY", "SELL"), ticks=(0, 500), halts=_DOUBT),
    "bnb_gone": _row(),
    "query_lag": _row(),
    "no_reference_price": _row(),
}
"""Every kind of fault of the venue, as it is struck here."""

NOT_FITTING: Mapping[str, str] = {}
"""Kinds that cannot be struck here, each with the reason."""

VENUE_ARGUMENTS = ("--bnb-price", "600", "--balance", "BNB=1", "--balance", "BTC=1", "--balance", "USDT=100000")
# Narrow, so that orders move and trade all the time; at a loss if need be, which is not what is judged. What is read,
# is read often: what a fault did to the account is found out while it is the last one.
BOT_ARGUMENTS = (
    *("--strategy.min_spread_bps", "0.5", "--strategy.max_spread_bps", "2", "--strategy.vol_mult", "0"),
    *("--strategy.allow_negative_edge", "true", "--strategy.refresh_tolerance_bps", "0.3"),
    *("--risk.rejects_per_min", "60", "--risk.loss_session_max", "5000", "--risk.loss_day_max", "5000"),
    *("--risk.loss_speed_max", "5000", "--book.snapshot_levels", "1000", "--book.audit_s", "20", "--accept-reset"),
    *("--reconcile.open_orders_s", "2", "--reconcile.account_s", "5", "--reconcile.trades_s", "5"),
)


class Failed(Exception):
    """What went wrong, and how to see it again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which kinds strike, in what order, with what parameters: a function of these three."""

    minutes: float
    seed: int
    kinds: tuple[str, ...]

    @property
    def command(self) -> str:
        """What repeats it."""
        only = "" if set(self.kinds) == set(SCHEDULE) else f" --only {','.join(self.kinds)}"
        return f"python -m tests.e2e.soak --minutes {self.minutes:g} --seed {self.seed}{only}"

    @property
    def share_s(self) -> float:
        """Seconds for each kind."""
        return 60 * self.minutes / len(self.kinds)

    def faults(self) -> list[list[dict[str, Any]]]:
        """The faults to arm, kind by kind; the first of each group is the kind's own."""
        rng = random.Random(f"sockets/{self.seed}")
        order = sorted(self.kinds)
        rng.shuffle(order)
        groups = []
        for kind in order:
            row = SCHEDULE[kind]
            drawn = {name: rng.choice(values) for name, values in row.choices.items()}
            own = {"id": kind, "kind": kind, **drawn}
            groups.append([own, *({"id": f"{kind}/{beside['kind']}", **beside} for beside in row.beside)])
        return groups


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    strikes: int
    orders: int
    fills: int
    bots: int
    halts: tuple[str, ...]
    summaries: tuple[Any, ...]

    def __str__(self) -> str:
        halts = f" ({', '.join(self.halts)})" if self.halts else ""
        return (f"{self.strikes} strikes, {self.orders} own orders, {self.fills} own fills, {self.bots} bots{halts}: "
                "no orphan, no duplicate, every fill known, balances equal")


class Soak:
    """One run. `say` is told each step."""

    def __init__(self, stage: Stage, plan: Plan, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._plan = plan
        self._say = say
        self._venue: Venue = stage.venue("--seed", str(plan.seed), *VENUE_ARGUMENTS)
        self._summaries: list[Any] = []
        self._halts: list[str] = []
        self._last = "none yet"
        self._bot = self._start()

    def run(self) -> Outcome:
        """Raises `Failed` with all that is wrong."""
        try:
            for group in self._plan.faults():
                self._strike(group)
            self._quoting()
            self._end_bot({0})
            return self._judge()
        except AssertionError as wrong:
            raise Failed(f"{wrong}\nlast fault: {self._last}\nrepeat with: {self._plan.command}\n"
                         f"logs: {self._stage.folder}") from None

    def _start(self) -> Bot:
        arguments = ("--host.state_dir", str(self._stage.folder / "state"), *BOT_ARGUMENTS)
        return self._stage.bot(*arguments, venue=self._venue)

    def _strike(self, group: list[dict[str, Any]]) -> None:
        self._quoting()
        own = group[0]
        self._last = json.dumps(group)
        self._say(f"{own['kind']}: {self._last}")
        began = time.monotonic()
        self._venue.command("/venue/faults", {"faults": group})
        self._until(lambda: any(strike["id"] == own["id"] for strike in self._venue.audit()["strikes"]), STRIKE_S,
                    f"{own['kind']} struck nothing")
        while time.monotonic() < began + self._plan.share_s:
            time.sleep(0.1)
            self._alive()
        if own["kind"] == "filter_change":
            self._venue.command("/venue/faults", {"faults": [{**own, "id": "filter_change/back", "factor": 1}]})
        self._halted(SCHEDULE[own["kind"]].halts)

    def _halted(self, allowed: frozenset[str]) -> None:
        """Another bot, if this one has halted for one of these reasons."""
        states = STATE_LINE.findall(self._bot.err)
        if not states or states[-1][1] != "HALTED":
            return
        reasons = set(states[-1][2].split(", "))
        assert reasons & allowed, f"the bot halted with {', '.join(reasons)}:\n{self._bot.err[-3000:]}"
        self._say(f"  halted by design: {', '.join(reasons)}; the next bot takes over")
        self._halts.append(", ".join(sorted(reasons & allowed)))
        self._end_bot({5})
        self._bot = self._start()

    def _quoting(self) -> None:
        """Until own orders rest and the bot says that it is active: what was before is overcome."""
        def met() -> bool:
            self._halted(frozenset())
            states = STATE_LINE.findall(self._bot.err)
            return bool(states) and states[-1][1] == "ACTIVE" and bool(open_orders(self._venue.audit()))
        self._until(met, QUOTING_S, "the bot does not quote")

    def _until(self, met: Callable[[], bool], seconds: float, what: str) -> None:
        until = time.monotonic() + seconds
        while not met():
            self._alive()
            assert time.monotonic() < until, f"after {seconds} s: {what}:\n{self._bot.err[-3000:]}"
            time.sleep(0.5)

    def _alive(self) -> None:
        assert self._venue.running, f"the venue has died:\n{self._venue.err[-3000:]}"
        assert self._bot.running, f"the bot has ended with {self._bot.wait(0)}:\n{self._bot.err[-3000:]}"

    def _end_bot(self, codes: set[int]) -> None:
        self._bot.process.terminate()
        code = self._bot.wait(ENDING_S)
        assert code in codes, f"the bot ended with {code}:\n{self._bot.err[-3000:]}"
        assert "Traceback" not in self._bot.err, self._bot.err[-3000:]
        self._summaries.append(self._bot.summary())

    def _judge(self) -> Outcome:
        report = self._venue.audit()
        wrong = judge(report, OWN, is_over=True)
        states = (*report["wipes"], report)
        orders = [order for state in states for order in own_orders(state, OWN)]
        fills = [fill for state in states for account in state["accounts"] for fill in account["fills"]
                 if fill["client_order_id"].startswith(OWN)]
        told = sum(summary["fills"] for summary in self._summaries)
        if told != len(fills):
            wrong.append(f"the bots know of {told} fills, the exchange of {len(fills)}")
        for number, summary in enumerate(self._summaries):
            wrong += [f"bot {number}: {name} {summary[name]}" for name in ("open_orders_at_exit", "unknown_orders")
                      if summary[name]]
        wrong += _balances_that_differ(self._summaries[-1], report)
        assert "Traceback" not in self._venue.err, self._venue.err[-3000:]
        assert not wrong, "\n".join(wrong)
        return Outcome(len(report["strikes"]), len(orders), len(fills), len(self._summaries), tuple(self._halts),
                       tuple(self._summaries))


def _balances_that_differ(summary: Any, report: Any) -> list[str]:
    """What the last bot believes of the account at its end, held against the exchange to the last 1e-8."""
    (account,) = report["accounts"]
    wrong = []
    for asset, balance in account["balances"].items():
        ours = summary["balances"][asset]
        for name in ("free", "locked"):
            if _e8(ours[name]) != _e8(balance[name]):
                wrong.append(f"{asset} {name}: {ours[name]}, the exchange says {balance[name]}")
    return wrong


def _e8(text: str) -> int:
    whole, _, rest = text.partition(".")
    return int(whole + rest.ljust(8, "0"))


def run(folder: Path, plan: Plan, say: Callable[[str], None] = lambda text: None) -> Outcome:
    """One run with its processes' files in `folder`; none of them is left. Raises `Failed`."""
    stage = Stage(folder)
    try:
        return Soak(stage, plan, say).run()
    finally:
        stage.clear()


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m tests.e2e.soak", description=__doc__.partition("\n")[0])
    made.add_argument("--minutes", type=float, default=10.0, help="of trading, all faults together; default 10")
    made.add_argument("--seed", type=int, default=1, help="of the market and of the schedule; default 1")
    made.add_argument("--only", type=lambda text: tuple(text.split(",")), default=tuple(SCHEDULE), metavar="KIND,..",
                      help="these kinds of faults alone")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 with what failed and how to repeat it."""
    options = parser().parse_args(arguments)
    unknown = sorted(set(options.only) - set(SCHEDULE))
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(KINDS)}", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="mmcore-soak-"))
    os.environ["XDG_STATE_HOME"] = str(folder)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)

    try:
        outcome = run(folder, Plan(options.minutes, options.seed, options.only), say)
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 1
    say(str(outcome))
    for summary in outcome.summaries:
        shown = ("exit_reason", "quoted_share", "orders_sent", "fills", "gaps", "resyncs", "reconciles",
                 "reconcile_repairs", "book_audits", "book_audit_failures", "no_quote_reasons")
        say(json.dumps({name: summary[name] for name in shown}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
