"""Order entry through an `ExchangeClient`: which answer belongs to which order and which question."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from mmcore.config import Settings
from mmcore.core.engine import Engine
from mmcore.core.feed import Feed
from mmcore.core.gate import Gate
from mmcore.core.kinds import Kind
from mmcore.core.loop import Loop
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
        self._near, self._far = socket.socketpair()

    def connect(self) -> None:
        pass

    def close(self) -> None:
        self._near.close()
        self._far.close()

    def send_order(self, request: OrderRequest) -> bool:
        return True

    cancel_order = query_order = send_order

    def poll(self) -> Sequence[OrderResponse]:
        taken, self.answers = self.answers, []
        return taken

    def fileno(self) -> int:
        return self._near.fileno()


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
        after_run=lambda *_: None, fail=lambda _: None, served_by_feed=False)
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
