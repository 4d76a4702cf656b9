"""Sessions of the WebSocket API and of the streams, without sockets."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mmcore.venue.frames import text_frame
from mmcore.venue.market import StreamMessage
from mmcore.venue.signing import ed25519_key
from mmcore.venue.streams import StreamHub, StreamSession
from mmcore.venue.ws_api import ApiSession

ED_KEY = "e" * 64
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "price": "90", "quantity": "0.1"}


@pytest.fixture
def logged_on(desk: Any, session: ApiSession) -> tuple[ApiSession, Callable[..., Any]]:
    """A session opened with an Ed25519 key, and a caller that no longer signs."""
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    desk.exchange.keys.add(ed25519_key(ED_KEY, "account-1", pem))

    def call(method: str, **params: Any) -> list[Any]:
        return [json.loads(text) for text in session.handle(json.dumps({"id": 1, "method": method, "params": params}))]

    stamp = desk.clock.now // 1000
    signature = base64.b64encode(private.sign(f"apiKey={ED_KEY}&timestamp={stamp}".encode())).decode()
    (reply,) = call("session.logon", apiKey=ED_KEY, timestamp=stamp, signature=signature)
    assert reply["status"] == 200, reply
    assert reply["result"]["apiKey"] == ED_KEY
    return session, call


def test_after_logon_only_the_timestamp_is_needed(desk: Any, logged_on: Any) -> None:
    _, call = logged_on
    (placed,) = call("order.place", timestamp=desk.clock.now // 1000, **ORDER)
    assert placed["status"] == 200
    (late,) = call("order.place", timestamp=desk.clock.now // 1000 - 5_001, **ORDER)
    assert late["error"]["code"] == -1021
    (timeless,) = call("order.place", **ORDER)
    assert timeless["error"]["code"] == -1102


def test_a_revoked_key_ends_the_session_with_its_next_request(desk: Any, logged_on: Any) -> None:
    _, call = logged_on
    desk.exchange.keys.revoke(ED_KEY)
    (reply,) = call("account.status", timestamp=desk.clock.now // 1000)
    assert (reply["id"], reply["status"], reply["error"]["code"]) == (None, 401, -2015)
    (status,) = call("session.status")
    assert status["result"]["apiKey"] is None


def test_hmac_keys_may_not_log_on(session: ApiSession, ws_call: Callable[..., Any]) -> None:
    reply = ws_call(session, "session.logon")
    assert reply["error"] == {"code": -4056, "msg": "HMAC_SHA256 API key is not supported."}
    assert ws_call(session, "userDataStream.subscribe", signed=False)["error"]["code"] == -1002


def test_user_events_come_wrapped_to_every_subscribed_session_only(
    desk: Any, session: ApiSession, ws_call: Callable[..., Any]
) -> None:
    other = ApiSession(desk.exchange)
    assert ws_call(session, "userDataStream.subscribe.signature")["result"] == {"subscriptionId": 0}
    desk.place("BUY", "90", "0.1")
    events = desk.exchange.take_user_events()
    frames = [json.loads(text) for event in events for text in session.wrap(event)]
    assert [frame["subscriptionId"] for frame in frames] == [0, 0]
    assert [frame["event"]["e"] for frame in frames] == ["executionReport", "outboundAccountPosition"]
    assert [text for event in events for text in other.wrap(event)] == []


def test_subscriptions_are_single_listed_and_end_with_a_last_event(
    session: ApiSession, ws_call: Callable[..., Any]
) -> None:
    ws_call(session, "userDataStream.subscribe.signature")
    twice = ws_call(session, "userDataStream.subscribe.signature")
    assert twice["error"] == {"code": -2035, "msg": "User Data Stream subscription already active."}
    assert ws_call(session, "session.subscriptions", signed=False)["result"] == [{"subscriptionId": 0}]
    reply, last = session.handle('{"id":1,"method":"userDataStream.unsubscribe","params":{"subscriptionId":0}}')
    assert json.loads(reply)["result"] == {}
    assert json.loads(last)["event"]["e"] == "eventStreamTerminated"
    gone = ws_call(session, "userDataStream.unsubscribe", signed=False)
    assert gone["error"] == {"code": -2036, "msg": "User Data Stream subscription not active."}
    assert ws_call(session, "userDataStream.subscribe.signature")["result"] == {"subscriptionId": 1}


def test_logout_ends_only_subscriptions_made_by_logon(desk: Any, logged_on: Any, ws_call: Callable[..., Any]) -> None:
    session, call = logged_on
    (made,) = call("userDataStream.subscribe")
    assert made["result"] == {"subscriptionId": 0}
    reply, last = call("session.logout")
    assert reply["result"]["apiKey"] is None
    assert last["event"]["e"] == "eventStreamTerminated"
    ws_call(session, "userDataStream.subscribe.signature")
    (reply,) = call("session.logout")
    assert ws_call(session, "session.subscriptions", signed=False)["result"] == [{"subscriptionId": 1}]


def test_the_websocket_api_speaks_every_method_of_the_rest_api(
    desk: Any, session: ApiSession, ws_call: Callable[..., Any]
) -> None:
    placed = ws_call(session, "order.place", newOrderRespType="RESULT", **ORDER)["result"]
    by_id = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    assert ws_call(session, "order.status", **by_id)["result"]["status"] == "NEW"
    assert len(ws_call(session, "openOrders.status", symbol="BTCUSDT")["result"]) == 1
    assert ws_call(session, "order.cancel", **by_id)["result"]["status"] == "CANCELED"
    assert ws_call(session, "order.test", **ORDER)["result"] == {}
    ws_call(session, "order.place", **ORDER)
    assert len(ws_call(session, "openOrders.cancelAll", symbol="BTCUSDT")["result"]) == 1
    assert ws_call(session, "myTrades", symbol="BTCUSDT")["result"] == []
    assert ws_call(session, "account.status")["result"]["canTrade"] is True
    assert ws_call(session, "depth", signed=False, symbol="BTCUSDT", limit=1)["result"]["lastUpdateId"] == 7
    assert ws_call(session, "exchangeInfo", signed=False)["result"]["symbols"][0]["symbol"] == "BTCUSDT"
    assert ws_call(session, "time", signed=False)["result"]["serverTime"] == desk.clock.now // 1000


class Wire:
    """Collects what a stream session writes."""

    def __init__(self) -> None:
        self.data = b""

    def texts(self) -> list[str]:
        """The text frames so far, decoded by hand."""
        out, data = [], self.data
        while data:
            assert data[0] == 0x81
            size, head = data[1], 2
            if size == 126:
                size, head = int.from_bytes(data[2:4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(data[2:10], "big"), 10
            out.append(data[head : head + size].decode())
            data = data[head + size :]
        return out


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_text_frames_have_the_right_length_at_every_boundary(size: int) -> None:
    wire = Wire()
    wire.data = text_frame("x" * size)
    assert wire.texts() == ["x" * size]


def test_only_subscribed_streams_go_out_raw_or_combined() -> None:
    hub, raw, combined = StreamHub(lambda feeds: None), Wire(), Wire()
    session = StreamSession(hub, ["btcusdt@trade"], combined=False, write=lambda data: raw_write(raw, data))
    StreamSession(hub, ["btcusdt@depth", "btcusdt@trade"], combined=True, write=lambda data: raw_write(combined, data))
    messages = [
        StreamMessage("btcusdt@trade", '{"t":1}'),
        StreamMessage("btcusdt@depth", '{"u":2}'),
        StreamMessage("btcusdt@bookTicker", '{"u":3}'),
    ]
    hub.publish(messages)
    assert raw.texts() == ['{"t":1}']
    assert combined.texts() == [
        '{"stream":"btcusdt@trade","data":{"t":1}}',
        '{"stream":"btcusdt@depth","data":{"u":2}}',
    ]
    session.close()
    hub.publish(messages[:1])
    assert raw.texts() == ['{"t":1}']


def raw_write(wire: Wire, data: bytes) -> None:
    wire.data += data


def test_control_messages_are_answered_like_the_exchange() -> None:
    hub = StreamHub(lambda feeds: None)
    session = StreamSession(hub, [], combined=False, write=lambda data: None)
    say = session.handle
    uuid = "0f3a5c9e-1111-2222-3333-444455556666"
    assert say(f'{{"method":"SUBSCRIBE","params":["a@trade","a@depth@100ms"],"id":"{uuid}"}}') == (
        f'{{"result":null,"id":"{uuid}"}}'
    )
    assert hub.depth_wanted
    assert say('{"method":"LIST_SUBSCRIPTIONS","id":3}') == '{"result":["a@trade","a@depth@100ms"],"id":3}'
    assert say('{"method":"UNSUBSCRIBE","params":["a@trade","never"],"id":4}') == '{"result":null,"id":4}'
    assert say('{"method":"LIST_SUBSCRIPTIONS","id":5}') == '{"result":["a@depth@100ms"],"id":5}'
    assert say('{"method":"GET_PROPERTY","params":["combined"],"id":2}') == '{"result":false,"id":2}'
    assert say('{"method":"SET_PROPERTY","params":["combined",true],"id":5}') == '{"result":null,"id":5}'
    assert session.combined
    assert say('{"method":"SET_PROPERTY","params":["combined",1],"id":5}') == (
        '{"code":1,"msg":"Invalid value type: expected Boolean","id":5}'
    )
    assert say('{"method":"GET_PROPERTY","params":["colour"],"id":2}') == '{"code":0,"msg":"Unknown property","id":2}'
    refused = {
        '{"id":1}': "missing field `method` at line 1 column 8",
        '{"method":"GET_PROPERTY","params":[],"id":1}': "property name must be a string",
        '{"method":"SET_PROPERTY","params":[true],"id":1}': "property name must be a string",
        '{"method":"GET_PROPERTY","params":["combined",true],"id":1}': "too many parameters",
        '{"method":"DANCE","id":1}': "unknown variant `DANCE`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, "
        "`LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`",
        '{"method":"SUBSCRIBE","params":[],"id":1.5}': "request ID must be an unsigned integer",
        f'{{"method":"SUBSCRIBE","params":[],"id":"{uuid}x"}}': "request ID must be an unsigned integer",
    }
    for text, why in refused.items():
        answer = json.loads(say(text))
        assert (answer["code"], answer["msg"]) == (2, f"Invalid request: {why}")
    assert json.loads(say("{"))["code"] == 3
    assert json.loads(say("[" * 100_000))["code"] == 3
    for text in ('{"id":1}', '{"method":"DANCE","id":1}', '{"method":"SUBSCRIBE","params":[1],"id":1}', "[]"):
        assert json.loads(say(text))["code"] == 2
    assert json.loads(say('{"method":"SUBSCRIBE","params":[],"id":1.5}'))["code"] == 2


def test_a_connection_takes_1024_streams_and_not_one_more() -> None:
    session = StreamSession(StreamHub(lambda feeds: None), [], combined=False, write=lambda data: None)
    names = [f"s{number}@trade" for number in range(1025)]
    refused = session.handle(json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}))
    assert json.loads(refused)["code"] == 2
    taken = session.handle(json.dumps({"method": "SUBSCRIBE", "params": names[:1024], "id": 1}))
    assert json.loads(taken)["result"] is None


def test_a_connection_has_65535_subscriptions_in_its_life(session: ApiSession, ws_call: Callable[..., Any]) -> None:
    session._next_subscription = 65_534
    assert ws_call(session, "userDataStream.subscribe.signature")["result"] == {"subscriptionId": 65_534}
    session.handle('{"id":1,"method":"userDataStream.unsubscribe"}')
    refused = ws_call(session, "userDataStream.subscribe.signature")["error"]
    assert refused == {"code": -2042, "msg": "Maximum subscription ID reached for this connection."}
