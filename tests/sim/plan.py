"""What goes wrong, and when: a plan of faults drawn from a seed. Each seed takes a few kinds, and mixes them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from mmcore.venue.faults import EVENT, MESSAGE, REQUEST, SUBSCRIPTION, TIME, WRITE, random_plan
from mmcore.venue.faults import KINDS as EXCHANGE_FAULTS
from mmcore.venue.faults import Fault as ExchangeFault
from tests.sim.timeline import NS_PER_MS, NS_PER_S

# Kind -> shortest and longest duration in ms; 0 = a moment.
NETWORK_KINDS: Final[dict[str, tuple[int, int]]] = {
    "market_reset": (0, 0),
    "market_half_open": (0, 0),
    "market_held": (50, 6_000),
    "market_refused": (500, 15_000),
    "market_unanswered": (500, 8_000),
    "order_reset": (0, 0),
    "order_half_open": (0, 0),
    "order_deaf": (0, 0),
    "order_mute": (0, 0),
    "order_up_held": (50, 6_000),
    "order_down_held": (50, 6_000),
    "order_refused": (500, 9_000),
    "order_unanswered": (500, 6_000),
    "rest_lost_before": (500, 10_000),
    "rest_lost_after": (500, 10_000),
    "rest_reset_before": (500, 10_000),
    "rest_reset_after": (500, 10_000),
    "rest_gateway_before": (500, 10_000),
    "rest_gateway_after": (500, 10_000),
    "rest_slow": (500, 10_000),
    "outage": (200, 9_000),
    "long_outage": (20_000, 60_000),
    "wall_clock_step": (0, 0),
    "killed": (0, 0),
}
EXCHANGE_KINDS: Final = tuple(sorted(EXCHANGE_FAULTS))
KINDS: Final = (*NETWORK_KINDS, *EXCHANGE_KINDS)
# The exchange's own plan is made for a market that says and does far more in a second.
_OFTENER: Final = {REQUEST: 10.0, EVENT: 6.0, SUBSCRIPTION: 1.0, MESSAGE: 150.0, WRITE: 60.0}
_RARE: Final = {"long_outage": 0.1, "killed": 0.5, "message_malformed": 0.02}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what, when (of the timeline), and how long it lasts."""

    at_ns: int
    kind: str
    for_ns: int

    @property
    def until_ns(self) -> int:
        """Its end."""
        return self.at_ns + self.for_ns


def draw_plan(rng: random.Random, kinds: Iterable[str], from_ns: int, until_ns: int, gap_s: float) -> list[Fault]:
    """Faults of these kinds at random moments, `gap_s` apart on average, all over by `until_ns`."""
    names = sorted(kinds)
    weights = [_RARE.get(name, 1.0) for name in names]
    plan: list[Fault] = []
    at_ns = from_ns
    while names:
        at_ns += int(rng.expovariate(1.0 / gap_s) * NS_PER_S)
        kind = rng.choices(names, weights)[0]
        shortest, longest = NETWORK_KINDS[kind]
        # Short ones as often as long ones: both find faults of their own.
        span_ms = 0 if longest == 0 else int(shortest * (longest / shortest) ** rng.random())
        if at_ns + span_ms * NS_PER_MS >= until_ns:
            break
        plan.append(Fault(at_ns, kind, span_ms * NS_PER_MS))
    return plan


def draw_kinds(rng: random.Random) -> list[str]:
    """Three to eight kinds."""
    return rng.sample(sorted(KINDS), rng.randint(3, 8))


def exchange_faults(seed: int, kinds: Iterable[str], until_ns: int, gap_s: float) -> list[ExchangeFault]:
    """Faults of the exchange, counted from now: each kind about as often as the network's."""
    span_ms = until_ns // NS_PER_MS
    faults = []
    for kind in kinds:
        (drawn,) = random_plan(seed, [kind], span_ms / 3_600_000)
        if EXCHANGE_FAULTS[kind].moment == TIME:
            every_ms = max(4_000, int(drawn.every_ms * gap_s / 300))
            at_ms = 5_000 + drawn.at_ms * every_ms // drawn.every_ms
            times = max(1, (span_ms - at_ms) // every_ms)
            timed = replace(drawn, at_ms=at_ms, every_ms=every_ms, times=times)
            faults += _there_and_back(timed) if kind == "filter_change" else [timed]
        else:
            share = drawn.probability * _OFTENER[EXCHANGE_FAULTS[kind].moment] * 15 / gap_s * _RARE.get(kind, 1.0)
            faults.append(replace(drawn, until_ms=span_ms, probability=min(0.5, share), times=1_000_000))
    return faults


def _there_and_back(change: ExchangeFault) -> list[ExchangeFault]:
    """By turns, and back in the end where orders might be too small for ever."""
    back = replace(change, id=f"{change.id}/back", at_ms=change.at_ms + change.every_ms,
                   values={**change.values, "factor": 1})
    pairs = max(1, change.times // 2)
    there = pairs if change.word("filter") == "min_notional" else pairs + 1
    return [replace(change, every_ms=2 * change.every_ms, times=there),
            replace(back, every_ms=2 * change.every_ms, times=pairs)]
