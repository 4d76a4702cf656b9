"""Requests about orders: placing, cancelling, replacing, reducing, and what became of them.

An answer is JSON-able data in the exchange's own field order, every time in it a `Stamp`.
"""

from __future__ import annotations

from typing import Any

from mmcore.venue import errors
from mmcore.venue.accounts import Amendment, Fill, Order, PreventedMatch
from mmcore.venue.calls import Call, check_symbol, check_time_range, discount_row
from mmcore.venue.decimals import format_e8
from mmcore.venue.errors import VenueError
from mmcore.venue.exchange import OrderRequest
from mmcore.venue.jsontext import Stamp
from mmcore.venue.market import OrderKind, Side, StpMode, TimeInForce
from mmcore.venue.params import Params

_ZERO = format_e8(0)
_UNSUPPORTED_TYPES = {
    "STOP_LOSS": "Stop loss orders are not supported for this symbol.",
    "STOP_LOSS_LIMIT": "Stop loss limit orders are not supported for this symbol.",
    "TAKE_PROFIT": "Take profit orders are not supported for this symbol.",
    "TAKE_PROFIT_LIMIT": "Take profit limit orders are not supported for this symbol.",
}
_RESTRICTIONS = ("ONLY_NEW", "ONLY_PARTIALLY_FILLED")
_SUCCESS, _FAILURE, _NOT_ATTEMPTED = "SUCCESS", "FAILURE", "NOT_ATTEMPTED"


# Reading


def _read_order(call: Call) -> OrderRequest:
    params = call.params
    check_symbol(call)
    side = params.text("side")
    if side not in ("BUY", "SELL"):
        raise VenueError(-1117, "Invalid side.")
    kind_name = params.text("type") or ""
    if kind_name in _UNSUPPORTED_TYPES:
        raise VenueError(-1013, _UNSUPPORTED_TYPES[kind_name])
    if kind_name not in OrderKind.__members__:
        raise VenueError(-1116, "Invalid orderType.")
    kind = OrderKind(kind_name)
    _check_order_shape(params, kind)
    by_quote = "quoteOrderQty" in params
    mode = params.text("selfTradePreventionMode") or "NONE"
    if mode not in StpMode.__members__:
        raise VenueError(-1013, "This symbol does not allow the specified self-trade prevention mode.")
    return OrderRequest(
        side=Side(side),
        kind=kind,
        tif=TimeInForce(params.text("timeInForce") or "GTC"),
        price_e8=0 if kind is OrderKind.MARKET else params.decimal_e8("price"),
        qty_e8=0 if by_quote else params.decimal_e8("quantity"),
        client_id=params.client_id("newClientOrderId") or "",
        stp=StpMode(mode),
        quote_qty_e8=params.decimal_e8("quoteOrderQty") if by_quote else 0,
    )


def _check_order_shape(params: Params, kind: OrderKind) -> None:
    """Refuse what the order type does not take, and what this symbol does not offer."""
    tif = params.text("timeInForce")
    if kind is OrderKind.LIMIT:
        if tif is None:
            raise errors.mandatory("timeInForce")
    elif tif is not None:
        raise errors.not_required("timeInForce")
    if tif is not None and tif not in TimeInForce.__members__:
        raise VenueError(-1115, "Invalid timeInForce.")
    for name in ("stopPrice", "trailingDelta"):
        if name in params:
            raise errors.not_required(name)
    if "icebergQty" in params:
        raise VenueError(-1013, "Iceberg orders are not supported for this symbol.")
    if "quoteOrderQty" in params and (kind is not OrderKind.MARKET or "quantity" in params):
        raise errors.not_required("quoteOrderQty")
    if kind is OrderKind.MARKET and "price" in params:
        raise errors.not_required("price")


def _word(params: Params, name: str, words: tuple[str, ...], default: str | None) -> str:
    """One of a few words; -1102 if a mandatory one is missing, -1130 for another word."""
    value = params.text(name)
    if value is None:
        if default is None:
            raise errors.mandatory(name)
        return default
    if value not in words:
        raise VenueError(-1130, f"Data sent for parameter '{name}' is not valid.")
    return value


def _response_type(params: Params, kind: OrderKind) -> str:
    default = "ACK" if kind is OrderKind.LIMIT_MAKER else "FULL"
    return _word(params, "newOrderRespType", ("ACK", "RESULT", "FULL"), default)


def _restriction(params: Params) -> str:
    restriction = params.text("cancelRestrictions") or ""
    if restriction and restriction not in _RESTRICTIONS:
        raise VenueError(-1145, "Invalid cancelRestrictions")
    return restriction


