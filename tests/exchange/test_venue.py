"""The clients against the local exchange, a separate process and an independent witness, over real sockets."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from mmcore._native import lib
from mmcore.core.feed import Feed
from mmcore.core.gate import Gate
from mmcore.core.kinds import Kind, Operation
from mmcore.core.loop import new_record
from mmcore.core.sbe import SbeDecoder
from mmcore.errors import ExchangeError, ExitCode
from mmcore.exchange.base import OrderRequest, Outcome, Side, SymbolError
from mmcore.exchange.binance.link import Action, Connect, Fail, Ping, ResyncClock, Send
from mmcore.exchange.binance.protocol import (
    ClientId,
    ClockOffset,
    Endpoints,
    LimitState,
    WsReply,
    WsRequests,
    endpoints_at,
)
from mmcore.exchange.binance.rest import RestClient
from mmcore.exchange.binance.signing import Ed25519Signer, HmacSigner, Signer, rest_payload, rest_signed
from mmcore.exchange.binance.streams import MarketStreams, json_source, sbe_source
from mmcore.exchange.binance.ws_api import WsApi
from mmcore.exchange.channel import Channel, HandshakeRefusedError, open_channel, ping_frame, text_frame
from mmcore.units import E8, format_e8

if TYPE_CHECKING:
    from conftest import Servers

SYMBOL = "BTCUSDT"


@dataclass(frozen=True)
class Venue:
    """A running venue and both kinds of key it accepts."""

    endpoints: Endpoints
    hmac: tuple[str, Signer]
    ed25519: tuple[str, Signer]


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = tmp_path_factory.mktemp("venue") / "public.pem"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    root = Path(__file__).resolve().parent.parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "VENUE_ED25519_API_KEY": "an-ed25519-key"}
    command = [sys.executable, "-m", "mmcore.venue", "--port", "0", "--market", "synthetic", "--seed", "1",
               "--ed25519-public-key", str(public)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=public.parent)
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        yield Venue(endpoints_at(told["url"]), (told["api_key"], HmacSigner(told["api_secret"])),
                    ("an-ed25519-key", Ed25519Signer(pem)))
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stdout.close()


class Client:
    """A REST client with its clock, which is the better the more often it asked (on a busy machine one answer can be
    seconds late)."""

    def __init__(self, venue: Venue, servers: Servers, key: tuple[str, Signer]) -> None:
        self.clock, self.limits = ClockOffset(), LimitState()
        self.now_ns = servers.now_ns
        self.signer = key[1]
        self.rest = RestClient(venue.endpoints, tag="A1", now_ns=servers.now_ns, clock=self.clock,
                               limits=self.limits, api_key=key[0], signer=key[1])

    def read_clock(self) -> None:
        for _ in range(5):
            self.rest.server_time()

    def order(self, sequence: int, side: Side, price_e8: int, qty_e8: int) -> OrderRequest:
        """A post-only order as the gate would encode it."""
        client_id = str(ClientId("A1", 1, sequence, side, 0))
        payload = rest_payload([
            ("newClientOrderId", client_id), ("newOrderRespType", "RESULT"), ("price", format_e8(price_e8)),
            ("quantity", format_e8(qty_e8)), ("recvWindow", 5000), ("selfTradePreventionMode", "EXPIRE_TAKER"),
            ("side", side.value), ("symbol", SYMBOL), ("timestamp", self.clock.server_ms(self.now_ns())),
            ("type", "LIMIT_MAKER")])
        return OrderRequest(client_id, SYMBOL, side, price_e8, qty_e8, wire=rest_signed(payload, self.signer))


@pytest.fixture(params=["hmac", "ed25519"])
def client(venue: Venue, servers: Servers, request: pytest.FixtureRequest) -> Iterator[Client]:
    made = Client(venue, servers, getattr(venue, request.param))
    yield made
    made.rest.close()


def best(client: Client) -> tuple[int, int]:
    book = json.loads(client.rest.depth(SYMBOL, 5).body)
    return round(float(book["bids"][0][0]) * 100) * E8 // 100, round(float(book["asks"][0][0]) * 100) * E8 // 100


def test_the_venues_rules_balances_and_fees_are_read(client: Client) -> None:
    client.read_clock()
    rules = client.rest.exchange_info(SYMBOL).rules(SYMBOL)
    assert (rules.base_asset, rules.quote_asset) == ("BTC", "USDT")
    assert rules.filters.tick_e8 == E8 // 100
    assert rules.filters.step_e8 == 1000
    assert rules.filters.notional_min_e8 == 5 * E8
    account = client.rest.account()
    assert rules.refusal(account.permissions) is None
    assert account.can_trade
    assert {balance.asset for balance in account.balances} >= {"BTC", "USDT"}
    assert client.rest.commission(SYMBOL).maker_buy_e8 == E8 // 1000
    with pytest.raises(SymbolError, match="BTCUSTD is not listed"):
        client.rest.exchange_info("BTCUSTD")


def test_an_order_lives_from_acknowledgement_to_cancel_and_is_found_at_each_step(client: Client) -> None:
    client.read_clock()
    bid, _ = best(client)
    order = client.order(1, Side.BUY, bid - 500 * E8, E8 // 1000)
    placed = client.rest.place_order(order)
    assert placed.outcome is Outcome.ACKED, placed
    assert (placed.price_e8, placed.qty_e8, placed.executed_e8) == (order.price_e8, order.qty_e8, 0)
    assert [one.client_id for one in client.rest.open_orders(SYMBOL)] == [order.client_id]
    assert client.rest.query_order(order).outcome is Outcome.ACKED
    assert placed.exchange_id is not None
    assert client.rest.client_id_of(SYMBOL, placed.exchange_id) == order.client_id
    locked = {one.asset: one.locked_e8 for one in client.rest.account().balances}
    assert locked["USDT"] == order.price_e8 * order.qty_e8 // E8
    gone = client.rest.cancel_order(order)
    assert (gone.outcome, gone.client_id, gone.executed_e8) == (Outcome.CANCELED, order.client_id, 0)
    assert client.rest.open_orders(SYMBOL) == ()
    assert client.rest.query_order(order).outcome is Outcome.CANCELED
    again = client.rest.cancel_order(order)
    assert (again.outcome, again.code) == (Outcome.CANCEL_REJECTED, -2011)
    assert client.rest.own_trades(SYMBOL, exchange_id=placed.exchange_id) == ()


def test_one_request_cancels_every_open_order_of_a_dedicated_account(client: Client) -> None:
    client.read_clock()
    bid, _ = best(client)
    orders = [client.order(50 + n, Side.BUY, bid - (500 + n) * E8, E8 // 1000) for n in range(3)]
    assert [client.rest.place_order(order).outcome for order in orders] == [Outcome.ACKED] * 3
    client.rest.cancel_all(SYMBOL)
    assert client.rest.open_orders(SYMBOL) == ()
    client.rest.cancel_all(SYMBOL)  # nothing left to cancel is no error


def test_refusals_come_back_as_what_they_are(client: Client) -> None:
    client.read_clock()
    bid, ask = best(client)
    crossing = client.rest.place_order(client.order(1, Side.BUY, ask + 100 * E8, E8 // 1000))
    assert (crossing.outcome, crossing.code, crossing.message) == (
        Outcome.REJECTED, -2010, "Order would immediately match and take.")
    dust = client.rest.place_order(client.order(2, Side.BUY, bid - 500 * E8, 1000))
    assert (dust.outcome, dust.code) == (Outcome.REJECTED, -1013)
    assert "NOTIONAL" in dust.message
    unknown = client.rest.query_order(client.order(3, Side.BUY, bid, E8))
    assert (unknown.outcome, unknown.code) == (Outcome.NOT_FOUND, -2013)


def test_a_wrong_secret_is_refused_with_the_exit_code_of_credentials(venue: Venue, servers: Servers) -> None:
    client = Client(venue, servers, (venue.hmac[0], HmacSigner("wrong")))
    with pytest.raises(ExchangeError) as caught:
        client.rest.account()
    assert (caught.value.code, caught.value.exit_code) == (-1022, ExitCode.CREDENTIALS)
    client.rest.close()


def test_a_clock_an_hour_off_is_put_right_by_the_first_refusal(venue: Venue, servers: Servers) -> None:
    client = Client(venue, servers, venue.hmac)
    hour_ago_ms = client.rest.server_time() - 3_600_000
    client.clock.reset()
    client.clock.add(servers.now_ns(), servers.now_ns(), hour_ago_ms)
    with pytest.raises(ExchangeError) as caught:
        client.rest.open_orders(SYMBOL)
    assert caught.value.code == -1021
    assert client.rest.open_orders(SYMBOL) == ()
    client.rest.close()


# --------------------------------------------------------------------------------------------------------------------
# WebSockets


class Frames:
    """Reads server frames off a channel: an independent, slow reading of RFC 6455."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._data = b""

    def next(self) -> tuple[int, bytes]:
        while (frame := self._cut()) is None:
            buffer = memoryview(bytearray(65536))
            got = self.channel.recv_into(buffer)
            if got is None:
                assert select.select([self.channel.fileno()], [], [], 60)[0], "silence"
                continue
            assert got, self.channel.close_reason
            self._data += buffer[:got]
        return frame

    def _cut(self) -> tuple[int, bytes] | None:
        data = self._data
        if len(data) < 2:
            return None
        size, at = data[1] & 0x7F, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(data) < 2 + width:
                return None
            size, at = int.from_bytes(data[2 : 2 + width], "big"), 2 + width
        if len(data) < at + size:
            return None
        self._data = data[at + size :]
        return data[0] & 0x0F, data[at : at + size]


