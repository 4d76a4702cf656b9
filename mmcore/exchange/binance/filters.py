"""exchangeInfo: what a symbol is, what orders it takes and how often.

Numbers become exact integers of 1e-8 at once. What this bot does not know (new filters, new states, new rate limits)
is kept by name or passed over, never guessed. A number that cannot be kept exactly is an error that names symbol and
filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mmcore.errors import UnreachableError
from mmcore.exchange.base import Side, SymbolError, SymbolFilters, is_asset, printable
from mmcore.units import E8, INT64_MAX, format_e8, parse_e8

TRADING: Final = "TRADING"
"""The one symbol status in which orders are taken. Every other one (known or new) means: cancels only."""

_INTERVAL_MS: Final = {"SECOND": 1_000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000}
# What an unlimited number of open orders is written as; far above any exchange's own limit.
_NO_COUNT_LIMIT: Final = 1_000_000
_COUNT_MAX: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `limit` of `kind` (ORDERS, REQUEST_WEIGHT, RAW_REQUESTS, ...) in each clock-aligned window."""

    kind: str
    interval_ms: int
    limit: int


@dataclass(frozen=True, slots=True)
class FilterFailure:
    """An order the exchange would refuse. filter: its name there; text: the numbers, for a person."""

    filter: str
    text: str

    def __str__(self) -> str:
        return f"{self.filter}: {self.text}"


