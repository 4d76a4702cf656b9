"""The planner by trying all ways."""

from __future__ import annotations

from itertools import combinations, permutations

Level = tuple[int, int]


def is_large(order: Level, quote: Level, step_e8: int) -> bool:
    return order[1] > quote[1] + step_e8


def serves(order: Level, quote: Level, tolerance_e8: int) -> bool:
    """Near enough in price, and at least half of the wanted quantity."""
    return abs(order[0] - quote[0]) <= tolerance_e8 and quote[1] <= 2 * order[1]


def plan(wanted: list[Level], resting: list[Level], shrinkable: list[bool], tolerance_e8: int,
         step_e8: int) -> list[int]:
    """For each order the quote it is kept for, or -1: fewest new orders, then fewest made smaller, then least distance,
    then older orders."""
    best: tuple[object, ...] | None = None
    for count in range(min(len(wanted), len(resting)), -1, -1):
        for orders in combinations(range(len(resting)), count):
            for quotes in permutations(range(len(wanted)), count):
                pairs = list(zip(orders, quotes, strict=True))
                large = [i for i, j in pairs if is_large(resting[i], wanted[j], step_e8)]
                if (all(serves(resting[i], wanted[j], tolerance_e8) for i, j in pairs)
                        and all(shrinkable[i] for i in large)):
                    distance = sum(abs(resting[i][0] - wanted[j][0]) for i, j in pairs)
                    # combinations come in lexical order: the lower, the older are the orders kept
                    rank = (len(large), distance, orders, quotes)
                    best = rank if best is None or rank < best else best
        if best is not None:
            keep = [-1] * len(resting)
            for i, j in zip(best[2], best[3], strict=True):  # type: ignore[call-overload]
                keep[i] = j
            return keep
    return [-1] * len(resting)