def connect(connection: MarketStreams | WsApi, servers: Servers) -> Channel:
    (action,) = connection.poll(servers.now_ns())
    assert isinstance(action, Connect)
    channel = open_channel(action.url, now_ns=servers.now_ns, headers=action.headers)
    assert connection.on_connected(action.attempt, servers.now_ns())
    return channel


def test_the_market_connection_gets_all_three_streams_and_its_pings_are_answered(
    venue: Venue, servers: Servers
) -> None:
    streams = MarketStreams(json_source(venue.endpoints, SYMBOL), LimitState(), random.Random(1))
    channel = connect(streams, servers)
    frames = Frames(channel)
    assert channel.send(ping_frame(b"12345678"))
    wanted = {"btcusdt@depth@100ms", "btcusdt@bookTicker", "btcusdt@trade", "pong"}
    for _ in range(100_000):
        opcode, payload = frames.next()
        if opcode == 1:
            message = json.loads(payload)
            assert message["data"].get("E", 10**15) > 10**14  # microseconds
            wanted.discard(message["stream"])
        elif opcode == 10:
            assert payload == b"12345678"
            wanted.discard("pong")
        if not wanted:
            break
    assert not wanted
    channel.close()


def test_the_binary_market_connection_brings_binary_messages_to_the_holder_of_an_ed25519_key(
    venue: Venue, servers: Servers
) -> None:
    streams = MarketStreams(sbe_source(venue.endpoints, SYMBOL, venue.ed25519[0]), LimitState(), random.Random(1))
    channel = connect(streams, servers)
    frames, decoder = Frames(channel), SbeDecoder(SYMBOL)
    wanted = {lib.MM_KIND_DEPTH, lib.MM_KIND_TICKER, lib.MM_KIND_TRADE}
    for _ in range(100_000):
        opcode, payload = frames.next()
        assert opcode == 2
        wanted.discard(int(decoder.decode(payload)[0]["kind"]))
        if not wanted:
            break
    assert not wanted
    channel.close()


