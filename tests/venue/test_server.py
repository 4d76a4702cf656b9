"""The venue over real sockets: HTTP, streams, WebSocket API, keep-alive, drops and the commands of tests."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from yarl import URL

from mmcore.venue.market import StreamMessage, Wire
from mmcore.venue.server import ServerSettings
from mmcore.venue.synthetic import SyntheticMarket

UNIT = 100_000_000
KEY = {"X-MBX-APIKEY": "k" * 64}


def stamp() -> int:
    return time.time_ns() // 1_000_000


def order_text(signer: Callable[[str], str], **params: Any) -> str:
    params = {"symbol": "BTCUSDT", "apiKey": "k" * 64, "timestamp": stamp(), **params}
    params["signature"] = signer("&".join(f"{name}={params[name]}" for name in sorted(params)))
    return json.dumps({"id": "x", "method": params.pop("method", "order.place"), "params": params})


async def subscribe_user(api: Any, signer: Callable[[str], str]) -> None:
    params = {"apiKey": "k" * 64, "timestamp": stamp()}
    params["signature"] = signer(f"apiKey={params['apiKey']}&timestamp={params['timestamp']}")
    await api.send_json({"id": 1, "method": "userDataStream.subscribe.signature", "params": params})
    assert (await api.receive_json())["result"] == {"subscriptionId": 0}


class Client:
    """HTTP requests and WebSockets to the venue; closes all of them at the end."""

    async def __aenter__(self) -> Client:
        self._http = aiohttp.ClientSession()
        self._sockets: list[aiohttp.ClientWebSocketResponse] = []
        self.get, self.post = self._http.get, self._http.post
        return self

    async def connect(self, url: str, **options: Any) -> aiohttp.ClientWebSocketResponse:
        socket: aiohttp.ClientWebSocketResponse = await self._http.ws_connect(url, **options)
        self._sockets.append(socket)
        return socket

    async def __aexit__(self, *error: object) -> None:
        for socket in self._sockets:
            await socket.close()
        await self._http.close()


async def poke(http: Client, url: str) -> None:
    """Any request lets the market of these tests say what it has to say."""
    async with http.get(f"{url}/api/v3/ping") as reply:
        assert reply.status == 200


async def handshake(url: str, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A bare WebSocket connection that reads and answers nothing by itself."""
    port = int(url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"101" in head.split(b"\r\n")[0]
    return reader, writer


def test_rest_requests_are_signed_over_the_bytes_as_sent(serve: Any, desk: Any, signer: Callable[[str], str]) -> None:
    async def body(server: Any, url: str) -> None:
        async with Client() as http:
            encoded = f"symbol=BTC%55SDT&timestamp={stamp()}"
            target = URL(f"{url}/api/v3/openOrders?{encoded}&signature={signer(encoded)}", encoded=True)
            async with http.get(target, headers=KEY) as reply:
                assert (reply.status, await reply.json()) == (200, [])
                assert reply.headers["X-MBX-USED-WEIGHT-1M"] == "6"
            form = f"symbol=BTCUSDT&side=BUY&type=LIMIT_MAKER&price=90.00&quantity=0.10000&timestamp={stamp()}"
            data = f"{form}&signature={signer(form)}"
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            async with http.post(f"{url}/api/v3/order", data=data, headers={**KEY, **kind}) as reply:
                assert reply.status == 200, await reply.text()
                assert reply.headers["X-MBX-ORDER-COUNT-10S"] == "1"
            async with http.get(f"{url}/nowhere") as reply:
                assert reply.status == 404

    serve(body, desk.market)


def test_streams_go_out_by_path_by_query_and_by_subscription(serve: Any, desk: Any) -> None:
    async def body(server: Any, url: str) -> None:
        async with Client() as http:
            by_path = await http.connect(f"{url}/ws/btcusdt@trade")
            by_query = await http.connect(f"{url}/stream?streams=btcusdt@trade/btcusdt@bookTicker")
            by_request = await http.connect(f"{url}/ws/0")
            await by_request.send_str('{"method":"SUBSCRIBE","params":["btcusdt@bookTicker"],"id":9}')
            assert await by_request.receive_str() == '{"result":null,"id":9}'
            trade, ticker = '{"e":"trade","t":1}', '{"u":5,"s":"BTCUSDT"}'
            desk.market.messages = [
                StreamMessage("btcusdt@trade", trade),
                StreamMessage("btcusdt@depth@100ms", "{}"),
                StreamMessage("btcusdt@bookTicker", ticker),
            ]
            await poke(http, url)
            assert await by_path.receive_str() == trade
            assert await by_request.receive_str() == ticker
            assert await by_query.receive_str() == f'{{"stream":"btcusdt@trade","data":{trade}}}'
            assert await by_query.receive_str() == f'{{"stream":"btcusdt@bookTicker","data":{ticker}}}'
            for path, code in (("/ws/btcusdt@trade", -1000), ("/ws-api/v3", -1000)):
                async with http.get(url + path) as reply:
                    assert (reply.status, (await reply.json())["code"]) == (400, code)
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await http.connect(f"{url}/stream?streams=btcusdt@trade&timeUnit=NANOSECOND")

    serve(body, desk.market)


def test_each_connection_and_request_has_the_time_unit_it_asked_for(serve: Any, desk: Any) -> None:
    async def body(server: Any, url: str) -> None:
        async with Client() as http:
            micro = await http.connect(f"{url}/ws/btcusdt@trade?timeUnit=microsecond")
            desk.market.messages = [
                StreamMessage("btcusdt@trade", '{"unit":"ms"}'),
                StreamMessage("btcusdt@trade", '{"unit":"us"}', Wire.JSON_MICROSECOND),
            ]
            await poke(http, url)
            assert await micro.receive_str() == '{"unit":"us"}'
            for query, digits in (("", 13), ("?timeUnit=microsecond", 16), ("?timeUnit=MICROSECOND", 16)):
                api = await http.connect(f"{url}/ws-api/v3{query}")
                await api.send_str('{"id":1,"method":"time"}')
                assert len(str((await api.receive_json())["result"]["serverTime"])) == digits
            async with http.get(f"{url}/api/v3/time", headers={"X-MBX-TIME-UNIT": "MICROSECOND"}) as reply:
                assert len(str((await reply.json())["serverTime"])) == 16
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await http.connect(f"{url}/ws-api/v3?timeUnit=second")

    serve(body, desk.market)


def test_orders_and_their_events_travel_over_the_websocket_api(
    serve: Any, desk: Any, signer: Callable[[str], str]
) -> None:
    async def body(server: Any, url: str) -> None:
        async with Client() as http:
            api = await http.connect(f"{url}/ws-api/v3")
            await subscribe_user(api, signer)
            first_kinds = set()
            for _ in range(12):
                await api.send_str(order_text(signer, side="BUY", type="LIMIT_MAKER", price="90.00", quantity="0.1"))
                frames = [await api.receive_json() for _ in range(3)]
                first_kinds.add("id" in frames[0])
                events = [frame["event"] for frame in frames if "event" in frame]
                (reply,) = [frame for frame in frames if "id" in frame]
                assert [event["e"] for event in events] == ["executionReport", "outboundAccountPosition"]
                assert events[0]["i"] == reply["result"]["orderId"]
            assert first_kinds == {True, False}, "the reply comes sometimes before and sometimes after its events"
            desk.market.fill(events[0]["i"], 10_000_000)
            await poke(http, url)
            assert (await api.receive_json())["event"]["X"] == "FILLED"

    serve(body, desk.market)


def test_who_answers_pings_stays_and_who_does_not_is_closed(serve: Any, desk: Any) -> None:
    async def body(server: Any, url: str) -> None:
        async with Client() as http:
            for path in ("/ws", "/ws-api/v3"):
                alive = await http.connect(url + path)
                answering = asyncio.create_task(alive.receive())
                silent = await http.connect(url + path, autoping=False)
                pings = 0
                async for message in silent:
                    assert message.type is aiohttp.WSMsgType.PING
                    assert message.data
                    pings += 1
                    await silent.pong(b"")
                assert 2 <= pings <= 4
                await asyncio.sleep(0.4)
                assert not answering.done()
                answering.cancel()

    serve(body, desk.market, settings=ServerSettings(ping_interval_s=0.2, pong_timeout_s=0.6))


def test_a_ping_is_answered_with_its_payload(serve: Any, desk: Any) -> None:
    async def body(server: Any, url: str) -> None:
        async with Client() as http:
            for path in ("/ws", "/ws-api/v3"):
                socket = await http.connect(url + path, autoping=False)
                await socket.ping(b"hello")
                message = await socket.receive(timeout=2)
                assert (message.type, bytes(message.data)) == (aiohttp.WSMsgType.PONG, b"hello")

    serve(body, desk.market)


def test_a_sixth_message_in_a_second_closes_a_stream_socket_but_not_the_api(serve: Any, desk: Any) -> None:
    async def body(server: Any, url: str) -> None:
        async with Client() as http:
            stream = await http.connect(f"{url}/ws")
            for number in range(6):
                await stream.send_str(f'{{"method":"LIST_SUBSCRIPTIONS","id":{number}}}')
            for _ in range(5):
                assert (await stream.receive(timeout=2)).type is aiohttp.WSMsgType.TEXT
            await stream.receive(timeout=2)
            assert stream.close_code == 1008
            api = await http.connect(f"{url}/ws-api/v3")
            for number in range(50):
                await api.send_str(f'{{"method":"ping","id":{number}}}')
            assert [(await api.receive_json())["id"] for _ in range(50)] == list(range(50))

    serve(body, desk.market)


def test_dropped_streams_are_reset_and_refused_while_the_rest_lives_on(serve: Any, desk: Any) -> None:
    async def body(server: Any, url: str) -> None:
        async with Client() as http:
            api = await http.connect(f"{url}/ws-api/v3")
            reader, writer = await handshake(url, "/ws/btcusdt@trade")
            async with http.post(f"{url}/venue/streams/drop", json={"for_ms": 400}) as reply:
                assert reply.status == 200
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(1), 2)
            writer.transport.abort()
            for path in ("/ws", "/stream?streams=a@trade"):
                with pytest.raises(aiohttp.ClientConnectionError):
                    await http.connect(url + path)
            await api.send_str('{"id":1,"method":"ping"}')
            assert (await api.receive_json())["status"] == 200
            async with http.get(f"{url}/api/v3/time") as reply:
                assert reply.status == 200
            await asyncio.sleep(0.45)
            again = await http.connect(f"{url}/ws")
            await again.send_str('{"method":"LIST_SUBSCRIPTIONS","id":1}')
            assert await again.receive_str() == '{"result":[],"id":1}'

    serve(body, desk.market)


