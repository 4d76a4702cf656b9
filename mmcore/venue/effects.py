"""What timed faults do to the exchange: its clock, its symbol, its accounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mmcore.venue.audit import accounts_now
from mmcore.venue.decimals import UNIT_E8, format_e8
from mmcore.venue.errors import VenueError
from mmcore.venue.exchange import Exchange, OrderRequest
from mmcore.venue.faults import Fault
from mmcore.venue.market import OrderKind, Side, StpMode, TimeInForce
from mmcore.venue.snapshots import BOUNDARY, INSIDE, STALE

_FOREIGN_PREFIX = "web_"


def strike(exchange: Exchange, fault: Fault) -> str:
    """Carry a timed fault out; returns what it hit, in words. Faults on sockets are the front's."""
    return _EFFECTS[fault.kind](exchange, fault)


def _later(exchange: Exchange, fault: Fault, action: Callable[[], object]) -> None:
    """Undo the fault after its `for_ms`, unless that is 0."""
    if fault.whole("for_ms"):
        exchange.agenda.at(exchange.clock.now_us() + 1000 * fault.whole("for_ms"), action)


def _step_clock(exchange: Exchange, fault: Fault) -> str:
    offset_us = 1000 * fault.whole("offset_ms")
    exchange.shift_clock(offset_us)
    _later(exchange, fault, lambda: exchange.shift_clock(-offset_us))
    return f"offset {exchange.offset_us // 1000} ms"


def _wipe(exchange: Exchange, fault: Fault) -> str:
    open_orders = sum(len(account.open_orders) for account in exchange.accounts.values())
    exchange.archive.append({"time_us": exchange.server_us(), "accounts": accounts_now(exchange)})
    exchange.wipe()
    return f"{open_orders} open orders"


def _set_status(exchange: Exchange, fault: Fault) -> str:
    exchange.set_status(fault.word("status"))
    _later(exchange, fault, lambda: exchange.set_status("TRADING"))
    return f"{exchange.rules.symbol} {exchange.status}"


def _change_filter(exchange: Exchange, fault: Fault) -> str:
    exchange.scale_filter(fault.word("filter"), fault.whole("factor"))
    rules = exchange.rules
    return (
        f"tick {format_e8(rules.tick_e8)} step {format_e8(rules.step_e8)} "
        f"minNotional {format_e8(rules.min_notional_e8)}"
    )


def _expire_orders(exchange: Exchange, fault: Fault) -> str:
    sides = {"BUY", "SELL"} if fault.word("side") == "both" else {fault.word("side")}
    ended = exchange.expire_orders(lambda order: order.side.value in sides, fault.whole("count"))
    return f"{ended} orders"


def _asset(exchange: Exchange, name: str) -> str:
    return {"base": exchange.rules.base, "quote": exchange.rules.quote}.get(name, name)


def _move_balance(exchange: Exchange, fault: Fault) -> str:
    asset = _asset(exchange, fault.word("asset"))
    moved = [exchange.move_balance(account, asset, fault.whole("amount_e8")) for account in exchange.accounts.values()]
    return " ".join(f"{format_e8(delta_e8)} {asset}" for delta_e8 in moved)


def _lose_bnb(exchange: Exchange, fault: Fault) -> str:
    moved = [
        exchange.move_balance(account, "BNB", -account.balance("BNB").free_e8) for account in exchange.accounts.values()
    ]
    return " ".join(f"{format_e8(delta_e8)} BNB" for delta_e8 in moved)


def _lock(exchange: Exchange, fault: Fault) -> str:
    asset = _asset(exchange, fault.word("asset"))
    locked = []
    for account in exchange.accounts.values():
        delta_e8 = exchange.lock_external(account, asset, fault.whole("amount_e8"))
        locked.append(f"{format_e8(delta_e8)} {asset}")
        _later(exchange, fault, _unlocker(exchange, account.account_id, asset, delta_e8))
    return " ".join(locked)


def _unlocker(exchange: Exchange, account_id: str, asset: str, amount_e8: int) -> Callable[[], object]:
    return lambda: exchange.lock_external(exchange.accounts[account_id], asset, -amount_e8)


def _place_foreign(exchange: Exchange, fault: Fault) -> str:
    rules = exchange.rules
    book = exchange.market.depth(1)
    side = Side(fault.word("side"))
    levels = () if book is None else book[1] if side is Side.BUY else book[2]
    if not levels:
        return "nothing: there is no book"
    away_e8 = fault.whole("ticks") * rules.tick_e8
    price_e8 = levels[0][0] - away_e8 if side is Side.BUY else levels[0][0] + away_e8
    notional_e16 = fault.whole("size") * rules.min_notional_e8 * UNIT_E8
    steps = -(-notional_e16 // (max(price_e8, rules.tick_e8) * rules.step_e8))
    request = OrderRequest(
        side=side,
        kind=OrderKind.LIMIT_MAKER if away_e8 else OrderKind.MARKET,
        tif=TimeInForce.GTC,
        price_e8=price_e8 if away_e8 else 0,
        qty_e8=max(steps * rules.step_e8, rules.min_qty_e8),
        client_id=f"{_FOREIGN_PREFIX}{exchange.clock.now_us()}",
        stp=StpMode.NONE,
    )
    account = next(iter(exchange.accounts.values()))
    try:
        order = exchange.place(account, request)
    except VenueError as refusal:
        return f"nothing: {refusal}"
    _later(exchange, fault, lambda: exchange.cancel(account, order, "") if order.is_open else None)
    return f"order {order.order_id} {order.status}"


def _freezer(mode: str) -> Callable[[Exchange, Fault], str]:
    def freeze(exchange: Exchange, fault: Fault) -> str:
        now_us = exchange.clock.now_us()
        exchange.snapshots.freeze(mode, now_us, now_us + 1000 * fault.whole("for_ms"))
        return f"snapshots {mode}"

    return freeze


def _lag_queries(exchange: Exchange, fault: Fault) -> str:
    exchange.lag_queries(1000 * fault.whole("lag_ms"))
    _later(exchange, fault, lambda: exchange.lag_queries(0))
    return f"{len(exchange.accounts)} accounts"


def _lose_reference(exchange: Exchange, fault: Fault) -> str:
    before_e8, exchange.reference_e8 = exchange.reference_e8, None
    if before_e8 is None:
        return "nothing: it is null"
    _later(exchange, fault, lambda: setattr(exchange, "reference_e8", before_e8))
    return f"it was {format_e8(before_e8)}"


_EFFECTS: Mapping[str, Callable[[Exchange, Fault], str]] = {
    "snapshot_stale": _freezer(STALE),
    "snapshot_boundary": _freezer(BOUNDARY),
    "snapshot_inside": _freezer(INSIDE),
    "clock_step": _step_clock,
    "wipe": _wipe,
    "symbol_status": _set_status,
    "filter_change": _change_filter,
    "exchange_cancels": _expire_orders,
    "balance_moved": _move_balance,
    "external_lock": _lock,
    "foreign_order": _place_foreign,
    "bnb_gone": _lose_bnb,
    "query_lag": _lag_queries,
    "no_reference_price": _lose_reference,
}