def test_the_binary_market_connection_is_refused_to_the_holder_of_another_key(venue: Venue, servers: Servers) -> None:
    streams = MarketStreams(sbe_source(venue.endpoints, SYMBOL, venue.hmac[0]), LimitState(), random.Random(1))
    with pytest.raises(HandshakeRefusedError) as caught:
        connect(streams, servers)
    assert caught.value.status == 401


class OrderSession:
    """A WsApi on a real channel, driven as the order thread drives it."""

    def __init__(self, venue: Venue, servers: Servers, key: tuple[str, Signer]) -> None:
        self._now_ns = servers.now_ns
        self._client = Client(venue, servers, key)
        self.api = WsApi(venue.endpoints, WsRequests(*key), self._client.clock, self._client.limits, random.Random(1))
        self.channel = connect(self.api, servers)
        self.frames = Frames(self.channel)
        self.sent: list[str] = []

    def step(self) -> Fail | None:
        for action in self.api.poll(self._now_ns()):
            if isinstance(action, Fail):
                return action
            self._do(action)
        opcode, payload = self.frames.next()
        if opcode == 1:
            self._take(json.loads(payload))
        self.api.on_seen(self._now_ns())
        return None

    def _do(self, action: Action) -> None:
        match action:
            case Send(text):
                self.sent.append(json.loads(text)["method"])
                assert self.channel.send(text_frame(text))
            case Ping(payload):
                assert self.channel.send(ping_frame(payload))
            case ResyncClock():
                self._client.read_clock()
                for again in self.api.poll(self._now_ns()):
                    self._do(again)
            case _:
                raise AssertionError(action)

    def _take(self, message: dict[str, Any]) -> None:
        if "status" in message:
            error = message.get("error", {})
            self.api.on_reply(WsReply(str(message["id"] or ""), message["status"], error.get("code", 0),
                                      error.get("msg", "")), self._now_ns())

    def close(self) -> None:
        self.channel.close()
        self._client.rest.close()