@dataclass(frozen=True, slots=True)
class SymbolRules:
    """One symbol as exchangeInfo describes it."""

    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    base_commission_decimals: int
    """Decimals commissions in the base asset are counted in."""
    quote_commission_decimals: int
    order_types: frozenset[str]
    spot_allowed: bool
    permission_sets: tuple[frozenset[str], ...]
    """The account needs one permission out of every set."""
    stp_modes: frozenset[str]
    """Self-trade prevention modes allowed; empty when the exchange does not say."""
    amend_allowed: bool
    """Whether an order can be made smaller where it rests; True when the exchange does not say."""
    replace_allowed: bool
    """Whether one request can put an order in another's place; likewise."""
    filters: SymbolFilters
    filter_names: frozenset[str]
    """Every filter the exchange lists, those this bot does not know among them."""
    position_max_e8: int = 0
    """MAX_POSITION: base held and being bought, at most; 0 = no limit."""

    def changes(self, before: SymbolRules) -> list[str]:
        """What differs from `before` in what orders must keep to, for a person: `tick 0.01, now 0.1`."""
        allowed = (("amends", before.amend_allowed, self.amend_allowed),
                   ("replacements", before.replace_allowed, self.replace_allowed))
        return [*self.filters.changes(before.filters),
                *(f"{what} are {'' if now else 'no longer '}allowed" for what, was, now in allowed if now != was)]

    def refusal(self, account_permissions: Iterable[str] = ()) -> str | None:
        """Why post-only orders are not taken here, in a sentence; None when they are.

        account_permissions: of the account, empty when not known.
        """
        if self.status != TRADING:
            return f"{self.symbol} is not trading: its status is {self.status}"
        if not self.spot_allowed:
            return f"{self.symbol} is not open to spot trading"
        if "LIMIT_MAKER" not in self.order_types:
            return f"{self.symbol} takes no post-only orders (LIMIT_MAKER)"
        held = frozenset(account_permissions)
        if held and any(not needed & held for needed in self.permission_sets):
            return f"this account has no permission to trade {self.symbol}"
        return None

    def stp_refusal(self, mode: str) -> str | None:
        """Why orders with this self-trade prevention mode are not taken here; None when they are, or when the exchange
        does not say."""
        if not self.stp_modes or mode in self.stp_modes:
            return None
        return (f"{self.symbol} does not allow exchange.stp_mode {mode}; it allows "
                f"{printable(', '.join(sorted(self.stp_modes)))}")

    def size_refusal(self, qty_e8: int, price_e8: int | None) -> str | None:
        """Why orders of this configured size, rounded down to the lot, cannot be placed near this price; None when they
        can. price_e8: None = nobody knows one."""
        lots_e8 = qty_e8 - qty_e8 % self.filters.step_e8
        if price_e8 is None:
            found = tuple(self._qty_failures(lots_e8))
            where = ""
        else:
            ticks_e8 = price_e8 - price_e8 % self.filters.tick_e8
            found = self.check(Side.BUY, ticks_e8, lots_e8)
            where = f" at a price of {format_e8(ticks_e8)}"
        if not found:
            return None
        return (f"strategy.order_qty {format_e8(qty_e8)} cannot be placed on {self.symbol}{where}: "
                f"{'; '.join(str(one) for one in found)}")

    def position_refusal(self, qty_e8: int, held_e8: int) -> str | None:
        """Why the exchange refuses to buy this much while the account holds so much base, in a sentence; None when it
        does not. held_e8: free and locked."""
        if not self.position_max_e8 or held_e8 + qty_e8 <= self.position_max_e8:
            return None
        return (f"MAX_POSITION: the account holds {format_e8(held_e8)} {self.base_asset}, {format_e8(qty_e8)} more are "
                f"over maxPosition {format_e8(self.position_max_e8)}")

    def check(self, side: Side, price_e8: int, qty_e8: int, *, reference_price_e8: int = 0,
              open_orders: int = 0) -> tuple[FilterFailure, ...]:
        """Every filter a resting limit order would fail, in the exchange's order; empty = it passes.

        price_e8, qty_e8: > 0. reference_price_e8: the exchange's reference or average price, 0 = not known (then the
        percent filter is not judged). open_orders: own orders on the symbol without this one.
        """
        found = [*self._price_failures(price_e8), *self._percent_failures(side, price_e8, reference_price_e8),
                 *self._qty_failures(qty_e8), *self._notional_failures(price_e8, qty_e8)]
        if open_orders + 1 > self.filters.open_orders_max:
            found.append(FilterFailure("MAX_NUM_ORDERS", f"{open_orders} orders are open, "
                                       f"{self.filters.open_orders_max} are allowed"))
        return tuple(found)

    def _price_failures(self, price_e8: int) -> Iterable[FilterFailure]:
        limits = self.filters
        yield from _bounds("PRICE_FILTER", "price", price_e8, "minPrice", limits.price_min_e8, "maxPrice",
                           limits.price_max_e8)
        yield from _multiple("PRICE_FILTER", "price", price_e8, "tickSize", limits.tick_e8)

    def _percent_failures(self, side: Side, price_e8: int, reference_e8: int) -> Iterable[FilterFailure]:
        if reference_e8 <= 0:
            return
        limits = self.filters
        down, up = ((limits.bid_multiplier_down_e8, limits.bid_multiplier_up_e8) if side is Side.BUY
                    else (limits.ask_multiplier_down_e8, limits.ask_multiplier_up_e8))
        name = "PERCENT_PRICE_BY_SIDE" if "PERCENT_PRICE_BY_SIDE" in self.filter_names else "PERCENT_PRICE"
        if price_e8 * E8 < reference_e8 * down:
            yield FilterFailure(name, f"{side.value} price {format_e8(price_e8)} is under {format_e8(down)} x the "
                                f"reference price {format_e8(reference_e8)}")
        if up and price_e8 * E8 > reference_e8 * up:
            yield FilterFailure(name, f"{side.value} price {format_e8(price_e8)} is over {format_e8(up)} x the "
                                f"reference price {format_e8(reference_e8)}")

    def _qty_failures(self, qty_e8: int) -> Iterable[FilterFailure]:
        limits = self.filters
        yield from _bounds("LOT_SIZE", "quantity", qty_e8, "minQty", limits.qty_min_e8, "maxQty", limits.qty_max_e8)
        yield from _multiple("LOT_SIZE", "quantity", qty_e8, "stepSize", limits.step_e8)

    def _notional_failures(self, price_e8: int, qty_e8: int) -> Iterable[FilterFailure]:
        product = price_e8 * qty_e8  # exact, 1e-16
        shown = _notional_text(product)
        name = "NOTIONAL" if "NOTIONAL" in self.filter_names else "MIN_NOTIONAL"
        low, high = self.filters.notional_min_e8, self.filters.notional_max_e8
        if product < low * E8:
            yield FilterFailure(name, f"price x quantity {shown} is under minNotional {format_e8(low)}")
        if high and product > high * E8:
            yield FilterFailure(name, f"price x quantity {shown} is over maxNotional {format_e8(high)}")


def _notional_text(product_e16: int) -> str:
    """A product of two e8 values, exactly; it may be far over int64."""
    whole, rest = divmod(product_e16, E8 * E8)
    return f"{whole}.{rest:016d}".rstrip("0").rstrip(".")


def _bounds(name: str, what: str, value: int, low_name: str, low: int, high_name: str,
            high: int) -> Iterable[FilterFailure]:
    if value < low:
        yield FilterFailure(name, f"{what} {format_e8(value)} is under {low_name} {format_e8(low)}")
    if high and value > high:
        yield FilterFailure(name, f"{what} {format_e8(value)} is over {high_name} {format_e8(high)}")


