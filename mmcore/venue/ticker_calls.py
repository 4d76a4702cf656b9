"""Public requests about trades that have happened: trades, aggregates, prices, statistics and candles.

A window ends with the last trade, so that a recording gives what was recorded. An answer is JSON-able data in the
exchange's own field order, every time in it a `Stamp`.
"""

from __future__ import annotations

from typing import Any

from mmcore.venue import errors
from mmcore.venue.calls import Call, check_symbol, check_symbol_list
from mmcore.venue.decimals import UNIT_E8, format_e8
from mmcore.venue.errors import VenueError
from mmcore.venue.jsontext import Stamp
from mmcore.venue.params import Params
from mmcore.venue.tape import MINUTE_US, Aggregate, Candle, Print

_DAY_MINUTES = 1_440
_AVERAGE_MINUTES = 5
_INTERVALS = {
    **{f"{count}m": count for count in (1, 3, 5, 15, 30)},
    **{f"{count}h": 60 * count for count in (1, 2, 4, 6, 8, 12)},
    "1d": _DAY_MINUTES,
}
_WINDOW_UNITS = {"m": (1, 59), "h": (60, 23), "d": (_DAY_MINUTES, 7)}


def trades(call: Call) -> list[dict[str, Any]]:
    """GET trades, trades.recent: the latest."""
    check_symbol(call)
    limit = call.params.limit(500, 1000)
    return [_trade_row(trade) for trade in list(call.exchange.market.tape.trades)[-limit:]]


def historical_trades(call: Call) -> list[dict[str, Any]]:
    """GET historicalTrades, trades.historical: from an id on, as far back as the tape goes."""
    check_symbol(call)
    limit, from_id = call.params.limit(500, 1000), call.params.integer("fromId")
    found = [trade for trade in call.exchange.market.tape.trades if from_id is None or trade.trade_id >= from_id]
    return [_trade_row(trade) for trade in (found[-limit:] if from_id is None else found[:limit])]


