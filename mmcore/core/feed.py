"""Decoding of the exchange's JSON messages into records, in C.

One call takes one message and makes whole events of it. A handle may be used by one thread at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mmcore._native import ffi, lib
from mmcore.errors import CoreError

if TYPE_CHECKING:
    from mmcore.core.layout import Records

# No event, level or row takes fewer bytes of text per record than this.
_TEXT_PER_RECORD: Final = 16


class DecodeError(CoreError):
    """A message that cannot be decoded. position: the byte where it went wrong."""

    def __init__(self, status: int, position: int) -> None:
        name = bytes(ffi.string(lib.mm_status_name(status))).decode("ascii")
        super().__init__(status, f"message refused at byte {position}: {name}")
        self.position = position


@dataclass(frozen=True, slots=True)
class FeedInfo:
    """What the last message was beside its records. Texts are empty, numbers 0, and counts -1 when it did not say."""

    symbol: str
    stream: str
    request_id: str
    client_id: str
    error_code: int
    error_text: str
    http_status: int
    retry_after_ms: int
    """Milliseconds since the epoch."""
    subscription_id: int
    used_weight: int
    operation: int
    """MM_OP_* of a reply to an order operation of ours, else MM_OP_NONE."""
    shutdown: bool
    terminated: bool


class Feed:
    """A decoder.

    symbol: only this symbol's messages become records; "" = every symbol's.
    order_prefix, account_prefix: how client ids of this run, and of any run of this account, begin; "" = none.
    Raises CoreError when one has more than 23 bytes of UTF-8.
    """

    def __init__(self, symbol: str = "", order_prefix: str = "", account_prefix: str = "") -> None:
        fields = {"symbol": symbol, "order_prefix": order_prefix, "account_prefix": account_prefix}
        texts = {name: text.encode("utf-8") for name, text in fields.items()}
        for name, text in texts.items():
            if len(text) > 23:
                raise CoreError(lib.MM_E_ARGUMENT, f"{name} is longer than 23 bytes")
        raw = lib.mm_feed_new(ffi.new("mm_feed_config *", texts))
        if raw == ffi.NULL:
            raise CoreError(lib.MM_E_SYSTEM, "no memory for a decoder")
        # For other handles of `mmcore.core` too. Plain, for it is read on the way of every frame.
        self.raw: Any = ffi.gc(raw, lib.mm_feed_free)
        self._out = ffi.new("mm_record[]", 0)
        self._count = ffi.new("size_t *")
        self._error_at = ffi.new("size_t *")

    def decode(self, message: bytes | bytearray | memoryview, recv_ns: int = 0) -> Records:
        """The events of one message as an array of `layout.DECODED` that shares memory: valid until the next call.

        Raises DecodeError when the message is malformed; then nothing of it is to be used.
        """
        import numpy as np  # not by the bot, which never asks for this

        from mmcore.core.layout import DECODED

        count = self._decode(message, recv_ns)
        return np.frombuffer(ffi.buffer(self._out), dtype=DECODED, count=count)

    def decode_events(self, message: bytes | bytearray | memoryview, recv_ns: int = 0) -> list[Any]:
        """The same as one `mm_record *` an event, its continuations behind it; valid until the next call."""
        events = []
        at, count = 0, self._decode(message, recv_ns)
        while at < count:
            events.append(self._out + at)
            at += self._out[at].count
        return events

    @property
    def symbol(self) -> str:
        """`last().symbol` alone, at a tenth of its cost."""
        return _text(lib.mm_feed_last(self.raw).symbol)

    def last(self) -> FeedInfo:
        """What the last message was, whoever decoded it with this handle."""
        info = lib.mm_feed_last(self.raw)
        return FeedInfo(
            symbol=_text(info.symbol),
            stream=_text(info.stream),
            request_id=_text(info.request_id),
            client_id=_text(info.client_id),
            error_code=info.error_code,
            error_text=_text(info.error_text),
            http_status=info.http_status,
            retry_after_ms=info.retry_after_ms,
            subscription_id=info.subscription_id,
            used_weight=info.used_weight,
            operation=info.operation,
            shutdown=bool(info.shutdown),
            terminated=bool(info.terminated),
        )

    def order_seq(self, client_id: str) -> tuple[int, int]:
        """(order_seq, 0) of a client id of this run; else (0, MM_FLAG_OLD_RUN or MM_FLAG_FOREIGN)."""
        text = client_id.encode("utf-8")
        flags = ffi.new("uint16_t *")
        return int(lib.mm_feed_order_seq(self.raw, text, len(text), flags)), int(flags[0])

    def _decode(self, message: bytes | bytearray | memoryview, recv_ns: int) -> int:
        text = ffi.from_buffer("char[]", message)
        needed = len(text) // _TEXT_PER_RECORD + 4
        if len(self._out) < needed:
            self._out = ffi.new("mm_record[]", needed)
        status = lib.mm_feed_decode(
            self.raw, text, len(text), recv_ns, self._out, len(self._out), self._count, self._error_at
        )
        if status < 0:
            raise DecodeError(status, self._error_at[0])
        return int(self._count[0])


def reject_class(error_code: int, http_status: int, message: str) -> int:
    """MM_REJECT_* of a refusal by the exchange. Any thread."""
    return int(lib.mm_feed_reject_class(error_code, http_status, message.encode("utf-8")))


def _text(array: Any) -> str:
    return bytes(ffi.string(array)).decode("utf-8")
