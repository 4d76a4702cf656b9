"""Events the host builds for the engine: whole records, ready to be pushed.

Everything here is plain values in, a cffi array `mm_record[]` out. Prices, quantities and balances count 1e-8;
times are ns
of the local monotonic clock (`_ns`) or microseconds since the epoch (`_us`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mmcore._native import ffi, lib
from mmcore.errors import CoreError

ORDER: Final[int] = lib.MM_CHANNEL_ORDER
USER: Final[int] = lib.MM_CHANNEL_USER


def _records(kind: int, count: int = 1, flags: int = 0) -> Any:
    records = ffi.new("mm_record[]", count)
    records[0].kind = kind
    records[0].count = count
    records[0].flags = flags
    return records


def market_link(up: bool, now_ns: int) -> Any:
    """The market connection came up or went down."""
    records = _records(lib.MM_KIND_MARKET_LINK)
    _fill_link(records, up, lib.MM_CHANNEL_MARKET, now_ns)
    return records


def order_link(channel: int, up: bool, now_ns: int) -> Any:
    """Order entry (`ORDER`) or the account's events (`USER`) became usable or stopped being so."""
    records = _records(lib.MM_KIND_ORDER_LINK)
    _fill_link(records, up, channel, now_ns)
    return records


def user_replaced(now_ns: int) -> Any:
    """The account's events come over another connection now, without a break."""
    records = order_link(USER, True, now_ns)
    records[0].body.link.state = lib.MM_LINK_REPLACED
    return records


def _fill_link(records: Any, up: bool, channel: int, now_ns: int) -> None:
    body = records[0].body.link
    body.state = lib.MM_LINK_UP if up else lib.MM_LINK_DOWN
    body.recv_ns = now_ns
    body.channel = channel


def command(which: int, now_ns: int, value: int = 0) -> Any:
    """One of MM_COMMAND_*."""
    records = _records(lib.MM_KIND_COMMAND)
    body = records[0].body.command
    body.now_ns = now_ns
    body.command = which
    body.value = value
    return records


def symbol(trading: bool, now_ns: int) -> Any:
    """Whether the exchange takes orders in the symbol."""
    return command(lib.MM_COMMAND_SYMBOL, now_ns, int(trading))


def clock(offset_ns: int, round_trip_ns: int, now_ns: int) -> Any:
    """The exchange's epoch time minus the local monotonic time."""
    records = _records(lib.MM_KIND_CLOCK)
    body = records[0].body.command
    body.now_ns = now_ns
    body.value = offset_ns
    body.value2 = round_trip_ns
    return records


def ban(until_ns: int, now_ns: int) -> Any:
    """The exchange lets nothing through before until_ns."""
    records = _records(lib.MM_KIND_LIMIT)
    body = records[0].body.outcome
    body.until_ns = until_ns
    body.recv_ns = now_ns
    return records


def budget(counts: Mapping[str, int], now_ns: int) -> Any:
    """What the exchange has counted of our requests, and its limits: the fields of `mm_budget_body` that it named."""
    records = _records(lib.MM_KIND_BUDGET)
    body = records[0].body.budget
    for name in ("orders_10s", "orders_10s_limit", "orders_day", "orders_day_limit", "weight_1m", "weight_1m_limit",
                 "raw_5m", "raw_5m_limit"):
        setattr(body, name, counts.get(name, -1))
    body.recv_ns = now_ns
    return records


def balance(asset: str, free_e8: int, locked_e8: int, time_us: int) -> Any:
    """One asset's absolute balance, as a REST read shows it."""
    records = _records(lib.MM_KIND_BALANCE, flags=lib.MM_FLAG_BY_REST)
    body = records[0].body.balance
    body.asset = _asset(asset)
    body.free_e8 = free_e8
    body.locked_e8 = locked_e8
    body.time_us = time_us
    return records


def price(asset: str, price_e8: int) -> Any:
    """What an asset that fees are paid in costs in quote; 0 = not known."""
    records = _records(lib.MM_KIND_PRICE, flags=lib.MM_FLAG_BY_REST)
    body = records[0].body.balance
    body.asset = _asset(asset)
    body.free_e8 = price_e8
    return records


