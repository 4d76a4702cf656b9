"""What a run says about itself: the JSON object of `--summary` and the status line for people.

Counts are integers; money and quantities are exact decimal text. The types here are the schema: a field that is not
set does not type-check, and nothing else gets into the file.
"""

from __future__ import annotations

import enum
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from mmcore.errors import UsageError
from mmcore.units import format_e8


class ExitReason(enum.StrEnum):
    """Why the run ended."""

    DURATION = "duration"
    SIGNAL = "signal"
    RISK = "risk"
    KILL = "kill"
    UNREACHABLE = "unreachable"
    CREDENTIALS = "credentials"
    ERROR = "error"


class Stage(enum.StrEnum):
    """The measured parts of the way from a received frame to an order and its answer."""

    RECV_TO_DECODE = "recv_to_decode"
    DECODE_TO_BOOK = "decode_to_book"
    BOOK_TO_QUOTE = "book_to_quote"
    QUOTE_TO_SEND = "quote_to_send"
    TICK_TO_ORDER = "tick_to_order"
    """From the receive stamp of the frame that triggered it to the order's bytes handed to the kernel."""
    ORDER_TO_ACK = "order_to_ack"


@dataclass(frozen=True, slots=True)
class QuotedShare:
    """Share of the time after the first sync with an own order resting, 0 to 1, per side."""

    bid: float
    ask: float

    @classmethod
    def of_times(cls, bid_ns: int, ask_ns: int, total_ns: int) -> QuotedShare:
        """From times in ns; 0 of nothing is 0."""
        if not (0 <= bid_ns <= total_ns and 0 <= ask_ns <= total_ns):
            raise ValueError(f"resting for {bid_ns} and {ask_ns} ns is not within {total_ns} ns")
        return cls(*(round(part / total_ns, 6) if total_ns else 0.0 for part in (bid_ns, ask_ns)))


@dataclass(frozen=True, slots=True)
class Balance:
    """One asset's holding, in counts of 1e-8."""

    free_e8: int
    locked_e8: int


@dataclass(frozen=True, slots=True)
class Pnl:
    """Profit and loss in quote asset, counts of 1e-8. The total is made here, so that it is exactly their sum."""

    realized_e8: int
    unrealized_e8: int
    fees_e8: int

    @property
    def total_e8(self) -> int:
        return self.realized_e8 + self.unrealized_e8 - self.fees_e8


@dataclass(frozen=True, slots=True)
class Latency:
    """One stage's histogram, in ns; all 0 when nothing was measured."""

    p50: int
    p99: int
    p999: int
    max: int
    count: int


