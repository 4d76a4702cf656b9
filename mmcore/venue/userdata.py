"""The events of the user data stream, without the subscription's wrapper: JSON-able data, times as `Stamp`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmcore.venue.accounts import Balance, Fill, Order, PreventedMatch
from mmcore.venue.decimals import format_e8, multiply_e8
from mmcore.venue.jsontext import Stamp

_ZERO = format_e8(0)


def execution_report(
    order: Order,
    symbol: str,
    execution: str,
    *,
    execution_id: int,
    now_us: int,
    fill: Fill | None = None,
    client_id: str = "",
    original_client_id: str = "",
    reject_reason: str = "NONE",
) -> dict[str, Any]:
    """An executionReport. `execution` is x: NEW, TRADE, CANCELED, REPLACED, EXPIRED or REJECTED.

    `client_id` (c) is the order's own where it is empty. On CANCELED it names the cancel, and the order's own id is
    the original (C); on REPLACED the original is the id before the amend.
    """
    event: dict[str, Any] = {
        "e": "executionReport",
        "E": Stamp(now_us),
        "s": symbol,
        "c": client_id or order.client_id,
        "S": order.side.value,
        "o": order.kind.value,
        "f": order.tif.value,
        "q": format_e8(order.qty_e8),
        "p": format_e8(order.price_e8),
        "P": _ZERO,
        "F": _ZERO,
        "g": -1,
        "C": original_client_id,
        "x": execution,
        "X": order.status,
        "r": reject_reason,
        "i": order.order_id,
        "l": format_e8(fill.qty_e8) if fill else _ZERO,
        "z": format_e8(order.executed_e8),
        "L": format_e8(fill.price_e8) if fill else _ZERO,
        "n": format_e8(fill.commission_e8) if fill else "0",
        "N": fill.commission_asset if fill else None,
        "T": Stamp(fill.time_us if fill else now_us),
        "t": fill.trade_id if fill else -1,
        "I": execution_id,
        "w": order.is_open,
        "m": fill.maker if fill else False,
        "M": fill is not None,
        "O": Stamp(order.placed_us),
        "Z": format_e8(order.quote_e8),
        "Y": format_e8(fill.quote_e8) if fill else _ZERO,
        "Q": format_e8(order.quote_qty_e8),
        "V": order.stp.value,
    }
    if execution != "REJECTED":
        event["W"] = Stamp(order.placed_us)
    if order.expiry_reason:
        event["eR"] = order.expiry_reason
    return event


def trade_prevention(
    order: Order, symbol: str, match: PreventedMatch, *, execution_id: int, now_us: int
) -> dict[str, Any]:
    """An executionReport of x TRADE_PREVENTION: what `match` took from one of its two orders."""
    taker = order.order_id == match.taker_order_id
    event = execution_report(order, symbol, "TRADE_PREVENTION", execution_id=execution_id, now_us=now_us)
    event["v"] = match.match_id
    event["A"] = format_e8(order.prevented_e8)
    event["B"] = format_e8(match.taker_e8 if taker else match.maker_e8)
    event["u"] = -1
    event["U"] = match.maker_order_id if taker else match.taker_order_id
    event["Cs"] = symbol
    event["pl"] = format_e8(match.qty_e8)
    event["pL"] = format_e8(match.price_e8)
    event["pY"] = format_e8(multiply_e8(match.price_e8, match.qty_e8))
    return event


def account_position(balances: Mapping[str, Balance], *, event_us: int, updated_us: int) -> dict[str, Any]:
    """An outboundAccountPosition with the absolute balances of the assets that may have changed."""
    rows = [
        {"a": asset, "f": format_e8(balance.free_e8), "l": format_e8(balance.locked_e8)}
        for asset, balance in balances.items()
    ]
    return {"e": "outboundAccountPosition", "E": Stamp(event_us), "u": Stamp(updated_us), "B": rows}


def stream_terminated(now_us: int) -> dict[str, Any]:
    """The last event of a subscription that ended without the connection ending."""
    return {"e": "eventStreamTerminated", "E": Stamp(now_us)}


def server_shutdown(now_us: int) -> dict[str, Any]:
    """The announcement that the connection will be closed soon."""
    return {"e": "serverShutdown", "E": Stamp(now_us)}


def balance_update(asset: str, delta_e8: int, now_us: int) -> dict[str, Any]:
    """A deposit or, below zero, a withdrawal."""
    row = {"a": asset, "d": format_e8(delta_e8), "T": Stamp(now_us)}
    return {"e": "balanceUpdate", "E": Stamp(now_us), **row}


def external_lock(asset: str, delta_e8: int, now_us: int) -> dict[str, Any]:
    """An amount that something outside the exchange locked or, below zero, gave back."""
    row = {"a": asset, "d": format_e8(delta_e8), "T": Stamp(now_us)}
    return {"e": "externalLockUpdate", "E": Stamp(now_us), **row}
