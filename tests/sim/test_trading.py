"""Hours of trading in virtual time: the whole bot against the whole exchange, with whatever goes wrong between them.

Ten hours of random faults in every run of the tests; `make soak` does a thousand. A seed that fails prints the command
that repeats it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mmcore._native import lib
from mmcore.core import record
from mmcore.core.kinds import Kind, Operation, OrderState
from mmcore.core.loop import Loop
from mmcore.exchange.binance.protocol import LimitState
from mmcore.host.orders import OrdersThread
from tests.sim.network import Frames, SimWire
from tests.sim.plan import KINDS
from tests.sim.soak import command_of, explain, main, results_of
from tests.sim.trial import Knobs, Result, Trial, run_seed

FIRST_SEED = 1
SEEDS = 40
SHARE = 5
KNOBS = Knobs()
_LAST_ID = re.compile(rb'"e":"depthUpdate".*?"u":(\d+),"b":\[\[')
_BEST_BID = re.compile(rb'("b":\[\["[0-9.]+",")(\d)')


@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + SEEDS, SHARE))
def test_ten_hours_of_random_faults_leave_no_orphan_no_duplicate_and_no_atom_missing(first: int) -> None:
    results = list(results_of(iter(range(first, first + SHARE)), KNOBS, jobs=2))
    assert len(results) == SHARE
    failed = [explain(result, KNOBS) for result in results if result.violations]
    assert not failed, "\n" + "\n".join(failed)
    for result in results:
        assert result.virtual_s >= KNOBS.minutes * 60
        assert result.counts["accepted"] >= 20, f"seed {result.seed} hardly trades: nothing is tested"
    # A seed of outages alone leaves its bots little time to be looked at.
    assert sum(result.counts["samples"] for result in results) >= 600 * SHARE
    assert sum(result.counts["fills"] for result in results) >= 50
    assert sum(result.faults.total() for result in results) >= 50


def test_a_calm_market_trades_without_a_fault_or_a_doubt() -> None:
    result = run_seed(2, Knobs(minutes=5, kinds=()))
    assert result.violations == []
    assert result.runs == ["duration"]
    assert result.faults.total() == 0
    assert result.counts["books"] >= 100
    assert result.counts["fills"] >= 10


@pytest.mark.parametrize("seed", [3, 7])
def test_one_seed_is_one_run_to_the_byte(seed: int) -> None:
    knobs = Knobs(minutes=3, gap_s=5.0)
    once, again = run_seed(seed, knobs), run_seed(seed, knobs)
    assert (once.digest, once.counts, once.runs, once.faults) == (again.digest, again.counts, again.runs, again.faults)
    assert run_seed(seed + 1, knobs).digest != once.digest


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_fault_by_itself_is_survived(kind: str) -> None:
    knobs = Knobs(minutes=3, kinds=tuple({kind, "order_reset"}), gap_s=3.0)
    for seed in range(11, 31):
        result = run_seed(seed, knobs)
        assert result.violations == [], explain(result, knobs)
        if result.faults[kind]:
            return
    pytest.fail(f"{kind} never struck")


def test_a_failing_seed_names_the_one_command_that_repeats_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    knobs = Knobs(minutes=4, kinds=("order_reset", "killed"), gap_s=20.0)
    monkeypatch.setattr(SimWire, "received", _corrupting(SimWire.received))
    command = command_of(2, knobs)
    assert main([*command.split()[3:]]) == 1
    told = capsys.readouterr().out
    assert "seed 2 failed" in told
    assert f"again: {command}" in told


# ---- the oracles are worth something: defects put in on purpose are found


def _corrupting(received: Callable[[SimWire, bytes], None]) -> Callable[[SimWire, bytes], None]:
    """One level of one diff in ten is changed on the way, as a decoder that reads a digit wrongly would."""

    def corrupt(self: SimWire, data: bytes) -> None:
        last_id = _LAST_ID.search(data)
        if last_id is not None and int(last_id[1]) % 10 == 0:
            data = _BEST_BID.sub(lambda found: found[1] + b"%d" % (9 - int(found[2])), data, count=1)
        received(self, data)

    return corrupt


def _oracles_of(result: Result) -> set[str]:
    return {violation.split()[0] for violation in result.violations}


def test_a_level_read_wrongly_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimWire, "received", _corrupting(SimWire.received))
    assert "N4" in _oracles_of(run_seed(2, Knobs(minutes=3, kinds=())))


def test_a_fill_that_is_applied_twice_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    received = SimWire.received

    def doubling(self: SimWire, data: bytes) -> None:
        received(self, data)
        if b'"x":"TRADE"' in data and data[:1] == b"\x81":
            received(self, re.sub(rb'"t":(\d)', lambda found: b'"t":%d' % ((int(found[1]) + 5) % 10), data))

    monkeypatch.setattr(SimWire, "received", doubling)
    assert _oracles_of(run_seed(1, Knobs(minutes=3, kinds=()))) & {"N3", "N5", "run"}


def test_cancels_that_are_believed_and_never_sent_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    send = SimWire.send

    def forgetting(self: SimWire, frame: bytes | memoryview) -> bool:
        return True if len(frame) > 60 and _text_of(frame).count(b"order.cancel") else send(self, frame)

    monkeypatch.setattr(SimWire, "send", forgetting)
    monkeypatch.setattr(OrdersThread, "_cancel_elsewhere", lambda self, holder, action, *_: self._sent(holder, action))
    assert _oracles_of(run_seed(2, Knobs(minutes=3, kinds=()))) & {"N1", "run"}


def _text_of(frame: bytes | memoryview) -> bytes:
    return b"".join(payload for _, payload in Frames().feed(bytes(frame)))


def test_an_order_that_is_taken_for_dead_when_its_answer_is_lost_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other bot's mistake: no answer counts as a refusal."""
    push = Loop.push

    def believing(self: Loop, ring: int, records: Any) -> bool:
        if records[0].kind == lib.MM_KIND_ORDER_LINK:
            for order in self.engine.orders():
                if order.state == OrderState.PENDING:
                    push(self, ring, record.outcome(Kind.REJECT, order.seq, Operation.PLACE, 0, code=-1000))
        return push(self, ring, records)

    monkeypatch.setattr(Loop, "push", believing)
    knobs = Knobs(minutes=5, kinds=("order_mute", "order_reset"), gap_s=6.0)
    assert any(_oracles_of(run_seed(seed, knobs)) & {"N1", "N3"} for seed in (1, 2, 3))


def test_a_sender_who_does_not_keep_silent_when_asked_to_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    knobs = Knobs(minutes=4, kinds=("market_reset", "order_reset"), gap_s=5.0, weight=450)
    obedient = run_seed(2, knobs)
    assert "N6" not in _oracles_of(obedient)
    assert obedient.counts["refusals"] >= 1
    monkeypatch.setattr(LimitState, "on_refusal", lambda self, *_: 0)
    assert "N6" in _oracles_of(run_seed(2, knobs))


def test_a_bot_that_goes_beyond_its_limit_is_caught() -> None:
    trial = Trial(2, Knobs(minutes=3, kinds=()))
    risk = replace(trial.settings.risk, position_max_e8=trial.settings.risk.position_max_e8 // 20)
    trial.oracles._settings = replace(trial.settings, risk=risk)
    assert "N5" in _oracles_of(trial.go())
