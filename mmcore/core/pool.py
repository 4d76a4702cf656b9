"""A slab of equal objects behind handles that die with their object."""

from __future__ import annotations

from typing import Any, Final

from mmcore._native import ffi, lib
from mmcore.errors import CoreError

_LINE_BYTES: Final = 64


class Pool:
    """A fixed number of objects of one size. One thread at a time.

    The objects' memory is handed out as views that share it. A view stays readable after its object was given back,
    but then shows whatever the slot is used for next: keep the handle and ask for the view when it is needed.
    """

    def __init__(self, object_bytes: int, capacity: int) -> None:
        """object_bytes: >= 1; capacity: objects, >= 1. Raises CoreError when that cannot be."""
        needed = int(lib.mm_pool_bytes(object_bytes, capacity))
        if needed == 0:
            raise CoreError(lib.MM_E_ARGUMENT, f"pool of {capacity} objects of {object_bytes} bytes")
        owner = ffi.new("uint8_t[]", needed + _LINE_BYTES)
        self._view = memoryview(ffi.buffer(owner))  # keeps the memory alive for as long as any view of an object
        self._start = int(ffi.cast("uintptr_t", owner))
        skipped = -self._start % _LINE_BYTES
        made = ffi.new("mm_pool **")
        status = lib.mm_pool_init(owner + skipped, needed, object_bytes, capacity, made)
        if status < 0:
            raise CoreError(status, f"pool of {capacity} objects of {object_bytes} bytes")
        self.raw: Any = made[0]
        self.object_bytes: Final = object_bytes

    @property
    def capacity(self) -> int:
        """In objects."""
        return int(lib.mm_pool_capacity(self.raw))

    @property
    def used(self) -> int:
        """Objects taken and not given back."""
        return int(lib.mm_pool_used(self.raw))

    def take(self) -> tuple[int, memoryview] | None:
        """A handle (> 0) and the memory of its object, which is not cleared; None when all are taken."""
        handle = ffi.new("mm_handle *")
        address = ffi.new("void **")
        if not lib.mm_pool_take(self.raw, handle, address):
            return None
        return int(handle[0]), self._object(address[0])

    def give(self, handle: int) -> bool:
        """Gives an object back. False: the handle is stale or not of this pool, and nothing was done."""
        return bool(lib.mm_pool_give(self.raw, handle))

    def at(self, handle: int) -> memoryview | None:
        """The object's memory; None for a handle that is stale or not of this pool."""
        address = lib.mm_pool_at(self.raw, handle)
        return None if address == ffi.NULL else self._object(address)

    def valid(self) -> bool:
        """The pool's invariants."""
        return bool(lib.mm_pool_valid(self.raw))

    def _object(self, address: Any) -> memoryview:
        at = int(ffi.cast("uintptr_t", address)) - self._start
        return self._view[at : at + self.object_bytes]
