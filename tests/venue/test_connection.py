"""A connection's life: pings, answers that count and answers that do not, and the end after a day."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mmcore.venue.connection import Connection, ConnectionRules, InboundLimit
from mmcore.venue.frames import close_frame
from mmcore.venue.limits import Limits
from mmcore.venue.server import ServerSettings
from mmcore.venue.signing import ed25519_key

S = 1_000_000
DAY = 86_400 * S
START = 1_700_000_000 * S


def payload_of(frame: bytes) -> bytes:
    assert frame[0] == 0x89
    assert len(frame) == 2 + frame[1]
    return frame[2:]


def test_a_ping_with_a_payload_of_its_own_goes_out_every_20_seconds() -> None:
    connection = Connection(START, ConnectionRules())
    payloads = []
    for number in range(1, 200):
        due_us = connection.next_due_us()
        assert due_us == START + number * 20 * S
        assert connection.due(due_us - 1).frames == b""
        payloads.append(payload_of(connection.due(due_us).frames))
        connection.on_pong(payloads[-1])
    assert len(set(payloads)) == len(payloads)
    assert all(payloads)


def test_a_minute_after_a_ping_that_nobody_answered_the_connection_ends() -> None:
    connection = Connection(START, ConnectionRules())
    for second in (20, 40, 60):
        assert not connection.due(START + second * S).ends
        connection.on_pong(b"")
        connection.on_pong(b"unsolicited")
    assert connection.next_due_us() == START + 80 * S
    assert not connection.due(START + 80 * S - 1).ends
    last = connection.due(START + 80 * S)
    assert last.ends
    assert last.frames == close_frame(1008, "Pong timeout")


def test_a_late_answer_to_any_ping_counts_for_those_before_it_and_not_for_those_after() -> None:
    connection = Connection(START, ConnectionRules())
    pings = [payload_of(connection.due(START + second * S).frames) for second in (20, 40, 60)]
    connection.on_pong(pings[1])
    connection.on_pong(pings[0])
    assert not connection.due(START + 119 * S).ends
    assert connection.due(START + 120 * S).ends
    connection.on_pong(pings[2])
    assert not connection.due(START + 120 * S).ends


def test_a_connection_ends_after_24_hours_however_well_it_answers() -> None:
    connection = Connection(START, ConnectionRules(ping_interval_us=3600 * S))
    for hour in range(1, 24):
        connection.on_pong(payload_of(connection.due(START + hour * 3600 * S).frames))
    assert connection.next_due_us() == START + DAY
    assert not connection.due(START + DAY - 1).ends
    last = connection.due(START + DAY)
    assert last.ends
    assert last.frames[0] == 0x88


@pytest.mark.parametrize("offset_us", [0, 999_999])
def test_six_messages_within_a_second_are_one_too_many(offset_us: int) -> None:
    limit = InboundLimit()
    assert all(limit.admits(START + time_us) for time_us in (0, 0, 0, 0, offset_us))
    assert not limit.admits(START + 999_999)
    assert limit.admits(START + 1_000_000)


def test_five_messages_a_second_are_never_too_many() -> None:
    limit = InboundLimit()
    assert all(limit.admits(time_us) for time_us in range(0, 10 * S, 200_000))


async def frames_until_closed(socket: aiohttp.ClientWebSocketResponse) -> list[tuple[aiohttp.WSMsgType, Any]]:
    """Everything a connection says until it ends."""
    found = []
    while True:
        message = await socket.receive(timeout=5)
        if message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
            return found
        found.append((message.type, message.data))
        if message.type is aiohttp.WSMsgType.CLOSE:
            return found


PATHS = ("/ws/btcusdt@trade", "/stream?streams=btcusdt@trade", "/ws-api/v3")


def test_every_connection_is_closed_when_its_day_is_over(serve: Any, desk: Any) -> None:
    async def body(server: Any, url: str) -> None:
        async with aiohttp.ClientSession() as http:
            sockets = [await http.ws_connect(url + path) for path in PATHS]
            await asyncio.sleep(0.2)
            late = await http.ws_connect(f"{url}/ws")
            for socket in sockets:
                assert [kind for kind, _ in await frames_until_closed(socket)] == [aiohttp.WSMsgType.CLOSE]
                assert socket.close_code == 1008
            await late.send_str('{"method":"LIST_SUBSCRIPTIONS","id":1}')
            assert await late.receive_str() == '{"result":[],"id":1}', "a connection opened later lives longer"
            await late.close()

    serve(body, desk.market, settings=ServerSettings(connection_life_s=0.5))


def test_a_shutdown_is_announced_in_the_shape_of_each_connection_and_closes_it_later(serve: Any, desk: Any) -> None:
    async def body(server: Any, url: str) -> None:
        pem = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        server.exchange.keys.add(ed25519_key("e" * 64, "account-1", pem))
        key = {"X-MBX-APIKEY": "e" * 64}
        async with aiohttp.ClientSession() as http:
            raw, combined, api = [await http.ws_connect(url + path) for path in PATHS]
            micro = await http.ws_connect(f"{url}/ws?timeUnit=MICROSECOND")
            sbe = await http.ws_connect(f"{url}/sbe/ws", headers=key)
            fault = {"kind": "shutdown", "sockets": "all", "close_ms": 300}
            async with http.post(f"{url}/venue/faults", data=json.dumps({"faults": [fault]})) as reply:
                assert reply.status == 200, await reply.text()
            said = [json.loads(await socket.receive_str(timeout=5)) for socket in (raw, combined, api, micro, sbe)]
            assert said[1].keys() == {"stream", "data"}
            assert said[1]["stream"] == "!serverShutdown"
            assert said[2].keys() == {"event"}
            plain = [said[0], said[1]["data"], said[2]["event"], said[3], said[4]]
            assert all(event.keys() == {"e", "E"} and event["e"] == "serverShutdown" for event in plain)
            assert [len(str(event["E"])) for event in plain] == [13, 13, 13, 16, 16]
            after = await http.ws_connect(f"{url}/ws")
            for socket in (raw, combined, api, micro, sbe):
                assert (await frames_until_closed(socket))[-1][0] is aiohttp.WSMsgType.CLOSE
                assert socket.close_code == 1001
            await after.send_str('{"method":"LIST_SUBSCRIPTIONS","id":1}')
            assert await after.receive_str() == '{"result":[],"id":1}', "a connection opened since is not concerned"
            await after.close()

    serve(body, desk.market)


def test_pings_pongs_and_texts_of_a_client_count_alike_and_who_overdoes_it_is_banned(serve: Any, desk: Any) -> None:
    async def overdo(http: aiohttp.ClientSession, url: str) -> None:
        socket = await http.ws_connect(f"{url}/ws")
        await socket.ping(b"1")
        await socket.pong(b"")
        await socket.ping(b"2")
        await socket.pong(b"")
        for number in range(2):
            await socket.send_str(f'{{"method":"LIST_SUBSCRIPTIONS","id":{number}}}')
        answers = await frames_until_closed(socket)
        assert [kind for kind, _ in answers if kind is not aiohttp.WSMsgType.PONG] == [
            aiohttp.WSMsgType.TEXT,
            aiohttp.WSMsgType.CLOSE,
        ]
        assert socket.close_code == 1008

    async def body(server: Any, url: str) -> None:
        async with aiohttp.ClientSession() as http:
            for _ in range(3):
                await overdo(http, url)
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(f"{url}/ws")
            assert refused.value.status == 418

    serve(body, desk.market, limits=Limits(refusals_max=2))


def test_every_upgrade_has_a_name_of_its_own(serve: Any, desk: Any) -> None:
    async def body(server: Any, url: str) -> None:
        names = set()
        async with aiohttp.ClientSession() as http:
            for path in (*PATHS, PATHS[2]):
                socket = await http.ws_connect(url + path)
                names.add(uuid.UUID(socket._response.headers["x-mbx-uuid"]))
                await socket.close()
        assert len(names) == 4

    serve(body, desk.market)


def test_a_revoked_key_ends_its_subscriptions_and_no_others(
    serve: Any, desk: Any, signer: Callable[[str], str]
) -> None:
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    async def body(server: Any, url: str) -> None:
        server.exchange.keys.add(ed25519_key("e" * 64, "account-1", pem))
        async with aiohttp.ClientSession() as http:
            sockets = {}
            stamp = server.exchange.server_us() // 1000
            for key in ("k" * 64, "e" * 64):
                payload = f"apiKey={key}&timestamp={stamp}"
                signature = signer(payload)
                if key[0] == "e":
                    signature = base64.b64encode(private.sign(payload.encode())).decode()
                params = {"apiKey": key, "timestamp": stamp, "signature": signature}
                sockets[key[0]] = await http.ws_connect(f"{url}/ws-api/v3")
                request = {"id": 1, "method": "userDataStream.subscribe.signature", "params": params}
                await sockets[key[0]].send_json(request)
                assert (await sockets[key[0]].receive_json())["result"] == {"subscriptionId": 0}
            async with http.post(f"{url}/venue/keys/revoke", data=json.dumps({"api_key": "e" * 64})) as reply:
                assert reply.status == 200
            last = await sockets["e"].receive_json(timeout=5)
            assert (last["subscriptionId"], last["event"]["e"]) == (0, "eventStreamTerminated")
            for name, left in (("e", []), ("k", [{"subscriptionId": 0}])):
                await sockets[name].send_str('{"id":2,"method":"session.subscriptions"}')
                assert (await sockets[name].receive_json(timeout=5))["result"] == left
                await sockets[name].close()

    serve(body, desk.market)


def test_a_url_names_1024_streams_at_most(serve: Any, desk: Any) -> None:
    async def body(server: Any, url: str) -> None:
        names = [f"{number}@t" for number in range(1025)]
        async with aiohttp.ClientSession() as http:
            socket = await http.ws_connect(f"{url}/stream?streams={'/'.join(names[1:])}")
            await socket.send_str('{"method":"LIST_SUBSCRIPTIONS","id":1}')
            assert len((await socket.receive_json())["result"]) == 1024
            await socket.close()
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(f"{url}/stream?streams={'/'.join(names)}")
            assert refused.value.status == 400

    serve(body, desk.market)
