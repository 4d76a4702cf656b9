"""The ring through its handle against a deque."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mmcore.core.layout import RECORD, Records
from mmcore.core.queue import Queue
from mmcore.errors import CoreError


def event_of(count: int, number: int) -> Records:
    """An event whose records carry its number and their index; seq holds leftovers."""
    event = np.zeros(count, dtype=RECORD)
    event["seq"] = number + 1
    event["kind"] = 10
    event["flags"] = np.arange(count)
    event["count"][0] = count
    event["body"] = np.void(number.to_bytes(8, "little") * 6)
    return event


class QueueAgainstDeque(RuleBasedStateMachine):
    """Any order of pushes and pops, refusals included, does what a deque with a bound does."""

    @initialize(bits=st.integers(1, 6))
    def begin(self, bits: int) -> None:
        self.queue = Queue(1 << bits)
        self.twin: deque[Records] = deque()
        self.used = 0
        self.pushed = 0
        self.number = 0

    @rule(count=st.integers(1, 70))
    def push(self, count: int) -> None:
        self.number += 1
        event = event_of(count, self.number)
        fits = self.used + count <= self.queue.capacity
        assert self.queue.push(event) is fits
        if fits:
            event["seq"] = np.arange(self.pushed, self.pushed + count) + 1
            self.twin.append(event)
            self.pushed += count
            self.used += count

    @rule()
    def fill(self) -> None:
        while self.used < self.queue.capacity:
            self.push(1)

    @rule()
    def pop(self) -> None:
        event = self.queue.pop()
        if not self.twin:
            assert event is None
            return
        assert event is not None
        assert event.tobytes() == self.twin[0].tobytes()
        self.used -= len(self.twin.popleft())

    @invariant()
    def agrees(self) -> None:
        assert self.queue.room() == self.queue.capacity - self.used
        assert self.queue.empty() is (not self.twin)
        assert self.queue.valid()


TestQueueAgainstDeque = QueueAgainstDeque.TestCase
TestQueueAgainstDeque.settings = settings(max_examples=100, stateful_step_count=60)


@pytest.mark.parametrize("capacity", [0, 1, 3, 1000, (1 << 24) + 1, 1 << 25])
def test_a_capacity_that_is_no_power_of_two_in_range_is_refused(capacity: int) -> None:
    with pytest.raises(CoreError):
        Queue(capacity)


def test_a_row_that_is_no_event_is_refused() -> None:
    queue = Queue(8)
    wrong_count = event_of(2, 1)
    wrong_count["count"][0] = 3
    words: Any = np.zeros(8, dtype=np.uint64)
    for row in (wrong_count, event_of(1, 1)[:0], words, event_of(4, 1).reshape(2, 2)):
        with pytest.raises(ValueError, match="an event is a row"):
            queue.push(row)
    assert queue.empty()


def test_every_second_record_of_an_array_is_an_event_too() -> None:
    queue = Queue(8)
    event = np.repeat(event_of(3, 5), 2)[::2]
    assert queue.push(event)
    popped = queue.pop()
    assert popped is not None
    assert popped["flags"].tolist() == [0, 1, 2]


def test_two_python_threads_see_every_event_once_and_in_order() -> None:
    queue = Queue(64)
    seen: list[int] = []

    def consume() -> None:
        while len(seen) < 2000:
            event = queue.pop()
            if event is not None:
                assert len(event) == 1 + len(seen) % 7
                seen.append(int.from_bytes(event[0]["body"].tobytes()[:8], "little"))

    consumer = threading.Thread(target=consume)
    consumer.start()
    for number in range(2000):
        while not queue.push(event_of(1 + number % 7, number)):
            pass
    consumer.join(timeout=30)
    assert seen == list(range(2000))
    assert queue.valid()
