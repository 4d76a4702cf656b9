"""The WebSocket API without sockets: a session per connection; request text in, reply text out, user events wrapped."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmcore.venue import userdata
from mmcore.venue.calls import Call, Operation
from mmcore.venue.errors import VenueError, unsupported_operation
from mmcore.venue.exchange import Exchange, UserEvent
from mmcore.venue.gateway import Credentials, Extras, Outcome, perform, refuse
from mmcore.venue.jsontext import Stamp, TimeUnit, compact_json
from mmcore.venue.limits import LOCAL
from mmcore.venue.operations import WS_METHODS
from mmcore.venue.params import Params
from mmcore.venue.signing import lenient_ws_payloads, ws_payloads

_ID = re.compile(r"[a-zA-Z0-9\-_]{1,36}", re.ASCII)
_INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)
CONNECT_WEIGHT = 2
_SUBSCRIPTIONS_EVER = 65_535
_SWAP_US = 1_000_000
_PUBLIC = Extras(optional=("returnRateLimits",))
_SIGNED = Extras(required=("apiKey", "timestamp", "signature"), optional=("recvWindow", "returnRateLimits"))
_LOGGED_ON = Extras(required=("timestamp",), optional=("recvWindow", "returnRateLimits"))


class _Token(str):
    """A number exactly as it stood in the JSON text, because signatures cover the token (1 and 1.0 differ)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Request:
    id_json: str
    method: str
    params: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Subscription:
    account_id: str
    api_key: str
    by_logon: bool


