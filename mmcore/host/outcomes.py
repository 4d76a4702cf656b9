"""What an `ExchangeClient` says of an order, as the record the engine takes."""

from __future__ import annotations

from typing import Any, Final

from mmcore.core import record
from mmcore.core.feed import reject_class
from mmcore.core.kinds import Kind, Operation, OrderState, RecordFlag
from mmcore.exchange.base import Cause, OrderResponse, Outcome, Side

_ENDED: Final = {Outcome.FILLED: OrderState.FILLED, Outcome.CANCELED: OrderState.CANCELED,
                 Outcome.EXPIRED: OrderState.EXPIRED}

_TAKEN: Final = {Operation.PLACE: Kind.ACK, Operation.REPLACE: Kind.ACK, Operation.AMEND: Kind.AMENDED}
_REFUSED: Final = {Operation.PLACE: Kind.REJECT, Operation.REPLACE: Kind.REJECT, Operation.AMEND: Kind.AMEND_REJECT,
                   Operation.CANCEL: Kind.CANCEL_REJECT}
_CAUSES: Final = {Cause.BANNED: "BANNED", Cause.LIMIT: "RATE_LIMIT", Cause.CLOCK: "CLOCK",
                  Cause.LATE: "STALE_DECISION", Cause.CLOSED: "DISCONNECTED", None: "DISCONNECTED"}


def side_number(side: Side | None) -> int:
    """0 bid, 1 ask, -1 not said."""
    return -1 if side is None else 0 if side is Side.BUY else 1


def to_record(response: OrderResponse, operation: Operation, order_seq: int, now_ns: int) -> Any:
    """One event for the engine. operation: what the response answers."""
    outcome = response.outcome
    if outcome is Outcome.ACKED:
        return _report(_TAKEN.get(operation, Kind.STATUS), response, order_seq, OrderState.LIVE)
    if outcome is Outcome.CANCELED and operation in (Operation.CANCEL, Operation.REPLACE):
        return _report(Kind.CANCELED, response, order_seq, OrderState.CANCELED)
    if outcome in _ENDED:
        return _report(Kind.STATUS, response, order_seq, _ENDED[outcome])
    if outcome is Outcome.REJECTED and operation is Operation.QUERY:
        return _report(Kind.STATUS, response, order_seq, OrderState.REJECTED)
    if outcome is Outcome.NOT_FOUND:
        return record.report(Kind.STATUS, order_seq, exchange_id=0, status=OrderState.OTHER, code=response.code)
    return _without_order(response, operation, order_seq, now_ns)


def _report(kind: Kind, response: OrderResponse, order_seq: int, status: OrderState) -> Any:
    flags = RecordFlag.FOUND if kind is Kind.STATUS else 0
    return record.report(
        kind, order_seq, exchange_id=response.exchange_id or 0, status=status, flags=flags,
        side=side_number(response.side), price_e8=response.price_e8, qty_e8=response.qty_e8,
        executed_e8=response.executed_e8)


def _without_order(response: OrderResponse, operation: Operation, order_seq: int, now_ns: int) -> Any:
    outcome = response.outcome
    if outcome is Outcome.NOT_SENT:
        verdict = record.verdict(_CAUSES[response.cause])
        return record.outcome(Kind.NOT_SENT, order_seq, operation, now_ns, verdict=verdict)
    if outcome is Outcome.REJECTED or outcome is Outcome.CANCEL_REJECTED:
        kind = Kind.CANCEL_REJECT if outcome is Outcome.CANCEL_REJECTED else _REFUSED[operation]
        return record.outcome(kind, order_seq, operation, now_ns, code=response.code,
                              reject_class=reject_class(response.code, 400, response.message))
    return record.outcome(Kind.LOST, order_seq, operation, now_ns, code=response.code)