@dataclass(frozen=True, slots=True)
class Moves:
    """Changes of quotes: a wish that no order served, or only one too large. wanted = made + merged + withheld.

    merged: another wish took its place before anything went out for it; withheld: it was not wanted any more by then,
    or waited at the end. Of those made, replaces cancelled and placed with one request, amends made an order smaller.
    """

    wanted: int
    made: int
    merged: int
    withheld: int
    replaces: int
    amends: int


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The run summary. Fields named `_e8` appear without the suffix, as decimal text.

    events: inputs of the engine. book_updates: depth messages applied. gaps: breaks of the sequence after the first
    sync. book_audits: comparisons of the book with a later snapshot; book_audit_failures: those that differed.
    market_duplicates: events that the other market connection had brought before. quotes: changed quote decisions.
    orders_rejected: by the exchange; orders_refused: by our own gate. position_e8: base bought less base sold less
    fees taken in base. fees_paid_e8: asset to commissions paid in it. unpriced_fees: fills whose fee counts 0 in pnl,
    as nobody knew what its asset was worth. no_quote_reasons: reason to milliseconds. reconciles: answered reads of
    open orders, trades and balances while trading. reconcile_repairs: what they put right. actions_digest: hex SHA-256,
    only of a recorded run. venue_audit: the demo exchange's own truth, only in mode demo.
    """

    mode: str
    symbol: str
    exit_reason: ExitReason
    events: int
    book_updates: int
    gaps: int
    resyncs: int
    book_audits: int
    book_audit_failures: int
    market_duplicates: int
    quotes: int
    quoted_share: QuotedShare
    orders_sent: int
    orders_acked: int
    orders_rejected: int
    orders_refused: int
    orders_canceled: int
    fills: int
    open_orders_at_exit: int
    unknown_orders: int
    reconciles: int
    reconcile_repairs: int
    moves: Moves
    position_e8: int
    balances: Mapping[str, Balance]
    pnl: Pnl
    fees_paid_e8: Mapping[str, int]
    unpriced_fees: int
    no_quote_reasons: Mapping[str, int]
    latency_ns: Mapping[Stage, Latency]
    actions_digest: str | None = None
    venue_audit: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        missing = [stage for stage in Stage if stage not in self.latency_ns]
        if missing:
            raise ValueError(f"latency_ns lacks {', '.join(missing)}")

    def to_json(self) -> dict[str, Any]:
        """The object as it is written."""
        made = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name.removesuffix("_e8"): _exact(value) if name.endswith("_e8") else _plain(value)
            for name, value in made.items()
            if value is not None
        }


def _exact(value: int | Mapping[str, int]) -> str | dict[str, str]:
    if isinstance(value, int):
        return format_e8(value)
    return {name: format_e8(part) for name, part in value.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Pnl):
        parts = {"realized": value.realized_e8, "unrealized": value.unrealized_e8, "fees": value.fees_e8}
        return {name: format_e8(part) for name, part in (*parts.items(), ("total", value.total_e8))}
    if isinstance(value, Balance):
        return {"free": format_e8(value.free_e8), "locked": format_e8(value.locked_e8)}
    if isinstance(value, QuotedShare | Latency | Moves):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    return str(value) if isinstance(value, enum.StrEnum) else value


# ---- Writing -------------------------------------------------------------------------------------------------


def check_writable(path: Path) -> None:
    """Raises UsageError if a summary could not be written to `path`; leaves nothing behind. For the start of a run:
    the end is too late to learn it."""
    try:
        temporary = _temporary(_target(path))
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        raise UsageError(
            f"--summary {path}: {error.strerror or error}", "name a file in a directory that exists and can be written"
        ) from None


def write(path: Path, summary: RunSummary) -> None:
    """Writes the summary as one JSON object and a newline. A reader sees the whole of it or what was there before.

    Raises OSError if the disk does not take it; nothing is left behind then.
    """
    target = _target(path)
    temporary = _temporary(target)
    text = json.dumps(summary.to_json(), allow_nan=False) + "\n"
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.tmp")


def _target(path: Path) -> Path:
    """The file itself behind any links. Raises OSError if there is something there that cannot be replaced."""
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise OSError(0, "is not a regular file")
    return target


# ---- The status line -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Status:
    """A moment of a run, for the status line. Prices and quantities count 1e-8; None: there is none."""

    mode: str
    symbol: str
    state: str
    reason: str | None
    """Why a side is not quoted."""
    best_bid_e8: int | None
    best_ask_e8: int | None
    own_bid_e8: int | None
    own_ask_e8: int | None
    position_e8: int
    pnl_e8: int
    quote_asset: str
    orders: int
    fills: int
    tick_to_order_p50_ns: int
    tick_to_order_p99_ns: int


_CLEAR: Final = "\r\x1b[2K"
_STYLE: Final = {"ACTIVE": "\x1b[32m", "REDUCING": "\x1b[33m", "HALTED": "\x1b[31m", "KILLED": "\x1b[31m"}
_RESET: Final = "\x1b[0m"


def format_status(status: Status, *, terminal: bool, colour: bool = True, width: int = 0) -> str:
    """One line about the run, without a newline.

    terminal: overwrite the line before, cut to `width` columns (0: not cut); otherwise the text is plain, for a file
    or a pipe. colour: only on a terminal.
    """
    state = status.state if status.reason is None else f"{status.state} ({status.reason})"
    text = " | ".join((
        f"{status.mode} {status.symbol} {state}",
        f"market {_pair(status.best_bid_e8, status.best_ask_e8)}",
        f"quotes {_pair(status.own_bid_e8, status.own_ask_e8)}",
        f"position {format_e8(status.position_e8)}",
        f"pnl {'+' if status.pnl_e8 > 0 else ''}{format_e8(status.pnl_e8)} {status.quote_asset}",
        f"orders {status.orders}, fills {status.fills}",
        f"tick to order {_micros(status.tick_to_order_p50_ns)}, p99 {_micros(status.tick_to_order_p99_ns)}",
    ))
    if not terminal:
        return text
    text = text[:width] if width > 0 else text
    if colour and status.state in _STYLE:
        text = text.replace(state, f"{_STYLE[status.state]}{state}{_RESET}", 1)
    return _CLEAR + text


def _pair(bid_e8: int | None, ask_e8: int | None) -> str:
    return " / ".join("-" if price_e8 is None else format_e8(price_e8) for price_e8 in (bid_e8, ask_e8))


def _micros(time_ns: int) -> str:
    """`-`: no order has been caused by a frame yet."""
    return f"{time_ns / 1000:.1f} us" if time_ns else "-"