@pytest.mark.parametrize(
    ("kind", "methods"),
    [("hmac", ["userDataStream.subscribe.signature"]), ("ed25519", ["session.logon", "userDataStream.subscribe"])],
)
def test_the_order_session_becomes_ready_with_either_kind_of_key(
    venue: Venue, servers: Servers, kind: str, methods: list[str]
) -> None:
    session = OrderSession(venue, servers, getattr(venue, kind))
    for _ in range(20):
        assert session.step() is None
        if session.api.ready:
            break
    assert session.api.ready
    assert session.sent == methods
    session.close()


def test_the_order_session_with_a_wrong_secret_fails_for_good(venue: Venue, servers: Servers) -> None:
    session = OrderSession(venue, servers, (venue.hmac[0], HmacSigner("wrong")))
    failed = None
    for _ in range(20):
        failed = session.step()
        if failed is not None:
            break
    assert failed is not None
    assert failed.error.exit_code is ExitCode.CREDENTIALS
    session.close()


# --------------------------------------------------------------------------------------------------------------------
# The gate's bytes, the venue's answers, the core's records


def gate_of(client: Client, api_key: str, *, rest: bool) -> Gate:
    made = Gate({
        "symbol": SYMBOL.encode(), "order_prefix": b"mA1-0000002-", "stp_mode": b"EXPIRE_TAKER",
        "api_key": api_key.encode(), "wire": int(rest), "signature": int(client.signer.can_log_on), "price_decimals": 2,
        "qty_decimals": 5, "place_window_ms": 5000, "other_window_ms": 5000, "stale_decision_ns": 60 * 10**9,
        "orders_per_1s_max": 50, "orders_per_10s_max": 50, "orders_per_day_max": 1000, "mask_seed": 5})
    made.set_clock(client.clock.offset_ns)
    return made


def action(kind: Kind, seq: int, price_e8: int, qty_e8: int, now_ns: int, exchange_id: int = 0) -> Any:
    made = new_record()
    made.kind, made.count = kind, 1
    body = made.body.action
    body.order_seq, body.exchange_id, body.decision_ns = seq, exchange_id, now_ns
    body.price_e8, body.qty_e8 = price_e8, qty_e8
    return made


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_amends_and_replacements_become_the_events_the_engine_is_promised(
    venue: Venue, servers: Servers, kind: str
) -> None:
    session = OrderSession(venue, servers, getattr(venue, kind))
    while not session.api.ready:
        assert session.step() is None
    client = Client(venue, servers, getattr(venue, kind))
    client.read_clock()
    gate = gate_of(client, getattr(venue, kind)[0], rest=False)
    gate.session(session.api.logged_on)
    feed = Feed(SYMBOL, "mA1-0000002-", "mA1-")
    bid, ask = best(client)
    low, lot = bid - 600 * E8, E8 // 1000

    def ask_for(kind: Kind, seq: int, price_e8: int, qty_e8: int, exchange_id: int = 0) -> list[Any]:
        """The records of the reply, by kind, order and what they say."""
        now_ns = servers.now_ns()
        refusal, payload = gate.encode(action(kind, seq, price_e8, qty_e8, now_ns, exchange_id), now_ns)
        assert refusal == 0
        assert bool(payload) is not session.api.logged_on
        if payload:
            gate.seal(client.signer.sign(payload))
        assert session.channel.send(gate.take())
        while True:
            opcode, text = session.frames.next()
            if opcode != 1 or b'"event"' in text[:40] or b'"subscriptionId"' in text[:40]:
                continue
            found = feed.decode_events(text, 1)
            if feed.last().operation:
                return [told(one[0]) for one in found]

    def told(record: Any) -> tuple[Any, ...]:
        kind = Kind(record.kind)
        if kind is Kind.BUDGET:
            return kind, record.body.budget.weight_1m_limit > 0
        if kind in (Kind.ACK, Kind.AMENDED, Kind.CANCELED):
            return kind, record.body.report.order_seq, record.body.report.qty_e8
        return kind, record.body.outcome.order_seq, record.body.outcome.operation, record.body.outcome.code

    budget = (Kind.BUDGET, True)
    assert ask_for(Kind.PLACE, 1, low, 3 * lot) == [(Kind.ACK, 1, 3 * lot), budget]
    assert ask_for(Kind.AMEND, 1, low, 2 * lot) == [(Kind.AMENDED, 1, 2 * lot), budget]
    (order,) = client.rest.open_orders(SYMBOL)
    assert (order.qty_e8, order.client_id) == (2 * lot, "mA1-0000002-0000001-b0"), "it kept its name"
    assert ask_for(Kind.AMEND, 1, low, 2 * lot) == [(Kind.AMEND_REJECT, 1, Operation.AMEND, -2038), budget]
    assert ask_for(Kind.REPLACE, 2, low + E8, lot, order.exchange_id) == [
        (Kind.CANCELED, 1, 2 * lot), (Kind.ACK, 2, lot), budget]
    assert ask_for(Kind.REPLACE, 3, low, lot, order.exchange_id) == [
        (Kind.CANCEL_REJECT, 3, Operation.REPLACE, -2011), (Kind.REJECT, 3, Operation.REPLACE, -2022), budget]
    (order,) = client.rest.open_orders(SYMBOL)
    assert ask_for(Kind.REPLACE, 4, ask + 100 * E8, lot, order.exchange_id) == [
        (Kind.CANCELED, 2, lot), (Kind.REJECT, 4, Operation.REPLACE, -2010), budget]
    assert client.rest.open_orders(SYMBOL) == ()
    session.close()
    client.rest.close()