def _multiple(name: str, what: str, value: int, step_name: str, step: int) -> Iterable[FilterFailure]:
    if step and value % step:
        yield FilterFailure(name, f"{what} {format_e8(value)} is not a multiple of {step_name} {format_e8(step)}")


class ExchangeInfo:
    """An exchangeInfo reply. Symbols are read when asked for, so an odd one elsewhere harms nobody."""

    __slots__ = ("_exchange_filters", "_symbols", "rate_limits", "server_time_ms")

    def __init__(self, document: Mapping[str, Any]) -> None:
        """document: the reply, parsed. Raises UnreachableError if it is no exchangeInfo."""
        symbols = document.get("symbols")
        if not isinstance(symbols, list):
            raise UnreachableError("exchangeInfo: the answer has no list of symbols")
        self._symbols = {str(entry.get("symbol")): entry for entry in symbols if isinstance(entry, Mapping)}
        self._exchange_filters = _by_type(document.get("exchangeFilters"))
        self.server_time_ms = _int(document.get("serverTime", 0), "serverTime")
        self.rate_limits = _rate_limits(document.get("rateLimits"))

    @property
    def symbols(self) -> Sequence[str]:
        """Names in the exchange's order."""
        return tuple(self._symbols)

    def rules(self, symbol: str) -> SymbolRules:
        """Raises SymbolError if the exchange does not list the symbol or it cannot be traded with exact integers."""
        entry = self._symbols.get(symbol)
        if entry is None:
            raise not_listed(symbol)
        return _symbol_rules(entry, self._exchange_filters)


def not_listed(symbol: str) -> SymbolError:
    """The error for a symbol the exchange does not know."""
    return SymbolError(f"{printable(symbol)} is not listed by the exchange")


def _rate_limits(entries: object) -> tuple[RateLimit, ...]:
    found = []
    for entry in entries if isinstance(entries, list) else ():
        interval = _INTERVAL_MS.get(str(entry.get("interval"))) if isinstance(entry, Mapping) else None
        if interval is None:
            continue  # a kind of window made after this was written cannot be counted
        count = _count(entry.get("intervalNum", 1), "rateLimits.intervalNum")
        limit = _count(entry.get("limit"), "rateLimits.limit")
        if count <= 0 or limit <= 0:
            raise UnreachableError(f"exchangeInfo: a rate limit of {limit} per {count} {entry.get('interval')}")
        found.append(RateLimit(str(entry.get("rateLimitType")), interval * count, limit))
    return tuple(found)


def _symbol_rules(entry: Mapping[str, Any], exchange_filters: Mapping[str, Mapping[str, Any]]) -> SymbolRules:
    symbol = printable(_text(entry, "symbol"))
    by_type = _by_type(entry.get("filters"))
    sets = entry.get("permissionSets") or ([entry["permissions"]] if entry.get("permissions") else [])
    return SymbolRules(
        symbol=symbol,
        status=printable(_text(entry, "status")),
        base_asset=_asset(symbol, entry, "baseAsset"),
        quote_asset=_asset(symbol, entry, "quoteAsset"),
        base_commission_decimals=_int(entry.get("baseCommissionPrecision", 8), "baseCommissionPrecision"),
        quote_commission_decimals=_int(entry.get("quoteCommissionPrecision", 8), "quoteCommissionPrecision"),
        order_types=_names(entry.get("orderTypes")),
        spot_allowed=entry.get("isSpotTradingAllowed", True) is True,
        permission_sets=tuple(_names(names) for names in sets),
        stp_modes=_names(entry.get("allowedSelfTradePreventionModes")),
        amend_allowed=entry.get("amendAllowed", True) is True,
        replace_allowed=entry.get("cancelReplaceAllowed", True) is True,
        filters=_filters(symbol, by_type, exchange_filters),
        filter_names=frozenset(by_type),
        position_max_e8=_number_e8(symbol, "MAX_POSITION", "maxPosition", by_type.get("MAX_POSITION", {}), 0),
    )