def _ids(call: Call, id_name: str = "orderId", client_name: str = "origClientOrderId") -> tuple[int | None, str | None]:
    """The two names of an order, at least one of them."""
    check_symbol(call)
    order_id, client_id = call.params.integer(id_name), call.params.text(client_name)
    if order_id is None and client_id is None:
        raise errors.either_mandatory(client_name, id_name)
    return order_id, client_id


# Placing, cancelling, replacing, reducing


def place(call: Call) -> dict[str, Any]:
    """POST order, order.place."""
    request = _read_order(call)
    response_type = _response_type(call.params, request.kind)
    return _placed_row(call, call.exchange.place(call.account, request), response_type)


def test(call: Call) -> dict[str, Any]:
    """POST order/test, order.test."""
    request = _read_order(call)
    _response_type(call.params, request.kind)
    call.exchange.check(call.account, request)
    if not call.params.flag("computeCommissionRates", False):
        return {}
    commission = call.account.commission
    kinds = {"standard": commission.standard, "special": commission.special, "tax": commission.tax}
    rates: dict[str, Any] = {
        f"{name}CommissionForOrder": {
            "maker": format_e8(kind.of(maker=True, side=request.side)),
            "taker": format_e8(kind.of(maker=False, side=request.side)),
        }
        for name, kind in kinds.items()
    }
    return {**rates, "discount": discount_row(call)}


def test_weight(params: Params) -> int:
    """20 where commission rates are asked for."""
    return 20 if (params.text("computeCommissionRates") or "").lower() == "true" else 1


def cancel(call: Call) -> dict[str, Any]:
    """DELETE order, order.cancel."""
    name = call.params.client_id("newClientOrderId") or ""
    restriction = _restriction(call.params)
    order = call.exchange.find(call.account, *_ids(call))
    name = call.exchange.cancel(call.account, order, name, restriction)
    assert order is not None, "what was cancelled was there"
    return _canceled_row(call, order, name)


def cancel_all(call: Call) -> list[dict[str, Any]]:
    """DELETE openOrders, openOrders.cancelAll."""
    check_symbol(call)
    open_orders = list(call.account.open_orders.values())
    if not open_orders:
        raise errors.unknown_order()
    return [_canceled_row(call, order, call.exchange.cancel(call.account, order, "")) for order in open_orders]


def cancel_replace(call: Call) -> dict[str, Any]:
    """POST order/cancelReplace, order.cancelReplace: filters and order count first, then the two halves one after the
    other. Where not both succeed: 409 -2021 or 400 -2022 (429 as documented) with what became of each.
    """
    params, exchange, account = call.params, call.exchange, call.account
    request = _read_order(call)
    response_type = _response_type(params, request.kind)
    stops = _word(params, "cancelReplaceMode", ("STOP_ON_FAILURE", "ALLOW_FAILURE"), None) == "STOP_ON_FAILURE"
    over_limit_mode = _word(params, "orderRateLimitExceededMode", ("DO_NOTHING", "CANCEL_ONLY"), "DO_NOTHING")
    restriction = _restriction(params)
    name = params.client_id("cancelNewClientOrderId") or ""
    ids = _ids(call, "cancelOrderId", "cancelOrigClientOrderId")
    over_limit = exchange.over_order_limit(account)
    if over_limit is not None and over_limit_mode == "DO_NOTHING":
        raise over_limit
    exchange.check_filters(account, request)
    if over_limit is None:
        exchange.count_order(account)
    cancel_result, cancel_response = _SUCCESS, None
    try:
        order = exchange.find(account, *ids)
        name = exchange.cancel(account, order, name, restriction)
        assert order is not None, "what was cancelled was there"
        cancel_response = _canceled_row(call, order, name)
    except VenueError as error:
        cancel_result, cancel_response = _FAILURE, _refusal(error)
    new_result, new_response = _NOT_ATTEMPTED, None
    if cancel_result == _SUCCESS or not stops:
        try:
            if over_limit is not None:
                raise over_limit
            new_response = _placed_row(call, exchange.enter(account, request), response_type)
            new_result = _SUCCESS
        except VenueError as error:
            new_result, new_response = _FAILURE, _refusal(error)
    outcome = {
        "cancelResult": cancel_result,
        "newOrderResult": new_result,
        "cancelResponse": cancel_response,
        "newOrderResponse": new_response,
    }
    if cancel_result == new_result == _SUCCESS:
        return outcome
    partly = _SUCCESS in (cancel_result, new_result)
    status = 429 if over_limit is not None and stops else 409 if partly else 400
    code, msg = (-2021, "Order cancel-replace partially failed.") if partly else (-2022, "Order cancel-replace failed.")
    retry_at_ms = over_limit.retry_at_ms if over_limit is not None and status == 429 else None
    raise VenueError(code, msg, status=status, retry_at_ms=retry_at_ms, data=outcome)