def test_amends_and_replacements_over_rest_have_the_same_outcomes(client: Client, venue: Venue) -> None:
    client.read_clock()
    key = venue.ed25519[0] if client.signer.can_log_on else venue.hmac[0]
    gate = gate_of(client, key, rest=True)
    bid, ask = best(client)
    low, lot = bid - 600 * E8, E8 // 1000

    def request(kind: Kind, seq: int, price_e8: int, qty_e8: int, exchange_id: int = 0) -> OrderRequest:
        now_ns = client.now_ns()
        refusal, payload = gate.encode(action(kind, seq, price_e8, qty_e8, now_ns, exchange_id), now_ns)
        assert refusal == 0
        gate.seal(client.signer.sign(payload))
        return OrderRequest(gate.client_id(seq, 0, 0), SYMBOL, Side.BUY, price_e8, qty_e8, exchange_id or None,
                            gate.take())

    def replaced(*arguments: Any) -> list[tuple[str, Outcome, int]]:
        return [(one.client_id[-10:], one.outcome, one.code)
                for one in client.rest.replace_order(request(Kind.REPLACE, *arguments))]

    first, second, third = "0000001-b0", "0000002-b0", "0000003-b0"
    assert client.rest.place_order(request(Kind.PLACE, 1, low, 3 * lot)).outcome is Outcome.ACKED
    amended = client.rest.amend_order(request(Kind.AMEND, 1, low, 2 * lot))
    assert (amended.outcome, amended.qty_e8) == (Outcome.ACKED, 2 * lot)
    again = client.rest.amend_order(request(Kind.AMEND, 1, low, 2 * lot))
    assert (again.outcome, again.code) == (Outcome.REJECTED, -2038)
    assert amended.exchange_id is not None
    assert replaced(2, low + E8, lot, amended.exchange_id) == [
        (first, Outcome.CANCELED, 0), (second, Outcome.ACKED, 0)]
    assert replaced(3, low, lot, amended.exchange_id) == [
        (third, Outcome.CANCEL_REJECTED, -2011), (third, Outcome.REJECTED, -2022)]
    (order,) = client.rest.open_orders(SYMBOL)
    assert replaced(4, ask + 100 * E8, lot, order.exchange_id) == [
        (second, Outcome.CANCELED, 0), ("0000004-b0", Outcome.REJECTED, -2010)]
    counts = client.rest.take_counts()
    assert counts is not None
    assert (counts.orders_10s > 0, counts.weight_1m > 0) == (True, True)
    assert client.rest.open_orders(SYMBOL) == ()