def _filters(symbol: str, by_type: Mapping[str, Mapping[str, Any]],
             exchange_filters: Mapping[str, Mapping[str, Any]]) -> SymbolFilters:
    def number(filter_name: str, field: str, absent: int = 0) -> int:
        return _number_e8(symbol, filter_name, field, by_type.get(filter_name, {}), absent)

    for needed in ("PRICE_FILTER", "LOT_SIZE"):
        if needed not in by_type:
            raise SymbolError(f"{symbol}: exchangeInfo has no {needed}")
    qty_max = number("LOT_SIZE", "maxQty")
    if 2 * qty_max > INT64_MAX:
        raise SymbolError(f"{symbol}: LOT_SIZE maxQty {format_e8(qty_max)} is too large: twice that does not fit the "
                          f"64-bit counts of 1e-8 this bot is exact in (at most {format_e8(INT64_MAX // 2)})")
    tick, step = number("PRICE_FILTER", "tickSize"), number("LOT_SIZE", "stepSize")
    if not tick or not step:
        raise SymbolError(f"{symbol}: PRICE_FILTER tickSize and LOT_SIZE stepSize must be above 0 to quote "
                          f"(they are {format_e8(tick)} and {format_e8(step)})")
    down, up = number("PERCENT_PRICE", "multiplierDown"), number("PERCENT_PRICE", "multiplierUp")

    def side(prefix: str) -> tuple[int, int]:
        low = number("PERCENT_PRICE_BY_SIDE", f"{prefix}MultiplierDown")
        high = number("PERCENT_PRICE_BY_SIDE", f"{prefix}MultiplierUp")
        return max(low, down), min((m for m in (high, up) if m), default=0)

    (bid_down, bid_up), (ask_down, ask_up) = side("bid"), side("ask")
    return SymbolFilters(
        price_min_e8=number("PRICE_FILTER", "minPrice"),
        price_max_e8=number("PRICE_FILTER", "maxPrice"),
        tick_e8=tick,
        qty_min_e8=number("LOT_SIZE", "minQty"),
        qty_max_e8=qty_max,
        step_e8=step,
        notional_min_e8=max(number("MIN_NOTIONAL", "minNotional"), number("NOTIONAL", "minNotional")),
        notional_max_e8=number("NOTIONAL", "maxNotional"),
        bid_multiplier_down_e8=bid_down,
        bid_multiplier_up_e8=bid_up,
        ask_multiplier_down_e8=ask_down,
        ask_multiplier_up_e8=ask_up,
        open_orders_max=_open_orders_max(by_type, exchange_filters),
    )


def _open_orders_max(by_type: Mapping[str, Mapping[str, Any]],
                     exchange_filters: Mapping[str, Mapping[str, Any]]) -> int:
    """The symbol's limit or the whole account's, whichever is lower. Old replies spell the field `limit`."""
    limits = [_NO_COUNT_LIMIT]
    for entry, field in ((by_type.get("MAX_NUM_ORDERS"), "maxNumOrders"),
                         (exchange_filters.get("EXCHANGE_MAX_NUM_ORDERS"), "maxNumOrders")):
        if entry is not None:
            limits.append(_count(entry.get(field, entry.get("limit")), field))
    return min(limits)


def _number_e8(symbol: str, filter_name: str, field: str, entry: Mapping[str, Any], absent: int) -> int:
    text = entry.get(field)
    if text is None:
        return absent
    try:
        value = parse_e8(str(text))
    except ValueError as error:
        fault = str(error)
    else:
        if value >= 0:
            return value
        fault = "is negative"
    raise SymbolError(f"{symbol}: {filter_name} {field} {printable(str(text), 40)} {fault}")


def _by_type(entries: object) -> dict[str, Mapping[str, Any]]:
    if not isinstance(entries, list):
        return {}
    return {str(entry.get("filterType")): entry for entry in entries if isinstance(entry, Mapping)}


def _names(values: object) -> frozenset[str]:
    return frozenset(str(value) for value in values) if isinstance(values, list) else frozenset()


def _text(entry: Mapping[str, Any], field: str) -> str:
    value = entry.get(field)
    if not isinstance(value, str) or not value:
        raise UnreachableError(f"exchangeInfo: a symbol has no {field}")
    return value


def _asset(symbol: str, entry: Mapping[str, Any], field: str) -> str:
    name = _text(entry, field)
    if not is_asset(name):
        raise SymbolError(f"{symbol}: {field} {printable(name, 40)} is not 1 to 15 characters of ASCII")
    return name


def _int(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnreachableError(f"exchangeInfo: {what} is not a whole number")
    return value


def _count(value: object, what: str) -> int:
    """A count or limit, which the core holds in 32 bits."""
    count = _int(value, what)
    if abs(count) > _COUNT_MAX:
        raise UnreachableError(f"exchangeInfo: {what} {printable(str(count), 40)} is out of range")
    return count