def _refusal(error: VenueError) -> dict[str, Any]:
    return {"code": error.code, "msg": error.msg}


def amend(call: Call) -> dict[str, Any]:
    """PUT order/amend/keepPriority, order.amend.keepPriority."""
    name = call.params.client_id("newClientOrderId") or ""
    new_qty_e8 = call.params.decimal_e8("newQty")
    order = call.exchange.find(call.account, *_ids(call))
    amendment = call.exchange.amend(call.account, order, new_qty_e8, name)
    assert order is not None, "what was amended was there"
    return {
        "transactTime": Stamp(amendment.time_us),
        "executionId": amendment.execution_id,
        "amendedOrder": {
            "symbol": call.exchange.rules.symbol,
            "orderId": order.order_id,
            "orderListId": -1,
            "origClientOrderId": amendment.old_client_id,
            "clientOrderId": amendment.new_client_id,
            "price": format_e8(order.price_e8),
            "qty": format_e8(order.qty_e8),
            "executedQty": format_e8(order.executed_e8),
            "preventedQty": format_e8(order.prevented_e8),
            "quoteOrderQty": format_e8(order.quote_qty_e8),
            "cumulativeQuoteQty": format_e8(order.quote_e8),
            "status": order.status,
            "timeInForce": order.tif.value,
            "type": order.kind.value,
            "side": order.side.value,
            "workingTime": Stamp(order.placed_us),
            "selfTradePreventionMode": order.stp.value,
        },
    }


def amend_weight(result: Any) -> int:
    """4; nothing where the order expired by it."""
    return 0 if result["amendedOrder"]["status"] == "EXPIRED" else 4


# Queries


def status(call: Call) -> dict[str, Any]:
    """GET order, order.status."""
    order = call.exchange.find(call.account, *_ids(call))
    if order is None:
        raise errors.no_such_order()
    return _order_row(call, order)


def open_orders(call: Call) -> list[dict[str, Any]]:
    """GET openOrders, openOrders.status."""
    check_symbol(call)
    return [_order_row(call, order) for order in call.account.open_orders.values()]


