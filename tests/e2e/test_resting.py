"""Half a minute of `tests.e2e.resting`: quotes rest on the recording at real speed, and nothing is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from mmcore._native import lib
from mmcore.core.engine import reason_name
from tests.e2e.processes import Together
from tests.e2e.resting import EDGES, LEAST, RISK, RUNS, Rested, recording_in, rest

SECONDS = 35
# One side that waits for the next window of the exchange to begin is more than a hundredth of so short a run. Where in
# the recording the windows lie depends on when the test is started, so that of restless quotes is now short, now long.
WAIT_MS = {"defaults": 600, "restless": 2000}


@pytest.fixture(scope="module")
def run(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Rested]]:
    """`run(name)`: what one of the runs gave; all are under way at once."""
    scenarios = {name: partial(rest, recording=recording_in(data_dir), seconds=SECONDS, arguments=arguments)
                 for name, arguments in RUNS.items()}
    together = Together(tuple(scenarios.values()), tmp_path_factory.mktemp("resting"))
    yield lambda name: together.of(scenarios[name])
    together.clear()


def test_what_covers_time_are_reasons_of_the_engine() -> None:
    assert {reason_name(reason) for reason in range(lib.MM_REASON_COUNT)} >= EDGES | RISK
    assert not {"RATE_LIMIT", "IN_FLIGHT", "DISCONNECTED", "UNKNOWN_ORDER", "WOULD_MATCH"} & (EDGES | RISK)


@pytest.mark.parametrize("name", RUNS)
def test_each_side_rests_99_percent_of_the_time_and_429_never_comes(
    name: str, run: Callable[[str], Rested]
) -> None:
    rested = run(name)
    least = LEAST - WAIT_MS[name] / rested.span_ms
    assert rested.share >= least, str(rested)
    assert rested.least_of_a_side >= least, str(rested)
    assert rested.refusals_429 == 0
    assert rested.most_in_10_s <= 50


def test_the_restless_quotes_want_to_move_far_more_often_than_they_may(run: Callable[[str], Rested]) -> None:
    moves = run("restless").summary["moves"]
    assert moves["wanted"] > 4 * moves["made"]
