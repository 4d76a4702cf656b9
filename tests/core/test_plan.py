"""The planner through cffi against trying all ways."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mmcore._native import ffi, lib
from tests.model import plan_twin

near = st.tuples(st.integers(1, 12), st.integers(1, 6))
bits = st.lists(st.booleans(), min_size=6, max_size=6)
far = st.tuples(st.integers(1, 10**15), st.integers(1, 10**12))


def planned(wanted: list[tuple[int, int]], resting: list[tuple[int, int]], shrinkable: list[bool], tolerance: int,
            step: int) -> tuple[list[int], list[bool], int, int]:
    plan = ffi.new("mm_plan *")
    lib.mm_plan_side(ffi.new("mm_level[]", wanted), len(wanted), ffi.new("mm_level[]", resting),
                     ffi.new("uint8_t[]", shrinkable), len(resting), tolerance, step, plan)
    assert [plan.keep[i] for i in range(len(resting), lib.MM_PLAN_MAX)] == [-1] * (lib.MM_PLAN_MAX - len(resting))
    for i, order in enumerate(resting):
        kept = plan.keep[i]
        assert plan.shrink[i] == (kept >= 0 and plan_twin.is_large(order, wanted[kept], step))
    return (list(plan.keep)[: len(resting)], [bool(plan.place[j]) for j in range(len(wanted))],
            int(plan.cancel_count), int(plan.place_count))


def check(wanted: list[tuple[int, int]], resting: list[tuple[int, int]], shrinkable: list[bool], tolerance: int,
          step: int) -> None:
    keep, place, cancel_count, place_count = planned(wanted, resting, shrinkable, tolerance, step)
    assert keep == plan_twin.plan(wanted, resting, shrinkable, tolerance, step)
    assert place == [j not in keep for j in range(len(wanted))]
    assert (cancel_count, place_count) == (keep.count(-1), place.count(True))


@settings(max_examples=2000)
@given(st.lists(near, max_size=4), st.lists(near, max_size=6), bits, st.integers(0, 12), st.integers(1, 3))
def test_the_plan_is_the_best_of_all_ways(wanted: list[tuple[int, int]], resting: list[tuple[int, int]],
                                          shrinkable: list[bool], tolerance: int, step: int) -> None:
    check(wanted, resting, shrinkable, tolerance, step)


@settings(max_examples=300)
@given(st.lists(far, max_size=3), st.lists(far, max_size=5), bits, st.integers(0, 2**62), st.integers(1, 10**12))
def test_large_numbers_are_planned_alike(wanted: list[tuple[int, int]], resting: list[tuple[int, int]],
                                         shrinkable: list[bool], tolerance: int, step: int) -> None:
    check(wanted, resting, shrinkable, tolerance, step)


def test_a_quote_that_moved_within_its_tolerance_costs_no_action() -> None:
    wanted, resting = [(100, 10), (90, 10)], [(89, 10), (101, 10)]
    assert planned(wanted, resting, [False, False], 1, 1) == ([1, 0], [False, False], 0, 0)
    assert planned(wanted, resting, [False, False], 0, 1) == ([-1, -1], [True, True], 2, 2)
