"""The verdict on a run: a true audit is acquitted whatever faults struck, and each kind of wrong is found."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from mmcore.venue.audit import audit
from mmcore.venue.commission import Commission, Rates
from mmcore.venue.faults import KINDS, TIME, parse_rows, random_plan
from mmcore.venue.front import Front
from mmcore.venue.streams import StreamHub
from mmcore.venue.synthetic import SyntheticMarket
from mmcore.venue.verdict import judge, own_orders, resting_share

UNIT = 100_000_000


def trade(desk: Any, rng: random.Random, count: int) -> None:
    """A client that places near the touch, amends and cancels, and minds nothing."""
    front = Front(desk.exchange, StreamHub(desk.exchange.market.want), random.Random(1))
    placed = 0
    for _ in range(count):
        desk.clock.now += rng.randrange(1_000, 300_000)
        front.advance()
        book = desk.exchange.market.depth(1)
        opened = list(desk.account.open_orders.values())
        choice = rng.random()
        if opened and choice < 0.35:
            order = rng.choice(opened)
            amend = {"symbol": "BTCUSDT", "orderId": order.order_id, "newQty": "0.00500"}
            desk.call("PUT", "/api/v3/order/amend/keepPriority", amend, signed=True)
            if rng.random() < 0.7:
                desk.call("DELETE", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": order.order_id}, signed=True)
            continue
        placed += 1
        side = rng.choice(("BUY", "SELL"))
        price_e8 = (book[2] if side == "SELL" else book[1])[0][0]
        price_e8 += rng.randrange(-3, 4) * 1_000_000 * (1 if choice < 0.9 else 20_000)
        desk.call(
            "POST",
            "/api/v3/order",
            {
                "symbol": "BTCUSDT",
                "side": side,
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": "0.01000",
                "price": f"{price_e8 / UNIT:.2f}",
                "newClientOrderId": f"m-{placed}",
            },
            signed=True,
        )


@pytest.fixture
def traded(make_exchange: Any, make_desk: Any) -> Callable[[int, list[dict[str, Any]]], Any]:
    """`traded(seed, faults)`: a desk whose client has traded for a minute under these faults."""

    def make(seed: int, faults: list[dict[str, Any]]) -> Any:
        desk = make_desk(0)
        exchange = make_exchange(SyntheticMarket(seed, desk.clock.now), desk.clock)
        exchange.accounts["account-1"].commission = Commission(Rates(75_000, 100_000), pays_in_bnb=True)
        exchange.accounts["account-1"].balances["BNB"] = type(desk.account.balance("BNB"))(UNIT // 500, 0, UNIT // 500)
        exchange.bnb_price_e8 = 600 * UNIT
        exchange.faults.seed = seed
        exchange.faults.add(parse_rows(faults), desk.clock.now)
        exchange.start()
        desk.exchange, desk.market = exchange, exchange.market
        trade(desk, random.Random(seed), 300)
        return desk

    return make


CALM: list[dict[str, Any]] = []
_REPORTS: dict[int, dict[str, Any]] = {}


@pytest.fixture
def settled(traded: Any) -> dict[str, Any]:
    """A calm run's audit after its last cancel; a test may change it."""
    if 1 not in _REPORTS:
        desk = traded(1, CALM)
        for order in list(desk.account.open_orders.values()):
            desk.exchange.cancel(desk.account, order, "")
        _REPORTS[1] = fresh(desk)
    return copy.deepcopy(_REPORTS[1])


def fresh(desk: Any) -> dict[str, Any]:
    """The audit as a test gets it."""
    report: dict[str, Any] = json.loads(json.dumps(audit(desk.exchange, None)))
    return report


@pytest.mark.parametrize("seed", range(3))
def test_a_true_audit_is_acquitted(traded: Any, seed: int) -> None:
    report = fresh(traded(seed, CALM))
    (account,) = report["accounts"]
    assert len(account["fills"]) > 20
    assert {fill["commission_asset"] for fill in account["fills"]} >= {"BNB"}
    assert any(order["amended_from"] for order in account["orders"])
    assert judge(report, "m-", is_over=False) == []


