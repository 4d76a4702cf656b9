"""From socket to socket: how long from a frame to the orders it causes, and how many frames a second are applied.

The bot's own threads, engine and gate over real connections on loopback, beside programs that do no work, in turn
within one run. The far end sends on a schedule and counts from the moment a frame was due, so a stall counts for every
frame it held up. How to read it: bench/README.md.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Any

import pytest
import trustme
from pytest_benchmark.fixture import BenchmarkFixture

from bench.wire.far import FAR_CPU, Authority, Echoing, Exchange, NearEnd, Reading, alone, flood_s, latencies_ns, tls_of
from bench.wire.near import NEAR_CPU

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not {FAR_CPU, NEAR_CPU} <= os.sched_getaffinity(0), reason="CPUs 0 and 1 are needed"),
]

INTERVAL_NS = 5_000_000
"""Two orders each: what the exchange's limits allow in the long run."""
ROUNDS, STEPS, WARM_STEPS = 5, 400, 50
FRAMES, PEER_FRAMES = 50_000, 10_000
PATHS = {"block": ("/stream", "/ws-api/v3"), "spin": ("/stream", "/ws-api/v3"), "picows": ("/echo",),
         "pipeline": ("/in", "/out")}


@dataclass(slots=True)
class _Measured:
    seconds: float = 0.0


_measured = _Measured()


def wire_clock() -> float:
    """Moved on by what was measured alone."""
    return _measured.seconds


@dataclass(slots=True)
class Lap:
    """The latencies of one kind of near end by rounds."""

    rounds: list[list[int]] = field(default_factory=list)

    def medians_ns(self) -> list[float]:
        return [statistics.median(one) for one in self.rounds]

    def figures_us(self) -> dict[str, float]:
        """Of all rounds together."""
        every = sorted(ns for one in self.rounds for ns in one)
        ranks = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
        found = {name: every[int(rank * (len(every) - 1))] / 1000 for name, rank in ranks.items()}
        return {**found, "max": every[-1] / 1000, "count": len(every)}


@pytest.fixture(scope="session")
def smoke(request: pytest.FixtureRequest) -> bool:
    """Whether the benches only have to show that they work."""
    return bool(request.config.getoption("benchmark_min_rounds") == 1)


@pytest.fixture(scope="session", params=["ws", "wss"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    ca = trustme.CA()
    ca_file = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    return Authority(tls_of(ca.issue_cert("localhost")), ca_file)


def _lap(kind: str, authority: Authority | None, steps: int, warm_steps: int) -> list[int]:
    near = NearEnd(kind, PATHS[kind], authority)
    try:
        far = Exchange(near) if kind in ("block", "spin") else Echoing(near, PATHS[kind][0], PATHS[kind][-1])
        with alone():
            far.begin()
            latencies_ns(far, warm_steps, INTERVAL_NS)
            return latencies_ns(far, steps, INTERVAL_NS)
    finally:
        near.close()


@pytest.fixture(scope="session")
def laps(scheme: str, authority: Authority, smoke: bool) -> dict[str, Lap]:
    """All kinds in turn, in rounds."""
    kinds = [kind for kind in PATHS if kind != "picows" or importlib.util.find_spec("picows") is not None]
    made = {kind: Lap() for kind in kinds}
    steps, warm_steps = (40, 10) if smoke else (STEPS, WARM_STEPS)
    for _ in range(1 if smoke else ROUNDS):
        for kind, lap in made.items():
            lap.rounds.append(_lap(kind, authority if scheme == "wss" else None, steps, warm_steps))
            assert len(lap.rounds[-1]) == steps, "a frame without a latency"
    return made


def _ratio(laps: dict[str, Lap], kind: str, peer: str) -> dict[str, float]:
    """p50 of kind by p50 of peer within a round: the middle one, the least and the largest."""
    pairs = [ours / theirs for ours, theirs in zip(laps[kind].medians_ns(), laps[peer].medians_ns(), strict=True)]
    return {"ratio": statistics.median(pairs), "ratio_min": min(pairs), "ratio_max": max(pairs)}


@pytest.mark.benchmark(group="wire to wire, frame to orders", timer=wire_clock)
@pytest.mark.parametrize("kind", list(PATHS))
def test_frame_to_orders_in_the_socket(benchmark: BenchmarkFixture, laps: dict[str, Lap], scheme: str,
                                       kind: str) -> None:
    """A round's time is its median; extra_info has the distribution over all rounds, in microseconds."""
    if kind not in laps:
        pytest.skip("picows is not installed: pip install -e '.[bench]'")
    medians: Iterator[float] = iter(laps[kind].medians_ns())

    def one_round() -> None:
        _measured.seconds += next(medians) * 1e-9

    benchmark.pedantic(one_round, rounds=len(laps[kind].rounds))  # type: ignore[no-untyped-call]
    figures: dict[str, Any] = {"scheme": scheme, **laps[kind].figures_us()}
    for peer in ("picows", "pipeline"):
        if kind not in ("picows", "pipeline") and peer in laps:
            figures[f"to_{peer}"] = _ratio(laps, kind, peer)
    benchmark.extra_info.update(figures)
    assert 0 < figures["p50"] <= figures["p99"] <= figures["max"]


@pytest.mark.benchmark(group="frames applied", timer=wire_clock)
def test_frames_of_300_bytes_read_and_applied(benchmark: BenchmarkFixture, smoke: bool) -> None:
    """Time per frame: best-price messages read, decoded and applied by the bot. extra_info: websocket-client's bare
    `recv` of the same frames, which decodes nothing, in the same rounds."""
    frames, peer_frames = (20_000, 5_000) if smoke else (FRAMES, PEER_FRAMES)
    ours: list[float] = []
    theirs: list[float] = []

    def one_round() -> None:
        ours.append(_flood("block", Exchange, frames))
        theirs.append(_flood("recv", Reading, peer_frames))
        _measured.seconds += ours[-1]

    benchmark.pedantic(one_round, rounds=1 if smoke else ROUNDS)  # type: ignore[no-untyped-call]
    pairs = [peer / own for own, peer in zip(ours, theirs, strict=True)]
    benchmark.extra_info.update({"peer_ns": statistics.median(theirs) * 1e9, "ratio": statistics.median(pairs),
                                 "ratio_min": min(pairs), "ratio_max": max(pairs)})


def _flood(kind: str, far_end: type[Exchange] | type[Reading], frames: int) -> float:
    """Seconds a frame."""
    near = NearEnd(kind, PATHS.get(kind, ("/recv",)), None)
    try:
        with alone():
            far = far_end(near)
            far.begin()
            flood_s(far, frames // 5)
            return flood_s(far, frames) / frames
    finally:
        near.close()


class _Stalling:
    """A far end whose answers stop for a while after one of the frames."""

    def __init__(self, at: int, stall_ns: int) -> None:
        self._at, self._stall_ns = at, stall_ns
        self._until_ns = 0

    def send(self, step: int) -> None:
        if step == self._at:
            self._until_ns = monotonic_ns() + self._stall_ns

    def take(self) -> int:
        return int(monotonic_ns() >= self._until_ns)

    def answered(self, steps: range) -> int:
        return len(steps)

    def idle(self) -> None:
        pass


def test_a_stall_counts_for_every_frame_it_held_up() -> None:
    found = latencies_ns(_Stalling(at=3, stall_ns=20_000_000), 10, 2_000_000)
    for held in range(3, 10):
        assert found[held] >= 20_000_000 - (held - 3) * 2_000_000 - 1_000_000