def all_orders(call: Call) -> list[dict[str, Any]]:
    """GET allOrders, allOrders: from `orderId` on, or of a time, or the latest."""
    check_symbol(call)
    first_id = call.params.integer("orderId")
    start_us, end_us = check_time_range(call.params)
    found = [
        order
        for order in call.account.orders.values()
        if (first_id is None or order.order_id >= first_id)
        and (start_us is None or order.placed_us >= start_us)
        and (end_us is None or order.placed_us // 1000 <= end_us // 1000)
    ]
    limit = call.params.limit(500, 1000)
    from_the_start = first_id is not None or start_us is not None
    return [_order_row(call, order) for order in (found[:limit] if from_the_start else found[-limit:])]


def amendments(call: Call) -> list[dict[str, Any]]:
    """GET order/amendments, order.amendments: of one order, from `fromExecutionId` on."""
    check_symbol(call)
    order_id = call.params.integer("orderId")
    from_id = call.params.integer("fromExecutionId") or 0
    limit = call.params.limit(500, 1000)
    order = call.account.orders.get(order_id or 0)
    if order is None:
        raise errors.no_such_order()
    found = [one for one in order.amendments if one.execution_id >= from_id]
    return [_amendment_row(call, one) for one in found[:limit]]


def prevented_matches(call: Call) -> list[dict[str, Any]]:
    """GET myPreventedMatches, myPreventedMatches: one by its id, or those of an order."""
    check_symbol(call)
    match_id, order_id = call.params.integer("preventedMatchId"), call.params.integer("orderId")
    from_id = call.params.integer("fromPreventedMatchId")
    if (match_id is None) is (order_id is None) or (match_id is not None and from_id is not None):
        raise VenueError(-1128, "Combination of optional parameters invalid.")
    limit = call.params.limit(500, 1000)
    found = [
        match
        for match in call.account.prevented
        if (match_id is None or match.match_id == match_id)
        and (order_id is None or order_id in (match.taker_order_id, match.maker_order_id))
        and match.match_id >= (from_id or 0)
    ]
    return [_prevented_row(call, match) for match in found[:limit]]


def prevented_matches_weight(params: Params) -> int:
    """2 by the match's id, 20 by an order's."""
    return 2 if "preventedMatchId" in params else 20


# Rows


def _order_state(order: Order) -> dict[str, Any]:
    return {
        "price": format_e8(order.price_e8),
        "origQty": format_e8(order.qty_e8),
        "executedQty": format_e8(order.executed_e8),
        "origQuoteOrderQty": format_e8(order.quote_qty_e8),
        "cummulativeQuoteQty": format_e8(order.quote_e8),
        "status": order.status,
        "timeInForce": order.tif.value,
        "type": order.kind.value,
        "side": order.side.value,
    }


def _prevented_fields(order: Order) -> dict[str, Any]:
    """What only an order has that self-trade prevention took from."""
    if not order.prevented_e8:
        return {}
    return {"preventedMatchId": order.prevented_match_id, "preventedQuantity": format_e8(order.prevented_e8)}


def _placed_row(call: Call, order: Order, response_type: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "symbol": call.exchange.rules.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "transactTime": Stamp(order.placed_us),
    }
    if response_type == "ACK":
        return row
    row.update(_order_state(order))
    row["workingTime"] = Stamp(order.placed_us)
    row["selfTradePreventionMode"] = order.stp.value
    row.update(_prevented_fields(order))
    if order.expiry_reason:
        row["expiryReason"] = order.expiry_reason
    if response_type == "FULL":
        row["fills"] = [_fill_row(fill) for fill in order.fills]
        if order.preventions:
            row["preventedMatches"] = [_met_row(match) for match in order.preventions]
    return row


def _fill_row(fill: Fill) -> dict[str, Any]:
    return {
        "price": format_e8(fill.price_e8),
        "qty": format_e8(fill.qty_e8),
        "commission": format_e8(fill.commission_e8),
        "commissionAsset": fill.commission_asset,
        "tradeId": fill.trade_id,
    }


def _lost(match: PreventedMatch) -> dict[str, str]:
    lost = {"takerPreventedQuantity": match.taker_e8, "makerPreventedQuantity": match.maker_e8}
    return {name: format_e8(qty_e8) for name, qty_e8 in lost.items() if qty_e8}


def _met_row(match: PreventedMatch) -> dict[str, Any]:
    return {
        "preventedMatchId": match.match_id,
        "makerOrderId": match.maker_order_id,
        "price": format_e8(match.price_e8),
        **_lost(match),
    }


def _prevented_row(call: Call, match: PreventedMatch) -> dict[str, Any]:
    symbol = call.exchange.rules.symbol
    return {
        "symbol": symbol,
        "preventedMatchId": match.match_id,
        "takerOrderId": match.taker_order_id,
        "makerSymbol": symbol,
        "makerOrderId": match.maker_order_id,
        "tradeGroupId": -1,
        "selfTradePreventionMode": match.mode.value,
        "price": format_e8(match.price_e8),
        **_lost(match),
        "transactTime": Stamp(match.time_us),
    }


def _amendment_row(call: Call, one: Amendment) -> dict[str, Any]:
    return {
        "symbol": call.exchange.rules.symbol,
        "orderId": one.order_id,
        "executionId": one.execution_id,
        "origClientOrderId": one.old_client_id,
        "newClientOrderId": one.new_client_id,
        "origQty": format_e8(one.old_qty_e8),
        "newQty": format_e8(one.new_qty_e8),
        "time": Stamp(one.time_us),
    }


def _canceled_row(call: Call, order: Order, cancel_client_id: str) -> dict[str, Any]:
    return {
        "symbol": call.exchange.rules.symbol,
        "origClientOrderId": order.client_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": cancel_client_id,
        "transactTime": Stamp(order.ended_us),
        **_order_state(order),
        "selfTradePreventionMode": order.stp.value,
        **_prevented_fields(order),
    }


def _order_row(call: Call, order: Order) -> dict[str, Any]:
    row = {
        "symbol": call.exchange.rules.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        **_order_state(order),
        "stopPrice": _ZERO,
        "icebergQty": _ZERO,
        "time": Stamp(order.placed_us),
        "updateTime": Stamp(order.updated_us),
        "isWorking": True,
        "workingTime": Stamp(order.placed_us),
        "selfTradePreventionMode": order.stp.value,
        **_prevented_fields(order),
    }
    if order.expiry_reason:
        row["expiryReason"] = order.expiry_reason
    return row
