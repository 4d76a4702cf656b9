"""REST of Binance Spot: one session for one thread, every request bounded in time and size, nothing repeated by itself.

A request takes at most 3 s from its start to the last byte of its answer (and the time to look the name up). What
fails on the way is `UnreachableError` for reads; for an order it is the outcome UNKNOWN, never a refusal. No text of
any error holds a URL, a header or a body: signed requests are secrets for as long as they are valid.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from mmcore.errors import CredentialsError, ExchangeError, MmcoreError, UnreachableError
from mmcore.exchange.base import (
    AccountSnapshot,
    CommissionRates,
    DepthSnapshot,
    ExchangeClient,
    OpenOrder,
    Operation,
    OrderRequest,
    OrderResponse,
    Outcome,
    OwnTrade,
    printable,
)
from mmcore.exchange.binance import replies
from mmcore.exchange.binance.filters import ExchangeInfo, not_listed
from mmcore.exchange.binance.protocol import (
    NS_PER_S,
    ClockOffset,
    Endpoints,
    LimitedError,
    LimitState,
    Sender,
    Verdict,
    is_own,
    verdict,
)
from mmcore.exchange.binance.signing import Signer, Value, rest_payload, rest_signed
from mmcore.exchange.http import Http, HttpSession

_RECV_WINDOW_MS: Final = 5000
_RESYNC_SAMPLES: Final = 3
_INVALID_SYMBOL: Final = -1121
_LIMIT_CODE: Final = -1003
_TRADES_PAGE: Final = 1000
_OPEN_ORDERS_PATH: Final = "/api/v3/openOrders"
_ORDER_PATH: Final = "/api/v3/order"
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes
    sent_ns: int
    received_ns: int


class RestClient:
    """Blocking calls for one thread.

    Reads raise UnreachableError (no usable answer), LimitedError (not sent, or refused for limits), ExchangeError
    (refused), CredentialsError (a signed call without a key).
    """

    def __init__(self, endpoints: Endpoints, *, tag: str, now_ns: Callable[[], int], clock: ClockOffset,
                 limits: LimitState, api_key: str = "", signer: Signer | None = None,
                 authorities: str | None = None, http: Http | None = None) -> None:
        """tag: the account tag of own orders; others are never cancelled. now_ns: the local monotonic clock. clock,
        limits: shared with the other senders. authorities: a PEM file of trusted ones; None = the public ones. http:
        what carries the requests; None = a session over sockets."""
        self._base = endpoints.rest
        self._tag = tag
        self._now_ns = now_ns
        self._clock = clock
        self._limits = limits
        self._signer = signer
        self._key_header = {"X-MBX-APIKEY": api_key} if api_key else {}
        self._http = http or HttpSession(endpoints.rest, now_ns, authorities)

    def __repr__(self) -> str:
        return f"RestClient({self._base})"

    @property
    def banned_until_ns(self) -> int:
        """Local monotonic time before which the exchange lets nothing through; 0 = never banned."""
        return self._limits.banned_until_ns

    def close(self) -> None:
        """Closes the connection. Idempotent; the client may be used again."""
        self._http.close()

    # Public data.

    def server_time(self) -> int:
        """The exchange's time in epoch ms, and a sample for the clock offset. As free as cancels, which may need it."""
        reply = self._get("/api/v3/time", (), sender=Sender.CANCEL)
        server_ms = replies.server_time_ms(reply.body)
        self._clock.add(reply.sent_ns, reply.received_ns, server_ms)
        return server_ms

    def exchange_info(self, symbol: str) -> ExchangeInfo:
        """Rules of one symbol and the exchange's limits. Raises SymbolError if the symbol is not listed."""
        try:
            reply = self._get("/api/v3/exchangeInfo", (("symbol", symbol),))
        except ExchangeError as error:
            if error.code != _INVALID_SYMBOL:
                raise
            raise not_listed(symbol) from None
        info = ExchangeInfo(_object(reply.body))
        for limit in info.rate_limits:
            if limit.kind == "REQUEST_WEIGHT" and limit.interval_ms == 60_000:
                self._limits.set_weight_limit(limit.limit)
        return info

    def depth(self, symbol: str, levels: int) -> DepthSnapshot:
        """The book as raw bytes; levels: 1..5000 a side."""
        reply = self._get("/api/v3/depth", (("symbol", symbol), ("limit", levels)))
        return DepthSnapshot(symbol, levels, reply.body, reply.received_ns)

    # The account.

    def account(self) -> AccountSnapshot:
        """Balances and rights."""
        return replies.account(self._get("/api/v3/account", (), signed=True).body)

    def commission(self, symbol: str) -> CommissionRates:
        """What trades cost on the symbol, at most."""
        reply = self._get("/api/v3/account/commission", (("symbol", symbol),), signed=True)
        return replies.commission(reply.body)

    def open_orders(self, symbol: str) -> tuple[OpenOrder, ...]:
        """All open orders on the symbol, other programs' too. The store behind it may lag."""
        return replies.open_orders(self._get(_OPEN_ORDERS_PATH, (("symbol", symbol),), signed=True).body)

    def own_trades(self, symbol: str, *, from_id: int | None = None,
                   exchange_id: int | None = None) -> tuple[OwnTrade, ...]:
        """Own trades, oldest first, at most 1000: from a trade id on, or of one order, or the latest."""
        params: list[tuple[str, Value]] = [("symbol", symbol), ("limit", _TRADES_PAGE)]
        if from_id is not None:
            params.append(("fromId", from_id))
        if exchange_id is not None:
            params.append(("orderId", exchange_id))
        return replies.own_trades(self._get("/api/v3/myTrades", params, signed=True).body)

    def own_trades_from(self, symbol: str, from_id: int) -> Iterator[OwnTrade]:
        """All own trades from a trade id on, oldest first, page by page; each page is one request."""
        while True:
            page = self.own_trades(symbol, from_id=from_id)
            yield from page
            if len(page) < _TRADES_PAGE:
                return
            from_id = max(trade.trade_id for trade in page) + 1

    def client_id_of(self, symbol: str, exchange_id: int) -> str:
        """The client id an order was placed with: trades name their order by the exchange's id only."""
        params: list[tuple[str, Value]] = [("symbol", symbol), ("orderId", exchange_id)]
        return replies.client_id(self._get(_ORDER_PATH, params, signed=True).body)

    # Orders: these never raise for what the exchange or the network does.

    def place_order(self, request: OrderRequest) -> OrderResponse:
        """Sends exactly the bytes the gate sealed, once. NOT_SENT only if a limit forbids it now."""
        if not request.wire:
            raise ValueError("an order has no bytes of its own: they come from the gate")
        answer = _Answer(request, Operation.PLACE)
        if self._limits.wait_ns(Sender.ORDER, self._now_ns()):
            return answer.of(Outcome.NOT_SENT, message="the exchange asked to wait")
        try:
            reply = self._exchange("POST", _ORDER_PATH, b"", bytes(request.wire), {**self._key_header, **_FORM})
        except UnreachableError as error:
            return answer.of(Outcome.UNKNOWN, message=str(error))
        if reply.status == 200:
            return answer.read(reply.body)
        meaning, code, message = self._judge(reply)
        if meaning is Verdict.CLOCK:
            self._resync_clock()
        return answer.of(Outcome.REJECTED if meaning.is_definite else Outcome.UNKNOWN, code, message)

    def cancel_order(self, request: OrderRequest) -> OrderResponse:
        """Cancels one own order by its client id (with the exchange's id as well when that is known, so that both must
        agree). After -1021 the clock is read anew and the cancel sent once more. Raises ValueError for a foreign id."""
        if not is_own(request.client_id, self._tag):
            raise ValueError(f"{printable(request.client_id, 40)} is not an own order: it is not cancelled")
        response, meaning = self._cancel_once(request)
        if meaning is Verdict.CLOCK:
            self._resync_clock()
            response, _ = self._cancel_once(request)
        return response

    def _cancel_once(self, request: OrderRequest) -> tuple[OrderResponse, Verdict | None]:
        answer = _Answer(request, Operation.CANCEL)
        if self._limits.wait_ns(Sender.CANCEL, self._now_ns()):
            return answer.of(Outcome.NOT_SENT, message="the exchange asked to wait"), None
        query = self._signed_or_none(_order_params(request))
        if query is None:
            return answer.of(Outcome.NOT_SENT, message="the exchange's time is not known"), None
        try:
            reply = self._exchange("DELETE", _ORDER_PATH, query, None, self._key_header)
        except UnreachableError as error:
            return answer.of(Outcome.UNKNOWN, message=str(error)), None
        if reply.status == 200:
            return answer.read(reply.body), None
        meaning, code, message = self._judge(reply)
        return answer.of(Outcome.CANCEL_REJECTED if meaning.is_definite else Outcome.UNKNOWN, code, message), meaning

    def cancel_all(self, symbol: str) -> None:
        """Cancels every open order of the symbol with one request, foreign ones too: for an account that trades nothing
        else. Says nothing about what it did: read the open orders."""
        query = self._signed_or_none([("symbol", symbol)])
        if query is None or self._limits.wait_ns(Sender.CANCEL, self._now_ns()):
            return
        with contextlib.suppress(UnreachableError):
            reply = self._exchange("DELETE", _OPEN_ORDERS_PATH, query, None, self._key_header)
            if reply.status != 200:
                self._judge(reply)

    def query_order(self, request: OrderRequest) -> OrderResponse:
        """The state of one order. NOT_FOUND proves nothing by itself; UNKNOWN = no usable answer."""
        answer = _Answer(request, Operation.QUERY)
        try:
            reply = self._get(_ORDER_PATH, _order_params(request), signed=True)
        except ExchangeError as error:
            nowhere = verdict(400, error.code, error.msg) is Verdict.UNKNOWN_ORDER
            return answer.of(Outcome.NOT_FOUND if nowhere else Outcome.UNKNOWN, error.code, error.msg)
        except UnreachableError as error:
            return answer.of(Outcome.UNKNOWN, message=str(error))
        return answer.read(reply.body)

    # Inside.

    def _get(self, path: str, params: Sequence[tuple[str, Value]], *, signed: bool = False,
             sender: Sender = Sender.READ) -> _Reply:
        self._check_limits(sender)
        query = self._signed(params) if signed else rest_payload(params)
        reply = self._exchange("GET", path, query, None, self._key_header if signed else {})
        if reply.status == 200:
            return reply
        meaning, code, message = self._judge(reply)
        if meaning in (Verdict.LIMIT, Verdict.BANNED):
            raise LimitedError(message, self._limits.banned_until_ns)
        if meaning is Verdict.UNKNOWN:
            raise UnreachableError(f"{path}: HTTP {reply.status} {message}".rstrip())
        if meaning is Verdict.CLOCK:
            self._resync_clock()
        raise ExchangeError(code, message)

    def _check_limits(self, sender: Sender) -> None:
        now_ns = self._now_ns()
        wait_ns = self._limits.wait_ns(sender, now_ns)
        if wait_ns:
            raise LimitedError(f"not sent: limits forbid it for {-(-wait_ns // NS_PER_S)} s", now_ns + wait_ns)

    def _signed(self, params: Sequence[tuple[str, Value]]) -> bytes:
        if self._signer is None:
            raise CredentialsError("this call needs an API key and its secret")
        if not self._clock.known:
            self.server_time()
        timestamp_ms = self._clock.server_ms(self._now_ns())
        payload = rest_payload([*params, ("recvWindow", _RECV_WINDOW_MS), ("timestamp", timestamp_ms)])
        return rest_signed(payload, self._signer)

    def _signed_or_none(self, params: Sequence[tuple[str, Value]]) -> bytes | None:
        try:
            return self._signed(params)
        except (UnreachableError, ExchangeError):
            return None

    def _resync_clock(self) -> None:
        """The exchange said the time is wrong: what was known of it counts no longer."""
        self._clock.reset()
        for _ in range(_RESYNC_SAMPLES):
            try:
                self.server_time()
            except MmcoreError:
                return  # without a time the next signed call asks again

    def _judge(self, reply: _Reply) -> tuple[Verdict, int, str]:
        """Meaning, code and text of a reply that is not a success; limits are taken note of."""
        code, raw = replies.error_of(reply.body)
        meaning = verdict(reply.status, code, raw)
        message = printable(raw)
        if meaning in (Verdict.LIMIT, Verdict.BANNED):
            code = code or _LIMIT_CODE
            now_ns = self._now_ns()
            server_ms = self._clock.server_ms(now_ns) if self._clock.known else None
            self._limits.on_refusal(meaning, code, raw, _retry_after_ns(reply.headers), now_ns, server_ms)
        return meaning, code, message or f"HTTP {reply.status} without an error of the exchange"

    def _exchange(self, method: str, path: str, query: bytes, body: bytes | None,
                  headers: Mapping[str, str]) -> _Reply:
        """One request and its whole answer. Raises UnreachableError."""
        sent_ns = self._now_ns()
        try:
            reply = self._http.request(method, path, query.decode("ascii"), headers, body)
        except UnreachableError as error:
            failure = str(error)
        else:
            received_ns = self._now_ns()
            self._note_weight(reply.headers, received_ns)
            return _Reply(reply.status, reply.headers, reply.body, sent_ns, received_ns)
        raise UnreachableError(f"{path}: {failure}")

    def _note_weight(self, headers: Mapping[str, str], now_ns: int) -> None:
        used = headers.get("X-MBX-USED-WEIGHT-1M", "")
        if used.isascii() and used.isdigit() and len(used) < 10:
            self._limits.on_weight(int(used), now_ns, self._clock.server_ms(now_ns) if self._clock.known else 0)