def rules(values: Mapping[str, Any]) -> Any:
    """Filters and fees of the symbol, all of them, by the names of `mm_symbol`. Raises CoreError when they are no
    symbol's."""
    symbol = ffi.new("mm_symbol *", dict(values))
    status = lib.mm_symbol_check(symbol)
    if status < 0:
        raise CoreError(status, "the symbol's rules")
    records = ffi.new("mm_record[]", lib.MM_SYMBOL_RECORDS)
    lib.mm_symbol_write(symbol, records)
    return records


def account_end(token: int) -> Any:
    """All balances of an account read have been given."""
    return _end(lib.MM_KIND_ACCOUNT_END, token)


def open_end(token: int) -> Any:
    """All open orders of a read have been given."""
    return _end(lib.MM_KIND_OPEN_END, token)


def trades_end(token: int) -> Any:
    """All own trades of a read have been given."""
    return _end(lib.MM_KIND_TRADES_END, token)


def _end(kind: int, token: int) -> Any:
    records = _records(kind)
    records[0].body.balance.token = token
    return records


def report(kind: int, order_seq: int, *, exchange_id: int, status: int, flags: int = 0, side: int = -1,
           price_e8: int = 0, qty_e8: int = 0, executed_e8: int = -1, code: int = 0) -> Any:
    """ACK, CANCELED, STATUS or OPEN_ROW about one order; order_seq 0 = not of this run."""
    records = _records(kind, flags=flags | lib.MM_FLAG_BY_REST)
    body = records[0].body.report
    body.order_seq = order_seq
    body.exchange_id = exchange_id
    body.price_e8 = price_e8
    body.qty_e8 = qty_e8
    body.executed_e8 = executed_e8
    body.status = status
    body.side = side
    body.code = code
    return records


def trade_row(order_seq: int, *, flags: int, side: int, exchange_id: int, trade_id: int, price_e8: int, qty_e8: int,
              quote_e8: int, fee_e8: int, fee_asset: str, time_us: int) -> Any:
    """One own trade as a REST read shows it."""
    records = _records(lib.MM_KIND_TRADE_ROW, 2, flags | lib.MM_FLAG_FILL | lib.MM_FLAG_BY_REST)
    head = records[0].body.report
    head.order_seq = order_seq
    head.exchange_id = exchange_id
    head.price_e8 = price_e8
    head.qty_e8 = qty_e8
    head.executed_e8 = -1
    head.status = lib.MM_ORDER_STATUS_OTHER
    head.side = side
    records[1].kind = lib.MM_KIND_MORE
    fill = records[1].body.fill
    fill.trade_id = trade_id
    fill.quote_e8 = quote_e8
    fill.fee_e8 = fee_e8
    fill.fee_asset = _asset(fee_asset)
    fill.time_us = time_us
    return records


def outcome(kind: int, order_seq: int, operation: int, now_ns: int, *, code: int = 0, reject_class: int = 0,
            verdict: int = 0, until_epoch_ns: int = 0) -> Any:
    """REJECT, CANCEL_REJECT, LOST, SENT or NOT_SENT of one operation on an order."""
    records = _records(kind, flags=lib.MM_FLAG_BY_REST)
    body = records[0].body.outcome
    body.order_seq = order_seq
    body.recv_ns = now_ns
    body.until_ns = until_epoch_ns
    body.verdict = verdict
    body.code = code
    body.operation = operation
    body.detail = reject_class
    return records


def _asset(name: str) -> bytes:
    """Asset names fit 15 bytes on the exchange; a longer one cannot be told apart from its start and is refused."""
    raw = name.encode("utf-8")
    if len(raw) > 15:
        raise ValueError(f"asset {name[:20]!r} is longer than 15 bytes")
    return raw


def verdict(*names: str) -> int:
    """Reason bits by name, e.g. `verdict("DISCONNECTED")`."""
    bits = 0
    for name in names:
        bits |= 1 << getattr(lib, f"MM_REASON_{name}")
    return bits