class ApiSession:
    """The state of one connection to `/ws-api/v3`.

    `unit` is that of every time in replies and events, `address` whom the IP limits hold for. With
    `lenient_signatures` a signature over percent-encoded parameters counts as well, as some clients make it.
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        return_rate_limits: bool = True,
        unit: TimeUnit = TimeUnit.MILLISECOND,
        address: str = LOCAL,
        lenient_signatures: bool = False,
    ) -> None:
        self._exchange = exchange
        self._unit = unit
        self._visitor = exchange.visitors.of(address)
        self._payloads = lenient_ws_payloads if lenient_signatures else ws_payloads
        self._return_rate_limits = return_rate_limits
        self._connected_us = exchange.server_us()
        self._key_name: str | None = None
        self._authorized_us = 0
        self._subscriptions: dict[int, _Subscription] = {}
        self._next_subscription = 0
        self._outgoing: list[str] = []
        self._late: list[str] = []
        self._swapped: list[str] = []
        self._hold_events_until_us = 0
        self.events_first: bool | None = None
        """Whether the user events of the last request go out before its reply; None where no fault says so."""
        self._visitor.weight.add(self._connected_us, CONNECT_WEIGHT)
        self._methods: dict[str, Operation] = {
            **WS_METHODS,
            "session.logon": Operation(self._logon, 2, signed=True),
            "session.status": Operation(self._status, 2),
            "session.logout": Operation(self._logout, 2),
            "session.subscriptions": Operation(self._list, 2),
            "userDataStream.subscribe": Operation(self._subscribe, 2),
            "userDataStream.subscribe.signature": Operation(self._subscribe_signed, 2, signed=True),
            "userDataStream.unsubscribe": Operation(self._unsubscribe, 2, optional=("subscriptionId",)),
        }

    def handle(self, text: str) -> list[str]:
        """Answer one text frame; what else the request brought (an eventStreamTerminated) follows the reply.

        A reply that a fault delays comes with `take_late`, one that it loses does not come.
        """
        self.events_first = None
        try:
            request = _parse(text)
        except VenueError as error:
            outcome = refuse(self._exchange, error, self._visitor)
            return [self._render("null", outcome, self._return_rate_limits)]
        operation = self._methods.get(request.method)
        if operation is None:
            outcome = refuse(self._exchange, unsupported_operation(400), self._visitor)
            return [self._render(request.id_json, outcome, self._return_rate_limits)]
        return [*self._answer(request, operation), *self._take_outgoing()]

    def wrap(self, event: UserEvent) -> list[str]:
        """The frames to send now, after `event`: one per subscription to its account, and those that faults held back
        behind it. A frame that a fault delays comes with `take_late`.
        """
        frames: list[str] = []
        for number, subscription in self._subscriptions.items():
            if subscription.account_id == event.account_id:
                frames += self._carry(event, _wrapped(number, event.text(self._unit)))
        return frames

    def take_late(self) -> list[str]:
        """The frames that faults delayed until now: to be sent after each advance, before the new events."""
        late, self._late = self._late, []
        return late

    def terminate(self) -> list[str]:
        """End every subscription: the frames that say so."""
        self._terminate(list(self._subscriptions))
        return self._take_outgoing()

    def end_key(self, api_key: str) -> list[str]:
        """End the subscriptions made with a key: the frames that say so."""
        self._terminate([number for number, one in self._subscriptions.items() if one.api_key == api_key])
        return self._take_outgoing()

    def announce(self, event: Mapping[str, Any]) -> str:
        """The frame of an event that belongs to no subscription."""
        return f'{{"event":{compact_json(event, self._unit)}}}'

    # Faults on the way

    def _carry(self, event: UserEvent, frame: str) -> list[str]:
        now_us = self._exchange.clock.now_us()
        fault = self._exchange.faults.on_event(event.account_id, _event_class(event), now_us)
        if fault is not None and fault.kind == "event_delayed":
            due_us = now_us + 1000 * fault.whole("delay_ms")
            if fault.word("others") == "pass":
                return self._send_later(frame, due_us)
            self._hold_events_until_us = max(self._hold_events_until_us, due_us)
        if now_us < self._hold_events_until_us:
            return self._send_later(frame, self._hold_events_until_us)
        if fault is not None and fault.kind == "event_swapped":
            self._swapped.append(frame)
            self._exchange.agenda.at(now_us + _SWAP_US, self._release_swapped)
            return []
        swapped, self._swapped = self._swapped, []
        return [frame, *swapped]

    def _send_later(self, frame: str, due_us: int) -> list[str]:
        self._exchange.agenda.at(due_us, lambda: self._late.append(frame))
        return []

    def _release_swapped(self) -> None:
        self._late += self._swapped
        self._swapped.clear()

    def _replay(self, number: int, account_id: str) -> None:
        """A fault may begin a subscription with reports that were sent before."""
        fault = self._exchange.faults.on_subscription(account_id, self._exchange.clock.now_us())
        if fault is not None:
            reports = self._exchange.recent_reports(account_id, fault.whole("count"))
            self._outgoing += [_wrapped(number, report.text(self._unit)) for report in reports]

    # Answering

    def _answer(self, request: _Request, operation: Operation) -> list[str]:
        params = Params(request.params)
        by_session = (
            operation.signed
            and self._key_name is not None
            and "apiKey" not in params
            and "signature" not in params
            and request.method not in ("session.logon", "userDataStream.subscribe.signature")
        )
        credentials, extras = self._credentials(request.params, operation, by_session)
        outcome = perform(self._exchange, operation, params, credentials, extras, self._visitor, via="ws")
        id_json = request.id_json
        if by_session and outcome.error is not None and outcome.error.code == -2015:
            self._key_name, id_json = None, "null"
        text = self._render(id_json, outcome, self._wants_limits(params))
        delivery = outcome.delivery
        self.events_first = delivery.events_first
        if delivery.lost:
            return []
        if delivery.delay_us:
            return self._send_later(text, self._exchange.clock.now_us() + delivery.delay_us)
        return [text]

    def _credentials(
        self, params: dict[str, str], operation: Operation, by_session: bool
    ) -> tuple[Credentials | None, Extras]:
        if not operation.signed:
            return None, _PUBLIC
        if by_session and self._key_name is not None:
            return Credentials(self._key_name, ()), _LOGGED_ON
        return Credentials(params.get("apiKey", ""), self._payloads(params)), _SIGNED

    def _wants_limits(self, params: Params) -> bool:
        try:
            return params.flag("returnRateLimits", self._return_rate_limits)
        except VenueError:
            return self._return_rate_limits

    def _render(self, id_json: str, outcome: Outcome, with_limits: bool) -> str:
        error = outcome.error
        if error is None:
            body = f'"result":{compact_json(outcome.result, self._unit)}'
        else:
            described: dict[str, Any] = {"code": error.code, "msg": error.msg}
            if error.retry_at_ms is not None:
                described["data"] = {
                    "serverTime": self._exchange.server_us() // 1000,
                    "retryAfter": error.retry_at_ms,
                }
            if error.data is not None:
                described["data"] = error.data
            body = f'"error":{compact_json(described, self._unit)}'
        limits = f',"rateLimits":{compact_json(self._rate_limits(outcome))}' if with_limits else ""
        return f'{{"id":{id_json},"status":{outcome.status},{body}{limits}}}'

    def _rate_limits(self, outcome: Outcome) -> list[dict[str, Any]]:
        now_us = self._exchange.server_us()
        counters = (*outcome.order_counts, self._visitor.weight)
        return [counter.describe(now_us) for counter in counters]

    # Session and subscriptions

    def _session_row(self) -> dict[str, Any]:
        logged_on = self._key_name is not None
        return {
            "apiKey": self._key_name,
            "authorizedSince": Stamp(self._authorized_us) if logged_on else None,
            "connectedSince": Stamp(self._connected_us),
            "returnRateLimits": self._return_rate_limits,
            "serverTime": Stamp(self._exchange.server_us()),
            "userDataStream": bool(self._subscriptions),
        }

    def _logon(self, call: Call) -> dict[str, Any]:
        assert call.key is not None, "session.logon is a signed operation"
        if not call.key.may_logon:
            raise VenueError(-4056, "HMAC_SHA256 API key is not supported.")
        self._key_name, self._authorized_us = call.key.api_key, self._exchange.server_us()
        return self._session_row()

    def _status(self, call: Call) -> dict[str, Any]:
        return self._session_row()

    def _logout(self, call: Call) -> dict[str, Any]:
        self._key_name = None
        self._terminate([number for number, one in self._subscriptions.items() if one.by_logon])
        return self._session_row()

    def _list(self, call: Call) -> list[dict[str, int]]:
        return [{"subscriptionId": number} for number in self._subscriptions]

    def _subscribe(self, call: Call) -> dict[str, int]:
        if self._key_name is None:
            raise VenueError(-1002, "You are not authorized to execute this request.", status=401)
        account_id = self._exchange.keys.find(self._key_name).account_id
        return self._open_subscription(_Subscription(account_id, self._key_name, by_logon=True))

    def _subscribe_signed(self, call: Call) -> dict[str, int]:
        assert call.key is not None, "userDataStream.subscribe.signature is a signed operation"
        return self._open_subscription(_Subscription(call.key.account_id, call.key.api_key, by_logon=False))

    def _open_subscription(self, subscription: _Subscription) -> dict[str, int]:
        if any(one.account_id == subscription.account_id for one in self._subscriptions.values()):
            raise VenueError(-2035, "User Data Stream subscription already active.")
        if self._next_subscription >= _SUBSCRIPTIONS_EVER:
            raise VenueError(-2042, "Maximum subscription ID reached for this connection.")
        number, self._next_subscription = self._next_subscription, self._next_subscription + 1
        self._subscriptions[number] = subscription
        self._replay(number, subscription.account_id)
        return {"subscriptionId": number}

    def _unsubscribe(self, call: Call) -> dict[str, Any]:
        number = call.params.integer("subscriptionId")
        chosen = list(self._subscriptions) if number is None else [number]
        if not chosen or any(one not in self._subscriptions for one in chosen):
            raise VenueError(-2036, "User Data Stream subscription not active.")
        self._terminate(chosen)
        return {}

    def _terminate(self, numbers: list[int]) -> None:
        for number in numbers:
            del self._subscriptions[number]
            event = compact_json(userdata.stream_terminated(self._exchange.server_us()), self._unit)
            self._outgoing.append(_wrapped(number, event))

    def _take_outgoing(self) -> list[str]:
        outgoing, self._outgoing = self._outgoing, []
        return outgoing


def _event_class(event: UserEvent) -> str:
    """As faults name it: x of an executionReport, "position", else e."""
    kind = str(event.event["e"])
    if kind == "executionReport":
        return str(event.event["x"])
    return "position" if kind == "outboundAccountPosition" else kind


def _wrapped(number: int, event: str) -> str:
    return f'{{"subscriptionId":{number},"event":{event}}}'


def _bad(msg: str) -> VenueError:
    return VenueError(-1135, msg)


def _parse(text: str) -> _Request:
    try:
        data = json.loads(text, parse_int=_Token, parse_float=_Token, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise _bad("Invalid JSON Request") from None
    if not isinstance(data, dict):
        raise _bad("Invalid JSON Request")
    id_json = _id_json(data)
    method = data.get("method")
    if not isinstance(method, str) or isinstance(method, _Token):
        raise _bad("Invalid 'method' in JSON request; expected a string.")
    params = data.get("params", {})
    if not isinstance(params, dict):
        raise _bad("Invalid 'params' in JSON request; expected an object.")
    texts = {name: _value_text(value) for name, value in params.items() if value is not None}
    return _Request(id_json, method.removeprefix("v3/"), texts)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _id_json(data: dict[str, Any]) -> str:
    """The id's JSON text, to be echoed."""
    value = data.get("id", False)
    if value is None:
        return "null"
    if isinstance(value, _Token) and _INTEGER.fullmatch(value):
        return str(value)
    if isinstance(value, str) and not isinstance(value, _Token) and _ID.fullmatch(value):
        return f'"{value}"'
    raise _bad("Invalid 'id' in JSON request; expected an integer, a string matching '^[a-zA-Z0-9-_]{1,36}$', or null.")


def _value_text(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return compact_json(value)
