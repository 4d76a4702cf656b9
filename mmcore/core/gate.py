"""The last check before an order's bytes leave; holder of the ORDERS role only, but for `kill`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmcore._native import ffi, lib
from mmcore.errors import CoreError


class Gate:
    """Turns an action of the engine into signed bytes, or refuses it."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """values: the fields of `mm_gate_config`. Raises CoreError when one is outside its range."""
        raw = lib.mm_gate_new(ffi.new("mm_gate_config *", dict(values)))
        if raw == ffi.NULL:
            raise CoreError(lib.MM_E_ARGUMENT, "gate configuration")
        self._raw = ffi.gc(raw, lib.mm_gate_free)
        self._text = ffi.new("const char **")
        self._bytes = ffi.new("const uint8_t **")
        self._count = ffi.new("size_t *")
        self._id = ffi.new("char[]", 64)

    def kill(self) -> None:
        """From now on only cancels and queries leave. Any thread."""
        lib.mm_gate_kill(self._raw)

    def set_clock(self, offset_ns: int) -> None:
        """Exchange epoch time minus local monotonic time."""
        lib.mm_gate_clock(self._raw, offset_ns)

    def ban(self, until_ns: int) -> None:
        """Nothing leaves before then."""
        lib.mm_gate_ban(self._raw, until_ns)

    @property
    def raw(self) -> Any:
        """The `mm_gate *`, for other handles of `mmcore.core`."""
        return self._raw

    def session(self, logged_on: bool) -> None:
        """Whether the connection has logged on: its requests then carry neither key nor signature."""
        lib.mm_gate_session(self._raw, logged_on)

    def encode(self, action: Any, now_ns: int) -> tuple[int, bytes]:
        """(0, what must be signed; empty when the request is complete), or (reason bits, b"") when it may not go."""
        verdict = int(lib.mm_gate_encode(self._raw, action, now_ns, self._text, self._count))
        return (verdict, b"") if verdict else (0, bytes(ffi.buffer(self._text[0], self._count[0])))

    def seal(self, signature: str) -> None:
        """Completes the request. Raises CoreError for a signature of another form than configured."""
        raw = signature.encode("ascii")
        status = lib.mm_gate_seal(self._raw, raw, len(raw))
        if status < 0:
            raise CoreError(status, "signature")

    def take(self) -> bytes:
        """The bytes of the requests completed since the last call; empty when there are none."""
        count = lib.mm_gate_take(self._raw, self._bytes)
        return bytes(ffi.buffer(self._bytes[0], count))

    def client_id(self, order_seq: int, side: int, layer: int) -> str:
        """The id an order of this run has at the exchange. Any thread may call it through a gate of its own."""
        count = lib.mm_gate_client_id(self._raw, order_seq, side, layer, self._id)
        return bytes(ffi.buffer(self._id, count)).decode("ascii")
