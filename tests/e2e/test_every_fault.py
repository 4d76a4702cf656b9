"""Half a minute of `tests.e2e.soak`: faults that no other test strikes over sockets; and the soak's schedule."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from mmcore.venue.faults import KINDS, parse_rows
from tests.e2e import soak
from tests.e2e.soak import NOT_FITTING, SCHEDULE, Failed, Plan, Row, parser, run

EVERY = tuple(SCHEDULE)


def test_every_kind_of_fault_is_in_the_schedule_or_named_as_not_fitting() -> None:
    assert set(SCHEDULE).isdisjoint(NOT_FITTING)
    assert {*SCHEDULE, *NOT_FITTING} == set(KINDS)


@pytest.mark.parametrize("seed", range(20))
def test_every_seed_gives_a_plan_that_the_venue_takes_with_each_kind_once(seed: int) -> None:
    groups = Plan(10, seed, EVERY).faults()
    assert sorted(group[0]["kind"] for group in groups) == sorted(SCHEDULE)
    assert len(parse_rows([fault for group in groups for fault in group])) >= len(SCHEDULE)
    assert groups == Plan(10, seed, EVERY).faults()


@pytest.mark.parametrize("plan", [Plan(10, 3, EVERY), Plan(0.5, 4, ("reset", "wipe"))])
def test_the_command_that_is_told_repeats_the_plan(plan: Plan) -> None:
    words = shlex.split(plan.command)
    assert words[:3] == ["python", "-m", "tests.e2e.soak"]
    options = parser().parse_args(words[3:])
    assert Plan(options.minutes, options.seed, options.only).faults() == plan.faults()


def test_after_faults_that_end_a_bot_and_others_the_audit_finds_nothing_wrong(tmp_path: Path) -> None:
    outcome = run(tmp_path, Plan(0.5, 1, ("replace_partial", "wipe", "balance_moved")))
    assert outcome.strikes == 3
    assert outcome.orders > 20
    assert outcome.fills > 0


def test_a_run_that_fails_tells_the_last_fault_and_the_command_that_repeats_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soak, "SCHEDULE", {"blocked": Row({"on": (("amend",),)})})  # no amend goes over REST
    monkeypatch.setattr(soak, "STRIKE_S", 1)
    plan = Plan(0.05, 2, ("blocked",))
    with pytest.raises(Failed) as failed:
        run(tmp_path, plan)
    told = str(failed.value)
    assert told.startswith("after 1 s: blocked struck nothing")
    assert '\nlast fault: [{"id": "blocked", "kind": "blocked", "on": ["amend"]}]\n' in told
    assert f"\nrepeat with: {plan.command}\n" in told
