"""The venue's own truth, for comparison with what a client believes. All amounts are decimal strings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcore.venue.accounts import Account, Fill, Order
from mmcore.venue.decimals import format_e8
from mmcore.venue.exchange import Exchange


def audit(exchange: Exchange, queue_log: Sequence[dict[str, Any]] | None) -> dict[str, Any]:
    """All accounts with every order and fill since the last wipe, and the fees taken. Times are server time in
    microseconds.

    An order rests from `placed_us` to `ended_us` (null while it is open). `queue_log`, with a recorded market only,
    holds the queue model's inputs and fills in order.
    """
    report: dict[str, Any] = {
        "symbol": exchange.rules.symbol,
        "base": exchange.rules.base,
        "quote": exchange.rules.quote,
        "server_time_us": exchange.server_us(),
        "accounts": accounts_now(exchange),
        "wipes": list(exchange.archive),
        "fees": {asset: format_e8(amount) for asset, amount in exchange.fees_e8.items()},
    }
    report["traffic"] = exchange.traffic.describe()
    report["faults"] = exchange.faults.describe()
    report["strikes"] = [
        {"id": strike.id, "kind": strike.kind, "time_us": strike.time_us, "hit": strike.hit}
        for strike in exchange.faults.strikes
    ]
    if queue_log is not None:
        report["queue_log"] = list(queue_log)
    return report


def accounts_now(exchange: Exchange) -> list[dict[str, Any]]:
    """All accounts as they are now."""
    return [_account(account) for account in exchange.accounts.values()]


def _account(account: Account) -> dict[str, Any]:
    return {
        "api_key": account.api_key,
        "balances": {
            asset: {
                "free": format_e8(balance.free_e8),
                "locked": format_e8(balance.locked_e8),
                "start": format_e8(balance.start_e8),
                "moved": format_e8(balance.moved_e8),
                "external": format_e8(balance.external_e8),
            }
            for asset, balance in account.balances.items()
        },
        "orders": [_order(order) for order in account.orders.values()],
        "fills": [_fill(account, fill) for fill in account.fills],
        "orders_rejected": account.rejected_count,
    }


def _order(order: Order) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_id,
        "side": order.side.value,
        "type": order.kind.value,
        "time_in_force": order.tif.value,
        "price": format_e8(order.price_e8),
        "qty": format_e8(order.qty_e8),
        "executed": format_e8(order.executed_e8),
        "quote_executed": format_e8(order.quote_e8),
        "prevented": format_e8(order.prevented_e8),
        "amended_from": [amendment.old_client_id for amendment in order.amendments],
        "status": order.status,
        "placed_us": order.placed_us,
        "ended_us": order.ended_us or None,
    }


def _fill(account: Account, fill: Fill) -> dict[str, Any]:
    return {
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "client_order_id": account.orders[fill.order_id].client_id,
        "side": fill.side.value,
        "price": format_e8(fill.price_e8),
        "qty": format_e8(fill.qty_e8),
        "quote": format_e8(fill.quote_e8),
        "commission": format_e8(fill.commission_e8),
        "commission_asset": fill.commission_asset,
        "maker": fill.maker,
        "time_us": fill.time_us,
    }
