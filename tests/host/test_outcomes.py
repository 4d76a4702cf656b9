"""What an exchange client says of an order becomes the one record that tells the engine the same."""

from __future__ import annotations

from typing import Any

import pytest

from mmcore._native import lib
from mmcore.core.kinds import Kind, Operation, OrderState, RecordFlag
from mmcore.exchange.base import Cause, OrderResponse, Outcome, Side
from mmcore.host.outcomes import side_number, to_record

SEQ, NOW_NS = 7, 5_000
E8 = 100_000_000

# (outcome, what was asked) -> (kind, state, the exchange has such an order)
REPORTS = {
    (Outcome.ACKED, Operation.PLACE): (Kind.ACK, OrderState.LIVE, False),
    (Outcome.ACKED, Operation.CANCEL): (Kind.STATUS, OrderState.LIVE, True),
    (Outcome.ACKED, Operation.QUERY): (Kind.STATUS, OrderState.LIVE, True),
    (Outcome.FILLED, Operation.PLACE): (Kind.STATUS, OrderState.FILLED, True),
    (Outcome.FILLED, Operation.CANCEL): (Kind.STATUS, OrderState.FILLED, True),
    (Outcome.FILLED, Operation.QUERY): (Kind.STATUS, OrderState.FILLED, True),
    (Outcome.CANCELED, Operation.PLACE): (Kind.STATUS, OrderState.CANCELED, True),
    (Outcome.CANCELED, Operation.CANCEL): (Kind.CANCELED, OrderState.CANCELED, False),
    (Outcome.CANCELED, Operation.QUERY): (Kind.STATUS, OrderState.CANCELED, True),
    (Outcome.EXPIRED, Operation.PLACE): (Kind.STATUS, OrderState.EXPIRED, True),
    (Outcome.EXPIRED, Operation.CANCEL): (Kind.STATUS, OrderState.EXPIRED, True),
    (Outcome.EXPIRED, Operation.QUERY): (Kind.STATUS, OrderState.EXPIRED, True),
    (Outcome.REJECTED, Operation.QUERY): (Kind.STATUS, OrderState.REJECTED, True),
    (Outcome.NOT_FOUND, Operation.QUERY): (Kind.STATUS, OrderState.OTHER, False),
    (Outcome.ACKED, Operation.AMEND): (Kind.AMENDED, OrderState.LIVE, False),
    (Outcome.FILLED, Operation.AMEND): (Kind.STATUS, OrderState.FILLED, True),
    (Outcome.CANCELED, Operation.AMEND): (Kind.STATUS, OrderState.CANCELED, True),
    (Outcome.EXPIRED, Operation.AMEND): (Kind.STATUS, OrderState.EXPIRED, True),
    (Outcome.ACKED, Operation.REPLACE): (Kind.ACK, OrderState.LIVE, False),
    (Outcome.FILLED, Operation.REPLACE): (Kind.STATUS, OrderState.FILLED, True),
    (Outcome.CANCELED, Operation.REPLACE): (Kind.CANCELED, OrderState.CANCELED, False),
    (Outcome.EXPIRED, Operation.REPLACE): (Kind.STATUS, OrderState.EXPIRED, True),
}
# (outcome, what was asked) -> kind: these say nothing of the order itself.
VERDICTS = {
    (Outcome.REJECTED, Operation.PLACE): Kind.REJECT,
    (Outcome.CANCEL_REJECTED, Operation.CANCEL): Kind.CANCEL_REJECT,
    (Outcome.REJECTED, Operation.CANCEL): Kind.CANCEL_REJECT,
    (Outcome.REJECTED, Operation.AMEND): Kind.AMEND_REJECT,
    (Outcome.REJECTED, Operation.REPLACE): Kind.REJECT,
    (Outcome.CANCEL_REJECTED, Operation.REPLACE): Kind.CANCEL_REJECT,
    **{(Outcome.NOT_SENT, asked): Kind.NOT_SENT for asked in Operation},
    **{(Outcome.UNKNOWN, asked): Kind.LOST for asked in Operation},
}


def response(outcome: Outcome, **more: Any) -> OrderResponse:
    return OrderResponse(outcome, "mA1-0000001-0000007-b0", **more)