def _trade_row(trade: Print) -> dict[str, Any]:
    return {
        "id": trade.trade_id,
        "price": format_e8(trade.price_e8),
        "qty": format_e8(trade.qty_e8),
        "quoteQty": format_e8(trade.price_e8 * trade.qty_e8 // UNIT_E8),
        "time": Stamp(trade.time_us),
        "isBuyerMaker": trade.buyer_is_maker,
        "isBestMatch": True,
    }


def aggregate_trades(call: Call) -> list[dict[str, Any]]:
    """GET aggTrades, trades.aggregate: the latest, or from an id or a time on."""
    check_symbol(call)
    limit, from_id = call.params.limit(500, 1000), call.params.integer("fromId")
    start_us, end_us = call.params.timestamp_us("startTime"), call.params.timestamp_us("endTime")
    if from_id is not None and (start_us is not None or end_us is not None):
        raise VenueError(-1128, "Combination of optional parameters invalid.")
    found = [
        one
        for one in call.exchange.market.tape.aggregates
        if (from_id is None or one.aggregate_id >= from_id)
        and (start_us is None or one.time_us >= start_us)
        and (end_us is None or one.time_us // 1000 <= end_us // 1000)
    ]
    from_the_start = from_id is not None or start_us is not None
    return [_aggregate_row(one) for one in (found[:limit] if from_the_start else found[-limit:])]


def _aggregate_row(one: Aggregate) -> dict[str, Any]:
    return {
        "a": one.aggregate_id,
        "p": format_e8(one.price_e8),
        "q": format_e8(one.qty_e8),
        "f": one.first_id,
        "l": one.last_id,
        "T": Stamp(one.time_us),
        "m": one.buyer_is_maker,
        "M": True,
    }


def klines(call: Call) -> list[list[Any]]:
    """GET klines and uiKlines, klines and uiKlines: minutes up to a day, of UTC."""
    check_symbol(call)
    minutes = _INTERVALS.get(call.params.text("interval") or "")
    if minutes is None:
        raise VenueError(-1120, "Invalid interval.")
    start_us, end_us = call.params.timestamp_us("startTime"), call.params.timestamp_us("endTime")
    limit = call.params.limit(500, 1000)
    found = [
        candle
        for candle in call.exchange.market.tape.candles(minutes)
        if (start_us is None or candle.open_us >= start_us) and (end_us is None or candle.open_us <= end_us)
    ]
    return [_kline_row(candle, minutes) for candle in (found[-limit:] if start_us is None else found[:limit])]


def _kline_row(candle: Candle, minutes: int) -> list[Any]:
    return [
        Stamp(candle.open_us),
        format_e8(candle.open_e8),
        format_e8(candle.high_e8),
        format_e8(candle.low_e8),
        format_e8(candle.close_e8),
        format_e8(candle.volume_e8),
        Stamp(candle.open_us + minutes * MINUTE_US - 1),
        format_e8(candle.quote_e8),
        candle.count,
        format_e8(candle.taker_buy_e8),
        format_e8(candle.taker_buy_quote_e8),
        "0",
    ]


def average_price(call: Call) -> dict[str, Any]:
    """GET avgPrice, avgPrice: by volume, over five minutes."""
    check_symbol(call)
    market = call.exchange.market
    window, last = market.tape.since(_AVERAGE_MINUTES), market.tape.last
    price_e8 = market.reference_price_e8() if window is None else _average_e8(window)
    closed_us = call.exchange.server_us() if last is None else last.time_us
    return {"mins": _AVERAGE_MINUTES, "price": format_e8(price_e8), "closeTime": Stamp(closed_us)}


def _average_e8(window: Candle) -> int:
    return window.quote_e8 * UNIT_E8 // window.volume_e8


def price_ticker(call: Call) -> Any:
    """GET ticker/price, ticker.price."""
    price_e8 = call.exchange.market.reference_price_e8()
    return _one_or_list(call, {"symbol": call.exchange.rules.symbol, "price": format_e8(price_e8)})


def day_ticker(call: Call) -> Any:
    """GET ticker/24hr, ticker.24hr."""
    return _one_or_list(call, _statistics(call, _DAY_MINUTES, whole=True))


def window_ticker(call: Call) -> Any:
    """GET ticker, ticker: over a window of the asker's."""
    size = call.params.text("windowSize") or "1d"
    unit_minutes, most = _WINDOW_UNITS.get(size[-1:], (0, 0))
    if not size[:-1].isdecimal() or not 1 <= int(size[:-1]) <= most:
        raise VenueError(-1130, "Data sent for parameter 'windowSize' is not valid.")
    if "symbol" not in call.params and "symbols" not in call.params:
        raise errors.either_mandatory("symbol", "symbols")
    return _one_or_list(call, _statistics(call, int(size[:-1]) * unit_minutes, whole=False))


def ticker_weight(params: Params) -> int:
    """For one symbol 2, for all 4."""
    return 2 if "symbol" in params else 4


def day_ticker_weight(params: Params) -> int:
    """For one symbol 2, for all 80."""
    return 2 if "symbol" in params or "symbols" in params else 80


def _one_or_list(call: Call, row: dict[str, Any]) -> Any:
    """One row where one symbol was asked for, else a list."""
    check_symbol(call)
    symbols = call.params.text("symbols")
    if symbols is not None:
        check_symbol_list(call.exchange, symbols)
    return row if "symbol" in call.params else [row]


def _statistics(call: Call, minutes: int, *, whole: bool) -> dict[str, Any]:
    """The statistics of a window; `whole` with what only the day's have: the last trade and the best prices."""
    mini = call.params.text("type") == "MINI"
    market = call.exchange.market
    window, last = market.tape.since(minutes), market.tape.last
    price_e8 = market.reference_price_e8()
    if window is None or last is None:
        window = Candle(call.exchange.server_us(), price_e8, price_e8, price_e8, price_e8)
        last = Print(-1, window.open_us, price_e8, 0, False)
    change_e8 = window.close_e8 - window.open_e8
    percent_e3 = (2 * 100_000 * change_e8 + window.open_e8) // (2 * window.open_e8) if window.open_e8 else 0
    changes: dict[str, Any] = {
        "priceChange": format_e8(change_e8),
        "priceChangePercent": f"{'-' if percent_e3 < 0 else ''}{abs(percent_e3) // 1000}.{abs(percent_e3) % 1000:03d}",
        "weightedAvgPrice": format_e8(_average_e8(window) if window.volume_e8 else price_e8),
    }
    best: dict[str, Any] = {}
    if whole:
        changes["prevClosePrice"] = format_e8(window.open_e8)
        best = {"lastQty": format_e8(last.qty_e8), **_best(call)}
    return {
        "symbol": call.exchange.rules.symbol,
        **({} if mini else changes),
        "lastPrice": format_e8(window.close_e8),
        **({} if mini else best),
        "openPrice": format_e8(window.open_e8),
        "highPrice": format_e8(window.high_e8),
        "lowPrice": format_e8(window.low_e8),
        "volume": format_e8(window.volume_e8),
        "quoteVolume": format_e8(window.quote_e8),
        "openTime": Stamp(last.time_us - minutes * MINUTE_US),
        "closeTime": Stamp(last.time_us),
        "firstId": window.first_id,
        "lastId": window.last_id,
        "count": window.count,
    }


def _best(call: Call) -> dict[str, str]:
    book = call.exchange.market.depth(1)
    bid, ask = (side[0] if side else (0, 0) for side in (book[1:] if book is not None else ((), ())))
    return {
        "bidPrice": format_e8(bid[0]),
        "bidQty": format_e8(bid[1]),
        "askPrice": format_e8(ask[0]),
        "askQty": format_e8(ask[1]),
    }


def reference_price(call: Call) -> dict[str, Any]:
    """GET referencePrice, referencePrice: null unless one is set."""
    check_symbol(call)
    exchange = call.exchange
    price = None if exchange.reference_e8 is None else format_e8(exchange.reference_e8)
    return {"symbol": exchange.rules.symbol, "referencePrice": price, "timestamp": Stamp(exchange.server_us())}


def execution_rules(call: Call) -> dict[str, Any]:
    """GET executionRules, executionRules."""
    check_symbol(call)
    symbols = call.params.text("symbols")
    if symbols is not None:
        check_symbol_list(call.exchange, symbols)
    rule = call.exchange.price_range_rule
    if rule is None:
        return {"symbolRules": []}
    row = {
        "ruleType": "PRICE_RANGE",
        "bidLimitMultUp": format_e8(rule.bid_up_e8),
        "bidLimitMultDown": format_e8(rule.bid_down_e8),
        "askLimitMultUp": format_e8(rule.ask_up_e8),
        "askLimitMultDown": format_e8(rule.ask_down_e8),
    }
    return {"symbolRules": [{"symbol": call.exchange.rules.symbol, "rules": [row]}]}


def execution_rules_weight(params: Params) -> int:
    """For one symbol 2, for all 40."""
    return 2 if "symbol" in params else 40