@pytest.mark.parametrize("seed", range(8))
def test_no_fault_makes_the_venue_lose_an_atom(traded: Any, seed: int) -> None:
    kinds = sorted(set(KINDS) - {"rate_limited", "clock_step"})
    rows = []
    for number, fault in enumerate(random_plan(seed, kinds, 0.02)):
        row = fault.describe()
        if KINDS[fault.kind].moment == TIME:
            row.update(at_ms=2_000 * number, every_ms=11_000, times=4)
        else:
            row.update(at_ms=0, probability=0.05, times=50)
        rows.append(row)
    desk = traded(seed, [*rows, *_ALWAYS])
    report = fresh(desk)
    assert len(report["strikes"]) >= 5
    assert len(report["wipes"]) == sum(strike["kind"] == "wipe" for strike in report["strikes"]) >= 1
    assert judge(report, "m-", is_over=False) == []


_ALWAYS = [
    {"id": "w", "kind": "wipe", "at_ms": 25_000},
    {"id": "d", "kind": "balance_moved", "asset": "base", "amount_e8": 12_345_678, "at_ms": 9_000},
    {"id": "l", "kind": "external_lock", "amount_e8": 7_777_777, "at_ms": 30_000, "for_ms": 60_000},
    {"id": "f", "kind": "foreign_order", "at_ms": 31_000},
    {"id": "c", "kind": "exchange_cancels", "at_ms": 4_000, "every_ms": 9_000, "times": 5},
]


def find(report: dict[str, Any], *statuses: str) -> dict[str, Any]:
    """One order of a status."""
    found = (order for order in report["accounts"][0]["orders"] if order["status"] in statuses)
    one: dict[str, Any] = next(found)
    return one


WRONGS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "an atom is missing": (
        lambda report: report["accounts"][0]["balances"]["BTC"].update(moved="0.00000001"),
        "BTC: ",
    ),
    "a fill is missing": (lambda report: report["accounts"][0]["fills"].pop(), "its fills come to"),
    "a fill is told twice": (
        lambda report: report["accounts"][0]["fills"].append(report["accounts"][0]["fills"][0]),
        "is told twice",
    ),
    "a fill has no order": (
        lambda report: report["accounts"][0]["orders"].remove(find(report, "FILLED")),
        "which is unknown",
    ),
    "an id is accepted twice": (
        lambda report: report["accounts"][0]["orders"].append(
            {**find(report, "CANCELED"), "order_id": 9, "executed": "0.0", "quote_executed": "0.0"}
        ),
        "was accepted twice",
    ),
    "an order is overfilled": (lambda report: find(report, "FILLED").update(qty="0.00100"), "executed "),
    "locked funds are wrong": (
        lambda report: report["accounts"][0]["balances"]["USDT"].update(external="0.00000001"),
        "locked, orders and locks come to",
    ),
    "fees are wrong": (lambda report: report["fees"].update(BNB="0.00000000"), "fees: "),
    "an order is left": (lambda report: find(report, "CANCELED").update(status="NEW", ended_us=None), "is still open"),
    "nobody waited": (lambda report: report["traffic"].update(during_wait=1), "1 requests counted as during_wait"),
    "an order has two states": (lambda report: find(report, "FILLED").update(ended_us=None), "but ended_us is None"),
}


@pytest.mark.parametrize("name", WRONGS)
def test_each_wrong_is_found(settled: dict[str, Any], name: str) -> None:
    assert judge(settled, "m-", is_over=True) == []
    change, words = WRONGS[name]
    change(settled)
    assert [text for text in judge(settled, "m-", is_over=True) if words in text]


def test_orders_of_others_are_not_judged_as_own(traded: Any) -> None:
    report = fresh(traded(2, [{"kind": "foreign_order", "side": "SELL", "ticks": 90_000, "for_ms": 3_600_000}]))
    names = [order["client_order_id"] for order in report["accounts"][0]["orders"]]
    own = {order["client_order_id"] for order in own_orders(report, "m-")}
    assert sum(name.startswith("web_") for name in names) == 1
    assert not any(name.startswith("web_") for name in own)
    assert own, "an amended order is own by the id it came with"


def test_the_resting_share_joins_lives_that_overlap() -> None:
    def order(side: str, placed_us: int, ended_us: int | None) -> dict[str, Any]:
        return {"side": side, "placed_us": placed_us, "ended_us": ended_us, "client_order_id": "m-1",
                "amended_from": []}

    orders = [order("BUY", 0, 30), order("BUY", 20, 50), order("BUY", 40, 45), order("BUY", 90, None),
              order("SELL", 10, 20), order("SELL", 200, 300)]
    report = {"accounts": [{"orders": orders}]}
    assert resting_share(report, "m-", 0, 100) == {"BUY": 0.6, "SELL": 0.1}
    assert resting_share(report, "m-", 25, 125)["BUY"] == 0.6
    assert resting_share(report, "x", 0, 100) == {"BUY": 0.0, "SELL": 0.0}
