"""The slab pool through its handle against a dict."""

from __future__ import annotations

import gc

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mmcore.core.pool import Pool
from mmcore.errors import CoreError


class PoolAgainstDict(RuleBasedStateMachine):
    """Any order of takes and gives, of live, stale and invented handles, does what a dict with a bound does."""

    @initialize(object_bytes=st.integers(1, 200), capacity=st.integers(1, 20))
    def begin(self, object_bytes: int, capacity: int) -> None:
        self.pool = Pool(object_bytes, capacity)
        self.live: dict[int, bytes] = {}
        self.dead: set[int] = set()
        self.number = 0

    @rule()
    def take(self) -> None:
        taken = self.pool.take()
        assert (taken is not None) is (len(self.live) < self.pool.capacity)
        if taken is None:
            return
        handle, view = taken
        assert handle > 0
        assert handle not in self.live
        assert handle not in self.dead
        self.number += 1
        content = (self.number.to_bytes(4, "little") * 50)[: self.pool.object_bytes]
        view[:] = content
        self.live[handle] = content

    @rule(data=st.data())
    def give(self, data: st.DataObject) -> None:
        if self.live:
            handle = data.draw(st.sampled_from(sorted(self.live)))
            assert self.pool.give(handle)
            del self.live[handle]
            self.dead.add(handle)

    @rule(data=st.data())
    def give_twice(self, data: st.DataObject) -> None:
        if self.dead:
            handle = data.draw(st.sampled_from(sorted(self.dead)))
            assert not self.pool.give(handle)
            assert self.pool.at(handle) is None

    @rule(handle=st.integers(0, 2**64 - 1))
    def give_an_invented_one(self, handle: int) -> None:
        if handle not in self.live:
            assert not self.pool.give(handle)
            assert self.pool.at(handle) is None

    @rule(data=st.data(), bit=st.integers(0, 63))
    def give_one_with_a_bit_flipped(self, data: st.DataObject, bit: int) -> None:
        if self.live:
            self.give_an_invented_one(data.draw(st.sampled_from(sorted(self.live))) ^ 1 << bit)

    @invariant()
    def agrees(self) -> None:
        assert self.pool.used == len(self.live)
        assert self.pool.valid()
        for handle, content in self.live.items():
            view = self.pool.at(handle)
            assert view is not None
            assert bytes(view) == content


TestPoolAgainstDict = PoolAgainstDict.TestCase
TestPoolAgainstDict.settings = settings(max_examples=100, stateful_step_count=50)


@pytest.mark.parametrize(("object_bytes", "capacity"), [(0, 1), (1, 0), (1, 2**32 - 1), (2**63, 4)])
def test_a_pool_that_cannot_be_is_refused(object_bytes: int, capacity: int) -> None:
    with pytest.raises(CoreError):
        Pool(object_bytes, capacity)


def test_the_object_given_last_is_taken_first() -> None:
    pool = Pool(8, 3)
    taken = [pool.take() for _ in range(3)]
    handles = [handle for handle, _ in filter(None, taken)]
    for handle, name in zip(handles, (b"first...", b"second..", b"third..."), strict=True):
        view = pool.at(handle)
        assert view is not None
        view[:] = name
    assert pool.give(handles[2])
    assert pool.give(handles[0])
    again = pool.take()
    assert again is not None
    assert bytes(again[1]) == b"first..."


def test_a_view_keeps_the_memory_alive_when_the_pool_is_gone() -> None:
    pool = Pool(4096, 4)
    taken = pool.take()
    assert taken is not None
    view = taken[1]
    view[:] = b"x" * 4096
    del pool, taken
    gc.collect()
    assert bytes(view) == b"x" * 4096


def test_a_handle_of_a_pool_of_another_shape_is_foreign() -> None:
    pool, other = Pool(8, 4), Pool(16, 4)
    here, there = pool.take(), other.take()
    assert here is not None
    assert there is not None
    assert pool.at(there[0]) is None
    assert not pool.give(there[0])
    assert pool.used == 1
