"""Self-trade prevention: the documented scenarios, what trades before, and that no atom is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mmcore.venue.market import Side
from mmcore.venue.ws_api import ApiSession

UNIT = 100_000_000
MODES = ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"]


def state(desk: Any, placed: Any) -> tuple[str, str, str | None, int | None]:
    """(status, executedQty, preventedQuantity, preventedMatchId) as a query shows them."""
    row = desk.ok("GET", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": placed["orderId"]})
    return row["status"], row["executedQty"], row.get("preventedQuantity"), row.get("preventedMatchId")


def matches(placed: Any) -> list[tuple[Any, ...]]:
    names = ("preventedMatchId", "makerOrderId", "price", "takerPreventedQuantity", "makerPreventedQuantity")
    return [tuple(row.get(name) for name in names) for row in placed.get("preventedMatches", [])]


def test_without_a_mode_an_account_trades_with_itself(quiet: Any) -> None:
    maker = quiet.place("BUY", "50", "0.2")
    taker = quiet.place("SELL", "50", "0.2", selfTradePreventionMode="NONE")
    assert (taker["status"], state(quiet, maker)) == ("FILLED", ("FILLED", "0.20000000", None, None))
    assert "preventedMatches" not in taker
    fills = quiet.account.fills
    assert [(fill.maker, fill.trade_id) for fill in fills] == [(True, 1), (False, 1)]


def test_expire_maker_takes_the_resting_orders_off_and_the_new_one_rests(quiet: Any) -> None:
    makers = [quiet.place("BUY", price, qty) for price, qty in (("52", "0.12"), ("51", "0.13"), ("50", "0.2"))]
    taker = quiet.place("SELL", "50", "0.3", selfTradePreventionMode="EXPIRE_MAKER")
    assert (taker["status"], taker["executedQty"], taker["fills"]) == ("NEW", "0.00000000", [])
    assert "preventedQuantity" not in taker
    ids = [maker["orderId"] for maker in makers]
    assert matches(taker) == [
        (0, ids[0], "52.00000000", None, "0.12000000"),
        (1, ids[1], "51.00000000", None, "0.13000000"),
        (2, ids[2], "50.00000000", None, "0.20000000"),
    ]
    assert [state(quiet, maker) for maker in makers] == [
        ("EXPIRED_IN_MATCH", "0.00000000", "0.12000000", 0),
        ("EXPIRED_IN_MATCH", "0.00000000", "0.13000000", 1),
        ("EXPIRED_IN_MATCH", "0.00000000", "0.20000000", 2),
    ]
    assert quiet.balance("USDT") == (100_000 * UNIT, 0)
    assert quiet.balance("BTC") == (70_000_000, 30_000_000)


def test_expire_taker_leaves_the_resting_orders_and_the_new_one_goes(quiet: Any) -> None:
    makers = [quiet.place("BUY", price, "0.2") for price in ("52", "51")]
    quiet.events()
    taker = quiet.place("SELL", "50", "0.3", selfTradePreventionMode="EXPIRE_TAKER")
    assert (taker["status"], taker["preventedQuantity"], taker["preventedMatchId"]) == (
        "EXPIRED_IN_MATCH",
        "0.30000000",
        0,
    )
    assert matches(taker) == [(0, makers[0]["orderId"], "52.00000000", "0.30000000", None)]
    assert [state(quiet, maker)[0] for maker in makers] == ["NEW", "NEW"]
    assert quiet.balance("BTC") == (UNIT, 0)
    new, prevented = [event for event in quiet.events() if event["e"] == "executionReport"]
    assert new["x"] == "NEW"
    shown = {name: prevented[name] for name in ("x", "X", "v", "A", "B", "u", "U", "Cs", "pl", "pL", "pY", "w", "V")}
    assert shown == {
        "x": "TRADE_PREVENTION",
        "X": "EXPIRED_IN_MATCH",
        "v": 0,
        "A": "0.30000000",
        "B": "0.30000000",
        "u": -1,
        "U": makers[0]["orderId"],
        "Cs": "BTCUSDT",
        "pl": "0.20000000",
        "pL": "52.00000000",
        "pY": "10.40000000",
        "w": False,
        "V": "EXPIRE_TAKER",
    }


def test_expire_both_ends_both_and_tells_the_maker_first(quiet: Any) -> None:
    maker = quiet.place("BUY", "50", "0.1")
    quiet.events()
    taker = quiet.place("SELL", "50", "0.3", selfTradePreventionMode="EXPIRE_BOTH")
    assert matches(taker) == [(0, maker["orderId"], "50.00000000", "0.30000000", "0.10000000")]
    assert (taker["status"], state(quiet, maker)[0]) == ("EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH")
    told = [(event["i"], event["x"], event["B"]) for event in quiet.events() if event.get("x") == "TRADE_PREVENTION"]
    assert told == [
        (maker["orderId"], "TRADE_PREVENTION", "0.10000000"),
        (taker["orderId"], "TRADE_PREVENTION", "0.30000000"),
    ]
    assert (quiet.balance("USDT"), quiet.balance("BTC")) == ((100_000 * UNIT, 0), (UNIT, 0))


def test_the_takers_mode_rules_whatever_the_makers_is(quiet: Any) -> None:
    maker = quiet.place("BUY", "50", "0.2", selfTradePreventionMode="EXPIRE_MAKER")
    taker = quiet.place("SELL", "50", "0.2", selfTradePreventionMode="EXPIRE_TAKER")
    assert (taker["status"], state(quiet, maker)[0]) == ("EXPIRED_IN_MATCH", "NEW")


def test_a_market_order_that_finds_only_its_own_expires_for_want_of_liquidity(quiet: Any) -> None:
    maker = quiet.place("BUY", "50", "0.2")
    taker = quiet.place("SELL", "", "0.2", kind="MARKET", selfTradePreventionMode="EXPIRE_MAKER")
    assert (taker["status"], taker["expiryReason"]) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")
    assert matches(taker) == [(0, maker["orderId"], "50.00000000", None, "0.20000000")]
    assert state(quiet, maker)[0] == "EXPIRED_IN_MATCH"


def test_decrement_takes_the_same_from_both_and_the_smaller_ends(quiet: Any) -> None:
    maker = quiet.place("BUY", "50", "0.6")
    quiet.events()
    taker = quiet.place("SELL", "50", "0.2", selfTradePreventionMode="DECREMENT")
    assert (taker["status"], taker["preventedQuantity"]) == ("EXPIRED_IN_MATCH", "0.20000000")
    assert state(quiet, maker) == ("NEW", "0.00000000", "0.20000000", 0)
    assert quiet.balance("USDT")[1] == 20 * UNIT
    assert quiet.market.engine.resting(maker["orderId"]).remaining_e8 == 40_000_000
    told = [event for event in quiet.events() if event.get("x") == "TRADE_PREVENTION"]
    assert [(event["X"], event["A"], event["B"], event["w"]) for event in told] == [
        ("NEW", "0.20000000", "0.20000000", True),
        ("EXPIRED_IN_MATCH", "0.20000000", "0.20000000", False),
    ]
    second = quiet.place("SELL", "50", "0.5", selfTradePreventionMode="DECREMENT")
    assert (second["status"], second["preventedQuantity"]) == ("NEW", "0.40000000")
    assert state(quiet, maker) == ("EXPIRED_IN_MATCH", "0.00000000", "0.60000000", 1)
    assert (quiet.balance("USDT")[1], quiet.balance("BTC")[1]) == (0, 10_000_000)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_better_placed_trades_before_the_mode_acts(quiet: Any, mode: str) -> None:
    quiet.market.offer(Side.BUY, "52", "0.1")
    quiet.market.offer(Side.BUY, "51", "0.1")
    own = quiet.place("BUY", "51", "0.1")
    quiet.market.offer(Side.BUY, "51", "0.1")
    quiet.events()
    taker = quiet.place("SELL", "51", "0.4", selfTradePreventionMode=mode)
    traded = [(fill["price"], fill["qty"]) for fill in taker["fills"]]
    goes_on = mode in ("EXPIRE_MAKER", "DECREMENT")
    assert (
        traded
        == [("52.00000000", "0.10000000"), ("51.00000000", "0.10000000")] + [("51.00000000", "0.10000000")] * goes_on
    )
    expected = {
        "EXPIRE_TAKER": ("EXPIRED_IN_MATCH", "0.20000000", "NEW"),
        "EXPIRE_MAKER": ("PARTIALLY_FILLED", None, "EXPIRED_IN_MATCH"),
        "EXPIRE_BOTH": ("EXPIRED_IN_MATCH", "0.20000000", "EXPIRED_IN_MATCH"),
        "DECREMENT": ("FILLED", "0.10000000", "EXPIRED_IN_MATCH"),
    }[mode]
    assert taker["executedQty"] == ("0.30000000" if goes_on else "0.20000000")
    assert (taker["status"], taker.get("preventedQuantity"), state(quiet, own)[0]) == expected
    steps = [event["x"] for event in quiet.events() if event["e"] == "executionReport"]
    assert steps[:3] == ["NEW", "TRADE", "TRADE"]
    assert steps[3] == "TRADE_PREVENTION"


@pytest.mark.parametrize(("mode", "status"), [("EXPIRE_TAKER", "EXPIRED"), ("EXPIRE_MAKER", "FILLED")])
def test_a_fill_or_kill_counts_only_what_others_offer(quiet: Any, mode: str, status: str) -> None:
    own = quiet.place("BUY", "52", "0.1")
    quiet.market.offer(Side.BUY, "51", "0.2")
    done = quiet.place("SELL", "51", "0.2", timeInForce="FOK", selfTradePreventionMode=mode)
    assert (done["status"], "preventedMatches" in done) == (status, status == "FILLED")
    assert state(quiet, own)[0] == ("NEW" if status == "EXPIRED" else "EXPIRED_IN_MATCH")


def test_a_market_order_to_buy_pays_for_the_levels_behind_its_own(quiet: Any) -> None:
    quiet.place("SELL", "100", "0.5")
    quiet.market.offer(Side.SELL, "101", "0.5")
    quiet.market.offer(Side.SELL, "102", "0.5")
    done = quiet.place("BUY", "", "0.8", kind="MARKET", selfTradePreventionMode="EXPIRE_MAKER")
    assert (done["status"], done["cummulativeQuoteQty"]) == ("FILLED", "81.10000000")
    assert quiet.balance("USDT") == (100_000 * UNIT - 8_110_000_000, 0)
    by_quote = quiet.ok(
        "POST",
        "/api/v3/order",
        {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "10.21"},
    )
    assert (by_quote["origQty"], by_quote["executedQty"]) == ("0.10009000", "0.10009000")
    assert by_quote["origQuoteOrderQty"] == "10.21000000"


def test_prevented_matches_are_found_by_id_and_by_order(quiet: Any) -> None:
    makers = [quiet.place("BUY", "50", "0.1"), quiet.place("BUY", "50", "0.1")]
    taker = quiet.place("SELL", "50", "0.3", selfTradePreventionMode="EXPIRE_MAKER")
    path, base = "/api/v3/myPreventedMatches", {"symbol": "BTCUSDT"}
    first, second = quiet.ok("GET", path, {**base, "orderId": taker["orderId"]})
    assert first == {
        "symbol": "BTCUSDT",
        "preventedMatchId": 0,
        "takerOrderId": taker["orderId"],
        "makerSymbol": "BTCUSDT",
        "makerOrderId": makers[0]["orderId"],
        "tradeGroupId": -1,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "price": "50.00000000",
        "makerPreventedQuantity": "0.10000000",
        "transactTime": quiet.clock.now // 1000,
    }
    assert quiet.ok("GET", path, {**base, "preventedMatchId": 1}) == [second]
    assert quiet.ok("GET", path, {**base, "orderId": taker["orderId"], "fromPreventedMatchId": 1}) == [second]
    assert quiet.ok("GET", path, {**base, "orderId": makers[0]["orderId"]}) == [first]
    assert quiet.error("GET", path, base)[1] == -1128


def test_the_symbol_states_the_modes_that_it_takes(quiet: Any) -> None:
    info = quiet.ok("GET", "/api/v3/exchangeInfo", signed=False)["symbols"][0]
    assert info["defaultSelfTradePreventionMode"] == "NONE"
    assert info["allowedSelfTradePreventionModes"] == ["NONE", *MODES]
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "price": "50", "quantity": "0.2"}
    refused = quiet.error("POST", "/api/v3/order", {**order, "selfTradePreventionMode": "TRANSFER"})
    assert refused == (400, -1013, "This symbol does not allow the specified self-trade prevention mode.")


def test_a_post_only_order_that_would_meet_its_own_is_refused_in_every_mode(quiet: Any) -> None:
    quiet.place("BUY", "50", "0.2")
    order = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT_MAKER", "price": "50", "quantity": "0.2"}
    for mode in ("NONE", *MODES):
        refused = quiet.error("POST", "/api/v3/order", {**order, "selfTradePreventionMode": mode})
        assert refused == (400, -2010, "Order would immediately match and take.")


def test_over_the_websocket_api_too(desk: Any, session: ApiSession, ws_call: Callable[..., Any]) -> None:
    desk.place("BUY", "50", "0.2")
    reply = ws_call(session, "myPreventedMatches", symbol="BTCUSDT", orderId=1)
    assert (reply["status"], reply["result"]) == (200, [])