def test_a_client_that_does_not_read_is_cut_off_and_others_lose_nothing(serve: Any, desk: Any) -> None:
    async def body(server: Any, url: str) -> None:
        async with Client() as http:
            reader, writer = await handshake(url, "/ws/btcusdt@trade")
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            good = await http.connect(f"{url}/ws/btcusdt@trade")
            text = json.dumps({"pad": "x" * 60_000})
            for _ in range(400):
                desk.market.messages = [StreamMessage("btcusdt@trade", text)]
                await poke(http, url)
                assert await good.receive_str() == text
            writer.transport.resume_reading()  # type: ignore[attr-defined]
            received = 0
            try:
                while chunk := await asyncio.wait_for(reader.read(1 << 20), 2):
                    received += len(chunk)
                pytest.fail("the connection ended in order")
            except ConnectionResetError:
                assert received < 400 * 60_000
            writer.transport.abort()

    serve(body, desk.market, settings=ServerSettings(outgoing_bytes_max=500_000))


def test_a_late_client_syncs_with_the_synthetic_market(serve: Any) -> None:
    async def body(server: Any, url: str) -> None:
        async with Client() as http:
            await asyncio.sleep(0.3)
            stream = await http.connect(f"{url}/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker")
            diffs: list[Any] = []
            snapshot = None
            while len(diffs) < 12:
                message = json.loads(await stream.receive_str(timeout=5))
                if message["stream"] == "btcusdt@depth@100ms":
                    diffs.append(message["data"])
                if len(diffs) == 4 and snapshot is None:
                    async with http.get(f"{url}/api/v3/depth?symbol=BTCUSDT&limit=5000") as reply:
                        snapshot = await reply.json()
            assert snapshot is not None
            assert snapshot["lastUpdateId"] >= diffs[0]["U"]
            assert all(after["U"] == before["u"] + 1 for before, after in pairwise(diffs))
            live = [diff for diff in diffs if diff["u"] > snapshot["lastUpdateId"]]
            assert live
            assert live[0]["U"] <= snapshot["lastUpdateId"] + 1

    serve(body, SyntheticMarket(4))


