"""Milliseconds unless asked for microseconds: on the WebSocket API by its URL, on REST by a header."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mmcore.venue.jsontext import Stamp, TimeUnit, compact_json, time_unit
from mmcore.venue.rest import handle_rest
from mmcore.venue.ws_api import ApiSession

NOW_US = 1_700_000_000_123_456
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "90", "quantity": "0.1"}
BAD_UNIT = {"code": -1194, "msg": "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."}
ORDER_TIMES = {"transactTime", "workingTime", "time", "updateTime"}
EVENT_TIMES = {"E", "T", "O", "W", "u"}


def times(value: Any, names: set[str]) -> list[int]:
    """All values under those names, at any depth."""
    if isinstance(value, list):
        return [time for one in value for time in times(one, names)]
    if not isinstance(value, dict):
        return []
    found = [one for name, one in value.items() if name in names and one is not None]
    return found + [time for one in value.values() for time in times(one, names)]


def test_a_stamp_becomes_a_whole_number_of_the_unit() -> None:
    value = {"a": [Stamp(1_999), 7], "b": "x"}
    assert compact_json(value) == '{"a":[1,7],"b":"x"}'
    assert compact_json(value, TimeUnit.MICROSECOND) == '{"a":[1999,7],"b":"x"}'
    assert (TimeUnit.MILLISECOND.of(1_999), TimeUnit.MICROSECOND.of(1_999)) == (1, 1_999)


@pytest.mark.parametrize("name", ["MICROSECOND", "microsecond", "MILLISECOND", "millisecond"])
def test_a_unit_is_spelled_in_upper_or_lower_case(name: str) -> None:
    assert time_unit(name) is TimeUnit[name.upper()]


@pytest.mark.parametrize("name", ["Microsecond", "us", "", "SECOND"])
def test_no_other_spelling_is_a_unit(desk: Any, name: str) -> None:
    assert time_unit(name) is None
    reply = handle_rest(desk.exchange, "GET", "/api/v3/time", None, b"", time_unit=name)
    assert (reply.status, json.loads(reply.body)) == (400, BAD_UNIT)


def test_a_rest_reply_has_the_unit_of_its_header(desk: Any) -> None:
    desk.clock.now = NOW_US
    for header, now in ((None, NOW_US // 1000), ("MILLISECOND", NOW_US // 1000), ("microsecond", NOW_US)):
        reply = handle_rest(desk.exchange, "GET", "/api/v3/time", None, b"", time_unit=header)
        assert json.loads(reply.body) == {"serverTime": now}


@pytest.mark.parametrize(("unit", "now"), [(TimeUnit.MILLISECOND, NOW_US // 1000), (TimeUnit.MICROSECOND, NOW_US)])
def test_every_time_on_a_connection_has_its_unit(desk: Any, ws_call: Any, unit: TimeUnit, now: int) -> None:
    desk.clock.now = NOW_US
    session = ApiSession(desk.exchange, unit=unit)
    ws_call(session, "userDataStream.subscribe.signature")
    placed = ws_call(session, "order.place", newOrderRespType="FULL", **ORDER)["result"]
    taken = ws_call(session, "order.place", **{**ORDER, "price": "101"})["result"]
    by_id = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    status = ws_call(session, "order.status", **by_id)["result"]
    canceled = ws_call(session, "order.cancel", **by_id)["result"]
    trades = ws_call(session, "myTrades", symbol="BTCUSDT")["result"]
    found = times([placed, taken, status, canceled, trades], ORDER_TIMES)
    assert len(found) == 9
    assert set(found) == {now}
    assert ws_call(session, "time", signed=False)["result"] == {"serverTime": now}
    row = ws_call(session, "session.status", signed=False)["result"]
    assert (row["serverTime"], row["connectedSince"]) == (now, now)
    events = [json.loads(text) for event in desk.exchange.take_user_events() for text in session.wrap(event)]
    assert {frame["event"]["e"] for frame in events} == {"executionReport", "outboundAccountPosition"}
    assert set(times(events, EVENT_TIMES)) == {now}
    (_, last) = session.handle(json.dumps({"id": 1, "method": "userDataStream.unsubscribe"}))
    assert json.loads(last)["event"] == {"e": "eventStreamTerminated", "E": now}