def _order_params(request: OrderRequest) -> list[tuple[str, Value]]:
    params: list[tuple[str, Value]] = [("symbol", request.symbol), ("origClientOrderId", request.client_id)]
    if request.exchange_id is not None:
        params.append(("orderId", request.exchange_id))
    return params


@dataclass(frozen=True, slots=True)
class _Answer:
    """Makes the response to a request."""

    request: OrderRequest
    operation: Operation

    def of(self, outcome: Outcome, code: int = 0, message: str = "") -> OrderResponse:
        return OrderResponse(outcome, self.request.client_id, self.operation, self.request.exchange_id, code, message)

    def read(self, body: bytes) -> OrderResponse:
        """From the body of a success."""
        try:
            return replace(replies.order(body, self.request.client_id), operation=self.operation)
        except replies.MalformedError as error:
            return self.of(Outcome.UNKNOWN, message=str(error))


def _object(body: bytes) -> Mapping[str, Any]:
    found = replies.document(body)
    if not isinstance(found, Mapping):
        raise replies.MalformedError("the answer has not the expected form")
    return found


def _retry_after_ns(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Retry-After", "")
    return int(text) * NS_PER_S if text.isascii() and text.isdigit() and len(text) < 8 else None


# --------------------------------------------------------------------------------------------------------------------
# Order entry over REST


class RestOrders(ExchangeClient):
    """The seam over REST: requests go to the thread that owns the `RestClient`, outcomes come back here."""

    def __init__(self, client: RestClient, submit: Callable[[Callable[[], None], bool], bool]) -> None:
        """submit(job, urgent): puts a job into that thread's bounded queue, urgent ones (cancels) in front, and returns
        False when there is no room."""
        self._client = client
        self._submit = submit
        self._lock = threading.Lock()
        self._waiting: dict[int, _Answer] = {}
        self._running: dict[int, _Answer] = {}
        self._done: list[OrderResponse] = []
        self._tickets = itertools.count()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)

    def connect(self) -> None:
        """Before that thread runs: it is the client's only user afterwards."""
        self._client.server_time()

    def close(self) -> None:
        with self._lock:
            # A job whose ticket is gone does nothing any more.
            self._done += [answer.of(Outcome.NOT_SENT, message="closed") for answer in self._waiting.values()]
            self._done += [answer.of(Outcome.UNKNOWN, message="closed") for answer in self._running.values()]
            self._waiting.clear()
            self._running.clear()
        self._wake.close()
        self._woken.close()

    def send_order(self, request: OrderRequest) -> bool:
        # The gate's bytes live until its next call only.
        kept = replace(request, wire=bytes(request.wire))
        return self._hand_over(_Answer(kept, Operation.PLACE), self._client.place_order, urgent=False)

    def cancel_order(self, request: OrderRequest) -> bool:
        return self._hand_over(_Answer(request, Operation.CANCEL), self._client.cancel_order, urgent=True)

    def query_order(self, request: OrderRequest) -> bool:
        return self._hand_over(_Answer(request, Operation.QUERY), self._client.query_order, urgent=False)

    def poll(self) -> Sequence[OrderResponse]:
        with contextlib.suppress(OSError):  # drained, or closed
            while self._woken.recv(4096):
                pass
        with self._lock:
            done, self._done = self._done, []
        return done

    def fileno(self) -> int:
        return self._woken.fileno()

    def _hand_over(self, answer: _Answer, call: Callable[[OrderRequest], OrderResponse], *, urgent: bool) -> bool:
        ticket = next(self._tickets)
        with self._lock:
            self._waiting[ticket] = answer
        if self._submit(lambda: self._run(ticket, call), urgent):
            return True
        with self._lock:
            return self._waiting.pop(ticket, None) is None

    def _run(self, ticket: int, call: Callable[[OrderRequest], OrderResponse]) -> None:
        """On the REST thread."""
        with self._lock:
            answer = self._waiting.pop(ticket, None)
            if answer is None:
                return
            self._running[ticket] = answer
        response = answer.of(Outcome.UNKNOWN, message="the call failed inside")
        try:
            response = call(answer.request)
        finally:
            with self._lock:
                if self._running.pop(ticket, None) is not None:
                    self._done.append(response)
            self._signal()

    def _signal(self) -> None:
        with contextlib.suppress(OSError):  # full: the descriptor is readable anyway; closed: nobody waits
            self._wake.send(b"!")