def test_the_audit_tells_orders_fills_balances_and_fees(serve: Any, desk: Any, signer: Callable[[str], str]) -> None:
    async def body(server: Any, url: str) -> None:
        async with Client() as http:
            api = await http.connect(f"{url}/ws-api/v3")
            maker = {"side": "SELL", "type": "LIMIT_MAKER", "price": "110.00", "quantity": "0.5"}
            await api.send_str(order_text(signer, newClientOrderId="rest", **maker))
            await api.receive_json()
            taker = {"side": "BUY", "type": "LIMIT", "timeInForce": "IOC", "price": "101.00", "quantity": "0.25"}
            await api.send_str(order_text(signer, newClientOrderId="take", **taker))
            await api.receive_json()
            async with http.get(f"{url}/venue/audit") as reply:
                audit = await reply.json()
            (account,) = audit["accounts"]
            assert account["api_key"] == "k" * 64
            assert account["balances"]["BTC"] == {
                "free": "0.74975000",
                "locked": "0.50000000",
                "start": "1.00000000",
                "moved": "0.00000000",
                "external": "0.00000000",
            }
            assert account["balances"]["USDT"]["free"] == "99974.75000000"
            rest, take = account["orders"]
            assert (rest["client_order_id"], rest["status"], rest["ended_us"]) == ("rest", "NEW", None)
            assert (take["status"], take["executed"], take["qty"]) == ("FILLED", "0.25000000", "0.25000000")
            assert rest["placed_us"] < take["placed_us"] <= take["ended_us"]
            (fill,) = account["fills"]
            assert (fill["client_order_id"], fill["price"], fill["qty"], fill["maker"]) == (
                "take",
                "101.00000000",
                "0.25000000",
                False,
            )
            assert audit["fees"] == {"BTC": "0.00025000", "USDT": "0.00000000"}
            assert "queue_log" not in audit

    serve(body, desk.market)


