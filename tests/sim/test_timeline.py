"""Virtual time."""

from __future__ import annotations

import random

from tests.sim.timeline import NEVER, NS_PER_S, HostClock, Timeline, VenueClock


def test_events_happen_in_the_order_of_their_times_and_then_of_their_entry() -> None:
    timeline = Timeline(0)
    rng = random.Random(1)
    entered = [(rng.randrange(50), number) for number in range(1000)]
    done: list[tuple[int, int]] = []
    for time_ns, number in entered:
        timeline.at(time_ns, lambda time_ns=time_ns, number=number: done.append((time_ns, number)))  # type: ignore[misc]
    while timeline.next_ns() != NEVER:
        before_ns = timeline.now_ns
        timeline.advance(NEVER)
        assert timeline.now_ns >= before_ns
    assert done == sorted(entered)


def test_a_deadline_before_the_next_event_moves_the_time_and_does_nothing() -> None:
    timeline = Timeline(0)
    done: list[int] = []
    timeline.at(10, lambda: done.append(timeline.now_ns))
    timeline.advance(4)
    assert (timeline.now_ns, done) == (4, [])
    timeline.advance(2)
    assert timeline.now_ns == 4
    timeline.advance(10)
    assert (timeline.now_ns, done) == (10, [10])


def test_an_event_in_the_past_happens_now() -> None:
    timeline = Timeline(100)
    done: list[int] = []
    timeline.at(5, lambda: done.append(timeline.now_ns))
    timeline.advance(NEVER)
    assert done == [100]


def test_a_sleep_lets_the_world_go_on_until_it_is_over() -> None:
    timeline = Timeline(0)
    asked: list[int] = []
    clock = HostClock(timeline, 7, asked.append)
    clock.sleep(1.5)
    assert asked == [1_500_000_000]
    assert clock.epoch_ns() - clock.mono_ns() == 7


def test_the_venues_clock_drifts_and_tells_when_it_will_show_a_time() -> None:
    timeline = Timeline(0)
    clock = VenueClock(timeline, 1_000_000, 100)
    timeline.now_ns = 1000 * NS_PER_S
    assert clock.now_us() == 1_000_000 + 1_000_100_000
    for ahead_us in (0, 1, 999, 123_456_789):
        timeline.now_ns = 77 * NS_PER_S
        due_us = clock.now_us() + ahead_us
        due_ns = clock.ns_of(due_us)
        timeline.now_ns = due_ns
        assert clock.now_us() >= due_us
        timeline.now_ns = due_ns - 1
        assert clock.now_us() < due_us
