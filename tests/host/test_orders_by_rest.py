"""Order entry through an `ExchangeClient`: which answer belongs to which order and which question."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from mmcore._native import lib
from mmcore.config import Settings
from mmcore.core.engine import Engine
from mmcore.core.feed import Feed
from mmcore.core.gate import Gate
from mmcore.core.kinds import Kind
from mmcore.core.loop import Loop, new_record
from mmcore.exchange.base import (
    CommissionRates,
    ExchangeClient,
    Operation,
    OrderRequest,
    OrderResponse,
    Outcome,
)
from mmcore.exchange.binance.filters import ExchangeInfo
from mmcore.exchange.binance.protocol import ClockOffset, LimitState, WsRequests, endpoints_at
from mmcore.exchange.binance.signing import HmacSigner
from mmcore.exchange.binance.ws_api import WsApi
from mmcore.host.assemble import engine_config, gate_config, loop_config
from mmcore.host.clock import SystemClock
from mmcore.host.connector import over_sockets
from mmcore.host.orders import OrdersThread, Session
from tests.host.test_assemble import INFO

PREFIX = "mA1-0000001-"
FIRST, SECOND = f"{PREFIX}0000001-b0", f"{PREFIX}0000002-a0"


class Answering(ExchangeClient):
    """Gives the answers it was told to give."""

    def __init__(self) -> None:
        self.answers: list[OrderResponse] = []
        self.taken: list[OrderRequest] = []
        self.room = True
        self._near, self._far = socket.socketpair()

    def connect(self) -> None:
        pass

    def close(self) -> None:
        self._near.close()
        self._far.close()

    def send_order(self, request: OrderRequest) -> bool:
        self.taken.append(request)
        return self.room

    cancel_order = query_order = amend_order = replace_order = send_order

    def poll(self) -> Sequence[OrderResponse]:
        taken, self.answers = self.answers, []
        return taken

    def fileno(self) -> int:
        return self._near.fileno()


class Standing(SystemClock):
    """A clock that stands still."""

    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns

    def mono_ns(self) -> int:
        return self._now_ns


class Listening(OrdersThread):
    """Keeps what it tells the engine."""

    told: list[Any]

    def _push(self, records: Any) -> None:
        self.told.append((records[0].kind, records[0].body.report.order_seq, records))


@pytest.fixture
def client() -> Iterator[Answering]:
    made = Answering()
    yield made
    made.close()


@pytest.fixture
def thread(client: Answering) -> Listening:
    info = ExchangeInfo(INFO)
    config = engine_config(Settings(), info.rules("BTCUSDT"), CommissionRates(0, 0, 0, 0), info.rate_limits,
                           utc_offset_ns=0, accept_reset=False)
    signer, offset, limits = HmacSigner("secret"), ClockOffset(), LimitState()
    session = Session(WsApi(endpoints_at("http://127.0.0.1:1"), WsRequests("key", signer), offset, limits,
                            random.Random(1)), signer, offset, limits, "BTCUSDT")
    gate = Gate(gate_config(config, order_prefix=PREFIX, api_key="key", rest=True, ed25519=False,
                            stp_mode="EXPIRE_TAKER", mask_seed=1))
    made = Listening(
        Loop(Engine(config), loop_config(Settings(), recorded=False)), gate, session,
        Feed(symbol="BTCUSDT", order_prefix=PREFIX, account_prefix="mA1-"), SystemClock(),
            connectors=over_sockets(SystemClock().mono_ns), orders_by_rest=client,
        cancel_by_rest=lambda *_: False, resync_clock=lambda: None, leftover_name=lambda _: None,
        after_run=lambda *_: None, fail=lambda _: None,
        stale_decision_ns=1_000_000_000, served_by_feed=False)
    made.told = []
    return made


PLACED = OrderResponse(Outcome.ACKED, FIRST, Operation.PLACE, exchange_id=5)
CANCELED = OrderResponse(Outcome.CANCELED, FIRST, Operation.CANCEL, exchange_id=5)
OTHER = OrderResponse(Outcome.REJECTED, SECOND, Operation.PLACE, code=-1013, message="Filter failure: LOT_SIZE")


@pytest.mark.parametrize("order", [(PLACED, CANCELED, OTHER), (CANCELED, OTHER, PLACED), (OTHER, PLACED, CANCELED)])
def test_a_place_and_a_cancel_of_one_order_are_told_apart_whichever_answer_comes_first(
    thread: Listening, client: Answering, order: tuple[OrderResponse, ...]
) -> None:
    expected = {id(PLACED): (Kind.ACK, 1), id(CANCELED): (Kind.CANCELED, 1), id(OTHER): (Kind.REJECT, 2)}
    client.answers = list(order)
    thread._take_rest_answers(client)
    assert [(kind, seq) for kind, seq, _ in thread.told] == [expected[id(one)] for one in order]


def test_a_cancel_that_is_answered_twice_still_names_its_order(thread: Listening, client: Answering) -> None:
    refused = OrderResponse(Outcome.CANCEL_REJECTED, FIRST, Operation.CANCEL, code=-2011, message="Unknown order sent.")
    client.answers = [CANCELED, refused]
    thread._take_rest_answers(client)
    assert [(kind, seq) for kind, seq, _ in thread.told] == [(Kind.CANCELED, 1), (Kind.CANCEL_REJECT, 1)]


def test_news_nobody_asked_for_is_the_state_of_the_order(thread: Listening, client: Answering) -> None:
    client.answers = [OrderResponse(Outcome.EXPIRED, SECOND, exchange_id=6)]
    thread._take_rest_answers(client)
    assert [(kind, seq) for kind, seq, _ in thread.told] == [(Kind.STATUS, 2)]


def test_an_order_of_an_earlier_run_has_no_number_in_this_one(thread: Listening, client: Answering) -> None:
    client.answers = [OrderResponse(Outcome.CANCELED, "mA1-0000000-0000009-b0", Operation.CANCEL, exchange_id=7)]
    thread._take_rest_answers(client)
    assert [(kind, seq) for kind, seq, _ in thread.told] == [(Kind.CANCELED, 0)]


OLD, NEW = FIRST, SECOND


def test_both_halves_of_a_replacement_are_told_under_the_orders_they_are_about(
    thread: Listening, client: Answering
) -> None:
    client.answers = [OrderResponse(Outcome.CANCELED, OLD, Operation.REPLACE, exchange_id=5),
                      OrderResponse(Outcome.REJECTED, NEW, Operation.REPLACE, code=-2010, message="no")]
    thread._take_rest_answers(client)
    client.answers = [OrderResponse(Outcome.CANCEL_REJECTED, NEW, Operation.REPLACE, code=-2011, message="no"),
                      OrderResponse(Outcome.ACKED, NEW, Operation.REPLACE, exchange_id=6)]
    thread._take_rest_answers(client)
    assert [(kind, seq) for kind, seq, _ in thread.told] == [
        (Kind.CANCELED, 1), (Kind.REJECT, 2), (Kind.CANCEL_REJECT, 2), (Kind.ACK, 2)]


def action(kind: Kind, seq: int, exchange_id: int = 0) -> Any:
    made = new_record()
    made.kind, made.count = kind, 1
    body = made.body.action
    body.order_seq, body.exchange_id = seq, exchange_id
    body.price_e8, body.qty_e8 = 5_000_000_000_000, 100_000
    return made


def outcomes(thread: Listening) -> list[tuple[int, int, int]]:
    """What the loop was told of requests: kind, order, time."""
    found, ring, one = [], lib.mm_loop_ring(thread._loop._raw, lib.MM_RING_EXEC), new_record()
    while lib.mm_spsc_pop(ring, one, 1):
        found.append((one.kind, one.body.outcome.order_seq, one.body.outcome.recv_ns))
    return found


def give(thread: Listening, *actions: Any) -> None:
    """As if the engine had decided on these."""
    for one in actions:
        ring = lib.MM_RING_CANCEL if one.kind == Kind.CANCEL else lib.MM_RING_ACTION
        assert lib.mm_spsc_push(lib.mm_loop_ring(thread._loop._raw, ring), one)
    thread._gate.set_clock(0)
    assert thread.try_run(1)


def test_a_request_over_rest_is_sent_when_the_kernel_had_it_and_not_when_it_was_handed_over(
    thread: Listening, client: Answering
) -> None:
    thread._clock = Standing(0)
    give(thread, action(Kind.PLACE, 1), action(Kind.CANCEL, 1, 5), action(Kind.AMEND, 1, 5), action(Kind.REPLACE, 2, 5),
         action(Kind.QUERY, 1, 5))
    assert outcomes(thread) == []
    assert [(one.client_id[-10:], one.exchange_id, bool(one.wire)) for one in client.taken] == [
        ("0000001-b0", 5, False), ("0000001-b0", None, True), ("0000001-b0", 5, True), ("0000002-b0", 5, True),
        ("0000001-b0", 5, False)]
    tickets = [one.ticket for one in client.taken]
    assert len(set(tickets)) == 5
    for at, (request, asked) in enumerate(zip(client.taken, (Operation.CANCEL, Operation.PLACE, Operation.AMEND,
                                                             Operation.REPLACE, Operation.QUERY), strict=True)):
        client.answers.append(OrderResponse(Outcome.SENT, request.client_id, asked, ticket=request.ticket,
                                            sent_ns=100 + at))
    thread._take_rest_answers(client)
    assert outcomes(thread) == [(Kind.SENT, 1, 100), (Kind.SENT, 1, 101), (Kind.SENT, 1, 102), (Kind.SENT, 2, 103),
                                (Kind.SENT, 1, 104)]
    client.answers = [OrderResponse(Outcome.SENT, FIRST, Operation.PLACE, ticket=tickets[1], sent_ns=200)]
    thread._take_rest_answers(client)
    assert outcomes(thread) == [], "said once"
    assert thread._handed_over == {}


def test_without_room_nothing_is_sent_and_nothing_kept(thread: Listening, client: Answering) -> None:
    thread._clock = Standing(7)
    client.room = False
    give(thread, action(Kind.PLACE, 1), action(Kind.CANCEL, 1, 5))
    assert outcomes(thread) == [(Kind.NOT_SENT, 1, 7), (Kind.NOT_SENT, 1, 7)]
    assert thread._handed_over == {}


def test_an_answer_without_a_sending_is_the_end_of_the_request(thread: Listening, client: Answering) -> None:
    thread._clock = Standing(0)
    give(thread, action(Kind.PLACE, 1))
    client.answers = [OrderResponse(Outcome.NOT_SENT, FIRST, Operation.PLACE, ticket=client.taken[0].ticket)]
    thread._take_rest_answers(client)
    assert [(kind, seq) for kind, seq, _ in thread.told] == [(Kind.NOT_SENT, 1)]
    assert thread._handed_over == {}