@pytest.mark.parametrize(("outcome", "asked"), REPORTS, ids=str)
def test_what_is_known_of_an_order_is_passed_on_whole(outcome: Outcome, asked: Operation) -> None:
    kind, state, found = REPORTS[outcome, asked]
    made = to_record(
        response(outcome, exchange_id=42, side=Side.SELL, price_e8=3 * E8, qty_e8=2 * E8, executed_e8=E8, code=-1),
        asked, SEQ, NOW_NS)[0]
    report = made.body.report
    assert (made.kind, made.count, report.status, report.order_seq) == (kind, 1, state, SEQ)
    assert bool(made.flags & RecordFlag.FOUND) is found
    assert made.flags & lib.MM_FLAG_BY_REST
    if outcome is Outcome.NOT_FOUND:
        assert (report.exchange_id, report.executed_e8, report.code) == (0, -1, -1)
    else:
        assert (report.exchange_id, report.side, report.price_e8) == (42, 1, 3 * E8)
        assert (report.qty_e8, report.executed_e8) == (2 * E8, E8)


@pytest.mark.parametrize(("outcome", "asked"), VERDICTS, ids=str)
def test_what_became_of_a_request_names_the_request(outcome: Outcome, asked: Operation) -> None:
    made = to_record(response(outcome, code=-2010, message="Order would immediately match and take."),
                     asked, SEQ, NOW_NS)[0]
    told = made.body.outcome
    assert (made.kind, made.count) == (VERDICTS[outcome, asked], 1)
    assert (told.order_seq, told.operation, told.recv_ns) == (SEQ, asked, NOW_NS)
    refused = made.kind in (Kind.REJECT, Kind.CANCEL_REJECT, Kind.AMEND_REJECT)
    assert told.detail == (lib.MM_REJECT_WOULD_MATCH if refused else 0)
    assert told.code == (-2010 if made.kind != Kind.NOT_SENT else 0)
    assert bool(told.verdict) is (made.kind == Kind.NOT_SENT)


def test_every_outcome_is_covered_for_every_question_it_can_answer() -> None:
    impossible = {
        *((Outcome.CANCEL_REJECTED, asked) for asked in (Operation.PLACE, Operation.QUERY, Operation.AMEND)),
        *((Outcome.NOT_FOUND, asked) for asked in Operation if asked is not Operation.QUERY)}
    # SENT is no outcome of the request: the loop is told of it, not the engine by this.
    every = {(outcome, asked) for outcome in Outcome if outcome is not Outcome.SENT for asked in Operation}
    assert {*REPORTS, *VERDICTS} == every - impossible


@pytest.mark.parametrize(
    ("code", "message", "meaning"),
    [
        (-2010, "Account has insufficient balance for requested action.", "BALANCE"),
        (-1013, "Filter failure: LOT_SIZE", "FILTER"),
        (-1021, "Timestamp for this request is outside of the recvWindow.", "CLOCK"),
        (-2015, "Invalid API-key, IP, or permissions for action.", "CREDENTIALS"),
        (-2011, "Unknown order sent.", "UNKNOWN_ORDER"),
        (-2010, "Market is closed.", "MARKET_CLOSED"),
        (-2010, "Duplicate order sent.", "DUPLICATE"),
        (-9999, "something new", "OTHER"),
    ],
)
def test_a_refusal_carries_its_class(code: int, message: str, meaning: str) -> None:
    made = to_record(response(Outcome.REJECTED, code=code, message=message), Operation.PLACE, SEQ, NOW_NS)[0]
    assert made.body.outcome.detail == getattr(lib, f"MM_REJECT_{meaning}")


def test_an_order_whose_number_at_the_exchange_is_not_known_has_none() -> None:
    made = to_record(response(Outcome.ACKED), Operation.PLACE, SEQ, NOW_NS)[0]
    assert (made.body.report.exchange_id, made.body.report.executed_e8, made.body.report.side) == (0, -1, -1)


def test_sides_are_numbers() -> None:
    assert [side_number(side) for side in (Side.BUY, Side.SELL, None)] == [0, 1, -1]


@pytest.mark.parametrize(("cause", "reason"), [
    (Cause.BANNED, lib.MM_REASON_BANNED), (Cause.LIMIT, lib.MM_REASON_RATE_LIMIT), (Cause.CLOCK, lib.MM_REASON_CLOCK),
    (Cause.LATE, lib.MM_REASON_STALE_DECISION), (Cause.CLOSED, lib.MM_REASON_DISCONNECTED),
    (None, lib.MM_REASON_DISCONNECTED),
])
def test_why_a_request_was_not_sent_is_told_as_it_is(cause: Cause | None, reason: int) -> None:
    made = to_record(response(Outcome.NOT_SENT, cause=cause), Operation.PLACE, SEQ, NOW_NS)[0]
    assert (made.kind, made.body.outcome.verdict) == (Kind.NOT_SENT, 1 << reason)
