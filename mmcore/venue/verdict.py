"""Judges a run by the venue's audit alone: what a client believes of itself has no voice here.

Works on the JSON of `GET /venue/audit`, from which everything is reckoned again: balances from start, fills and fees,
locked funds from open orders, executed quantities from fills.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mmcore.venue.decimals import UNIT_E8, parse_e8

_OPEN = ("NEW", "PARTIALLY_FILLED")


def judge(report: Mapping[str, Any], own_prefix: str, *, is_over: bool) -> list[str]:
    """What is wrong, in words; an empty list is an acquittal.

    Own orders are those whose client ids begin with `own_prefix`. With `is_over` none of them may be open any more.
    Judged: client ids accepted twice, orders filled beyond their quantity, fills that no order accounts for or that
    are told twice, balances and fees (to 1e-8), own orders left open, requests sent while told to wait.
    """
    wrong: list[str] = []
    for state in (*report["wipes"], report):
        for account in state["accounts"]:
            wrong += _judge_fills(account)
            wrong += _judge_balances(account, str(report["base"]), str(report["quote"]))
    wrong += _judge_names(report, own_prefix)
    wrong += _judge_fees(report)
    if is_over:
        left = [order["client_order_id"] for order in own_orders(report, own_prefix) if order["status"] in _OPEN]
        wrong += [f"own order {name} is still open" for name in left]
    traffic = report["traffic"]
    for name in ("during_wait", "orders_during_wait"):
        if traffic[name]:
            wrong.append(f"{traffic[name]} requests counted as {name}, up to {traffic['most_early_ms']} ms early")
    return wrong


def own_orders(report: Mapping[str, Any], own_prefix: str) -> list[Mapping[str, Any]]:
    """The own orders since the last wipe, in the order of their ids."""
    orders = (order for account in report["accounts"] for order in account["orders"])
    return [order for order in orders if _first_name(order).startswith(own_prefix)]


def resting_share(report: Mapping[str, Any], own_prefix: str, from_us: int, to_us: int) -> dict[str, float]:
    """By side, the share of a span of server time during which at least one own order was open.

    Of orders since the last wipe; where the exchange's clock stepped within the span it is not exact.
    """
    shares = {}
    for side in ("BUY", "SELL"):
        lives = sorted(
            (max(order["placed_us"], from_us), min(order["ended_us"] or to_us, to_us))
            for order in own_orders(report, own_prefix)
            if order["side"] == side
        )
        covered_us, end_us = 0, from_us
        for placed_us, ended_us in lives:
            covered_us += max(0, ended_us - max(placed_us, end_us))
            end_us = max(end_us, ended_us)
        shares[side] = covered_us / (to_us - from_us)
    return shares


def _first_name(order: Mapping[str, Any]) -> str:
    """The client id that the order came with; amends may have given it others."""
    return str((*order["amended_from"], order["client_order_id"])[0])


def _judge_names(report: Mapping[str, Any], own_prefix: str) -> list[str]:
    seen: set[str] = set()
    wrong = []
    for state in (*report["wipes"], report):
        for order in own_orders(state, own_prefix):
            name = _first_name(order)
            if name in seen:
                wrong.append(f"client id {name} was accepted twice")
            seen.add(name)
    return wrong


def _judge_fills(account: Mapping[str, Any]) -> list[str]:
    wrong = []
    by_order: dict[int, list[Mapping[str, Any]]] = {}
    told: set[tuple[int, int]] = set()
    for fill in account["fills"]:
        by_order.setdefault(fill["order_id"], []).append(fill)
        key = (fill["trade_id"], fill["order_id"])
        if key in told:
            wrong.append(f"trade {key[0]} of order {key[1]} is told twice")
        told.add(key)
    for order in account["orders"]:
        fills = by_order.pop(order["order_id"], [])
        name = order["client_order_id"]
        executed_e8, quote_e8 = _sum(fills, "qty"), _sum(fills, "quote")
        if (executed_e8, quote_e8) != (parse_e8(order["executed"]), parse_e8(order["quote_executed"])):
            wrong.append(f"order {name}: executed {order['executed']}, its fills come to {executed_e8}e-8")
        if executed_e8 + parse_e8(order["prevented"]) > parse_e8(order["qty"]):
            wrong.append(f"order {name}: executed {order['executed']} of {order['qty']}")
        if (order["ended_us"] is None) != (order["status"] in _OPEN):
            wrong.append(f"order {name}: {order['status']}, but ended_us is {order['ended_us']}")
    wrong += [f"fills of order {order_id}, which is unknown" for order_id in by_order]
    return wrong


def _judge_balances(account: Mapping[str, Any], base: str, quote: str) -> list[str]:
    total_e8: dict[str, int] = {}
    locked_e8: dict[str, int] = {}
    for asset, balance in account["balances"].items():
        total_e8[asset] = parse_e8(balance["start"]) + _signed_e8(balance["moved"])
        locked_e8[asset] = parse_e8(balance["external"])
    for fill in account["fills"]:
        sign = 1 if fill["side"] == "BUY" else -1
        total_e8[base] += sign * parse_e8(fill["qty"])
        total_e8[quote] -= sign * parse_e8(fill["quote"])
        total_e8[fill["commission_asset"]] -= parse_e8(fill["commission"])
    for order in account["orders"]:
        if order["status"] in _OPEN:
            left_e8 = parse_e8(order["qty"]) - parse_e8(order["executed"]) - parse_e8(order["prevented"])
            if order["side"] == "SELL":
                locked_e8[base] += left_e8
            else:
                locked_e8[quote] += left_e8 * parse_e8(order["price"]) // UNIT_E8
    wrong = []
    for asset, balance in account["balances"].items():
        free, locked = parse_e8(balance["free"]), parse_e8(balance["locked"])
        if free + locked != total_e8[asset]:
            wrong.append(f"{asset}: {balance['free']} + {balance['locked']}, reckoned {total_e8[asset]}e-8")
        if locked != locked_e8[asset]:
            wrong.append(f"{asset}: {balance['locked']} locked, orders and locks come to {locked_e8[asset]}e-8")
    return wrong


def _judge_fees(report: Mapping[str, Any]) -> list[str]:
    taken_e8: dict[str, int] = {}
    for account in report["accounts"]:
        for fill in account["fills"]:
            asset = fill["commission_asset"]
            taken_e8[asset] = taken_e8.get(asset, 0) + parse_e8(fill["commission"])
    return [
        f"fees: {text} {asset}, the fills' come to {taken_e8.get(asset, 0)}e-8"
        for asset, text in report["fees"].items()
        if parse_e8(text) != taken_e8.get(asset, 0)
    ]


def _sum(rows: Iterable[Mapping[str, Any]], name: str) -> int:
    return sum(parse_e8(row[name]) for row in rows)


def _signed_e8(text: str) -> int:
    return -parse_e8(text[1:]) if text.startswith("-") else parse_e8(text)
