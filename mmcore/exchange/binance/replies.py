"""REST replies of Binance Spot as records. Pure: bytes in, records or `MalformedError` out.

Unknown fields are passed over; a missing or misshapen one that is needed is an error, never a guess.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

from mmcore.errors import UnreachableError
from mmcore.exchange.base import (
    AccountSnapshot,
    Balance,
    CommissionRates,
    Discount,
    OpenOrder,
    OrderResponse,
    Outcome,
    OwnTrade,
    Side,
    is_asset,
)
from mmcore.units import E8, INT64_MAX, INT64_MIN, parse_e8

_TIME_MAX_MS: Final = 2**62 // 10**6
"""What the core reckons with: the year 2116."""
_CODE_MIN: Final = -(2**31)

_OUTCOMES: Final[Mapping[str, Outcome]] = {
    "NEW": Outcome.ACKED,
    "PENDING_NEW": Outcome.ACKED,
    "PARTIALLY_FILLED": Outcome.ACKED,
    "FILLED": Outcome.FILLED,
    "CANCELED": Outcome.CANCELED,
    "REJECTED": Outcome.REJECTED,
    "EXPIRED": Outcome.EXPIRED,
    "EXPIRED_IN_MATCH": Outcome.EXPIRED,
}


class MalformedError(UnreachableError):
    """Something answered, but not as the exchange does."""


def document(body: bytes) -> Any:
    """The parsed JSON of a reply; NaN and Infinity are no JSON."""
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        pass
    raise MalformedError("the answer is not JSON")


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def error_of(body: bytes) -> tuple[int, str]:
    """Code and message of an error body, 0 where the exchange names no number; (0, "") when it is none of its."""
    try:
        found = document(body)
    except MalformedError:
        return 0, ""
    if not isinstance(found, Mapping):
        return 0, ""
    code, message = found.get("code"), found.get("msg")
    if not isinstance(code, int) or isinstance(code, bool) or not isinstance(message, str):
        return 0, ""
    return (code, message) if _CODE_MIN <= code <= 0 else (0, "")


def server_time_ms(body: bytes) -> int:
    """Of /time, ms since the epoch."""
    found = _time(object_of(body), "serverTime")
    if found == 0:
        raise MalformedError("the answer's serverTime is no time")
    return found


def best_bid_e8(body: bytes) -> int | None:
    """Of /depth."""
    bids = object_of(body).get("bids")
    if not isinstance(bids, list):
        raise MalformedError("the answer has no bids")
    if not bids:
        return None
    best = bids[0]
    return _e8({"price": best[0] if isinstance(best, list) and best else None}, "price")


def account(body: bytes) -> AccountSnapshot:
    """Of /account."""
    found = object_of(body)
    permissions = found.get("permissions", [])
    return AccountSnapshot(
        balances=tuple(
            Balance(_text(row, "asset"), _e8(row, "free"), _e8(row, "locked"))
            for row in _rows(found.get("balances")) if _may_be_ours(row)
        ),
        can_trade=found.get("canTrade") is True,
        permissions=frozenset(str(name) for name in permissions) if isinstance(permissions, list) else frozenset(),
        update_time_ms=_time(found, "updateTime"),
    )


def commission(body: bytes) -> CommissionRates:
    """Of /account/commission: standard, special and tax rates added up. A discount is on the standard rates alone."""
    found = object_of(body)
    kinds = {name: _object(found[name]) for name in ("standardCommission", "specialCommission", "taxCommission")
             if name in found}
    if not kinds:
        raise MalformedError("the answer has no commission rates")
    full = _rates(kinds, E8)
    discount = found.get("discount")
    if not isinstance(discount, Mapping) or not all(discount.get(f"enabledFor{of}") for of in ("Account", "Symbol")):
        return full
    return replace(full, discount=Discount(_asset(discount, "discountAsset"), _rates(kinds, _e8(discount, "discount"))))


def _rates(kinds: Mapping[str, Mapping[str, Any]], multiplier_e8: int) -> CommissionRates:
    """multiplier_e8: of the standard rates; rounded up."""
    rates = {name: sum(-(-_e8(kind, name) * multiplier_e8 // E8) if which == "standardCommission" else _e8(kind, name)
                       for which, kind in kinds.items())
             for name in ("maker", "taker", "buyer", "seller")}
    if any(abs(rate_e8) > E8 for rate_e8 in rates.values()):
        raise MalformedError("the answer has a commission of more than all")
    return CommissionRates(
        maker_buy_e8=rates["maker"] + rates["buyer"],
        maker_sell_e8=rates["maker"] + rates["seller"],
        taker_buy_e8=rates["taker"] + rates["buyer"],
        taker_sell_e8=rates["taker"] + rates["seller"],
    )


def open_orders(body: bytes) -> tuple[OpenOrder, ...]:
    """Of /openOrders."""
    return tuple(
        OpenOrder(
            symbol=_text(row, "symbol"),
            client_id=_text(row, "clientOrderId"),
            exchange_id=_int(row, "orderId"),
            side=_side(row),
            price_e8=_e8(row, "price"),
            qty_e8=_e8(row, "origQty"),
            executed_e8=_e8(row, "executedQty"),
            time_ms=_time(row, "time"),
        )
        for row in _rows(document(body))
    )


def own_trades(body: bytes) -> tuple[OwnTrade, ...]:
    """Of /myTrades, oldest first."""
    return tuple(
        OwnTrade(
            trade_id=_int(row, "id"),
            exchange_id=_int(row, "orderId"),
            side=Side.BUY if _bool(row, "isBuyer") else Side.SELL,
            price_e8=_e8(row, "price"),
            qty_e8=_e8(row, "qty"),
            quote_e8=_e8(row, "quoteQty"),
            fee_e8=_e8(row, "commission"),
            fee_asset=_asset(row, "commissionAsset"),
            maker=_bool(row, "isMaker"),
            time_ms=_time(row, "time"),
        )
        for row in _rows(document(body))
    )


def client_id(body: bytes) -> str:
    """The client id of a queried order."""
    return _text(object_of(body), "clientOrderId")


def best_prices(body: bytes) -> tuple[int, int]:
    """Best bid and ask of /ticker/bookTicker, times 1e8; 0 = that side is empty."""
    found = object_of(body)
    return _e8(found, "bidPrice"), _e8(found, "askPrice")


def client_ids(body: bytes) -> tuple[str, ...]:
    """Of /allOrders."""
    return tuple(_text(row, "clientOrderId") for row in _rows(document(body)))


def order(body: bytes, client_id: str) -> OrderResponse:
    """Of /order, whichever method. client_id: the order's, which the reply must be about. A reply of the shortest form
    (symbol, ids and time) means that the order was accepted; a state unknown here is UNKNOWN."""
    return _about(_order(object_of(body)), client_id)


def amended(body: bytes, client_id: str) -> OrderResponse:
    """Of /order/amend/keepPriority: the order as it is now."""
    return _about(_order(_object(object_of(body).get("amendedOrder"))), client_id)


def _about(response: OrderResponse, client_id: str) -> OrderResponse:
    if response.client_id != client_id:
        raise MalformedError("the answer is about another order")
    return response


def _order(found: Mapping[str, Any]) -> OrderResponse:
    status = found.get("status")
    side = found.get("side")
    return OrderResponse(
        outcome=Outcome.ACKED if status is None else _OUTCOMES.get(str(status), Outcome.UNKNOWN),
        client_id=_text(found, "origClientOrderId" if found.get("origClientOrderId") else "clientOrderId"),
        exchange_id=_int(found, "orderId"),
        side=None if side is None else _side(found),
        price_e8=_e8(found, "price", 0),
        qty_e8=_e8(found, "origQty" if "origQty" in found else "qty", 0),
        executed_e8=_e8(found, "executedQty", -1),
        executed_quote_e8=_e8(found, "cummulativeQuoteQty", -1),
        time_ms=_time(found, "transactTime" if "transactTime" in found else "updateTime", 0),
    )


@dataclass(frozen=True, slots=True)
class Half:
    """What became of one half of a cancelReplace. result: SUCCESS with the order, FAILURE or NOT_ATTEMPTED with code
    and message (0 and "" when none were given)."""

    result: str
    order: OrderResponse | None
    code: int
    message: str


def replacement(body: bytes) -> tuple[Half, Half] | None:
    """Of /order/cancelReplace, its errors too: the cancel and the new order. None: the answer tells nothing of them."""
    found = object_of(body)
    halves = found.get("data", found)
    if not isinstance(halves, Mapping) or "cancelResult" not in halves:
        return None
    return _half(halves, "cancelResult", "cancelResponse"), _half(halves, "newOrderResult", "newOrderResponse")


def _half(halves: Mapping[str, Any], result: str, response: str) -> Half:
    told = halves.get(response)
    if halves.get(result) == "SUCCESS":
        return Half("SUCCESS", _order(_object(told)), 0, "")
    if told is None:
        return Half(_text(halves, result), None, 0, "")
    code = _int(_object(told), "code")
    if not _CODE_MIN <= code < -_CODE_MIN:
        raise MalformedError("the answer's code is none")
    return Half(_text(halves, result), None, code, _text(_object(told), "msg"))


def object_of(body: bytes) -> Mapping[str, Any]:
    """A body that is one object."""
    return _object(document(body))


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise MalformedError("the answer has not the expected form")
    return value


def _rows(value: object) -> list[Mapping[str, Any]]:
    if not isinstance(value, list):
        raise MalformedError("the answer has not the expected form")
    return [_object(row) for row in value]


def _text(row: Mapping[str, Any], field: str) -> str:
    value = row.get(field)
    if not isinstance(value, str):
        raise MalformedError(f"the answer has no text {field}")
    return value


def _int(row: Mapping[str, Any], field: str, absent: int | None = None) -> int:
    value = row.get(field, absent)
    if not isinstance(value, int) or isinstance(value, bool) or not INT64_MIN <= value <= INT64_MAX:
        raise MalformedError(f"the answer has no whole number {field}")
    return value


def _time(row: Mapping[str, Any], field: str, absent: int | None = None) -> int:
    value = _int(row, field, absent)
    if not 0 <= value <= _TIME_MAX_MS:
        raise MalformedError(f"the answer's {field} is no time")
    return value


def _asset(row: Mapping[str, Any], field: str) -> str:
    """Of what cannot be left out."""
    name = _text(row, field)
    if not is_asset(name):
        raise MalformedError(f"the answer's {field} is no asset that can be counted here")
    return name


def _bool(row: Mapping[str, Any], field: str) -> bool:
    value = row.get(field)
    if not isinstance(value, bool):
        raise MalformedError(f"the answer has no true or false {field}")
    return value


def _e8(row: Mapping[str, Any], field: str, absent: int | None = None) -> int:
    value = row.get(field)
    if value is None and absent is not None:
        return absent
    fault = "is missing or no text"
    if isinstance(value, str):
        try:
            return parse_e8(value)
        except ValueError as error:
            fault = str(error)
    raise MalformedError(f"the answer's {field} {fault}")


def _may_be_ours(row: Mapping[str, Any]) -> bool:
    """Whether a balance fits the exact integers and the names used here: an account may hold other assets of any name
    and number."""
    return is_asset(_text(row, "asset")) and all(_fits(str(row.get(field))) for field in ("free", "locked"))


def _fits(text: str) -> bool:
    whole = text.partition(".")[0]
    if not whole.isdecimal() or int(whole[:40]) < INT64_MAX // E8:
        return True
    try:
        parse_e8(text)
    except ValueError:
        return False
    return True


def _side(row: Mapping[str, Any]) -> Side:
    try:
        return Side(row.get("side"))
    except ValueError:
        pass
    raise MalformedError("the answer has no side BUY or SELL")