def test_keys_symbol_and_clock_can_be_put_at_fault(serve: Any, desk: Any, signer: Callable[[str], str]) -> None:
    async def body(server: Any, url: str) -> None:
        async with Client() as http:

            async def command(path: str, content: Any) -> int:
                async with http.post(f"{url}/venue/{path}", data=json.dumps(content)) as reply:
                    assert isinstance(await reply.json(), dict)
                    return reply.status

            assert await command("symbol", {"status": "HALT"}) == 200
            async with http.get(f"{url}/api/v3/exchangeInfo") as reply:
                assert (await reply.json())["symbols"][0]["status"] == "HALT"
            assert await command("clock", {"offset_ms": -6000}) == 200
            async with http.get(f"{url}/api/v3/time") as reply:
                assert 5_000 < stamp() - (await reply.json())["serverTime"] < 7_000
            assert await command("keys/revoke", {"api_key": "k" * 64}) == 200
            async with http.get(f"{url}/api/v3/account?timestamp=1&signature=0", headers=KEY) as reply:
                assert (reply.status, (await reply.json())["code"]) == (401, -2015)
            for path, content in (
                ("symbol", {"status": "ASLEEP"}),
                ("symbol", []),
                ("clock", {"offset_ms": 1.5}),
                ("clock", {"offset_ms": True}),
                ("clock", {}),
                ("keys/revoke", {"api_key": "nobody"}),
                ("streams/drop", {"for_ms": -1}),
                ("streams/drop", {"for_ms": 1, "more": 2}),
            ):
                assert await command(path, content) == 400, (path, content)
            assert await command("nothing", {}) == 404

    serve(body, desk.market)


def test_a_market_that_breaks_stops_the_venue_loudly(serve: Any, desk: Any) -> None:
    class Broken(type(desk.market)):  # type: ignore[misc]
        def advance(self, now_us: int) -> Any:
            raise AssertionError("the book is crossed")

    async def body(server: Any, url: str) -> None:
        async with Client() as http, http.get(f"{url}/api/v3/ping") as reply:
            assert reply.status == 500
        assert server.failure.done()

    with pytest.raises(AssertionError, match="the book is crossed"):
        serve(body, Broken())
