"""REST of Binance Spot: one session for one thread, every request bounded in time and size, nothing repeated by itself.

A request takes at most 3 s from its start, the look-up of the name included, to the last byte of its answer. What
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
from typing import Final, TypeAlias

from mmcore.errors import CredentialsError, ExchangeError, MmcoreError, UnreachableError
from mmcore.exchange.base import (
    AccountSnapshot,
    Cause,
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
    NS_PER_MS,
    NS_PER_S,
    TOO_MANY_ORDERS,
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
_ORDERS_PAGE: Final = 1000
_OPEN_ORDERS_PATH: Final = "/api/v3/openOrders"
_ORDER_PATH: Final = "/api/v3/order"
_AMEND_PATH: Final = "/api/v3/order/amend/keepPriority"
_REPLACE_PATH: Final = "/api/v3/order/cancelReplace"
_COUNT_HEADERS: Final = (("X-MBX-USED-WEIGHT-1M", "weight_1m"), ("X-MBX-ORDER-COUNT-10S", "orders_10s"),
                         ("X-MBX-ORDER-COUNT-1D", "orders_day"))
_LIMITS: Final = {("REQUEST_WEIGHT", 60_000): "weight_1m_limit", ("ORDERS", 10_000): "orders_10s_limit",
                  ("ORDERS", 86_400_000): "orders_day_limit", ("RAW_REQUESTS", 300_000): "raw_5m_limit"}

OnSent: TypeAlias = Callable[[int], None]
"""Told the local monotonic time at which the kernel had a request."""


def _nobody(sent_ns: int) -> None:
    """For requests whose sending nobody waits for."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the exchange has counted of our requests, and its limits; -1 = not said."""

    orders_10s: int = -1
    orders_10s_limit: int = -1
    orders_day: int = -1
    orders_day_limit: int = -1
    weight_1m: int = -1
    weight_1m_limit: int = -1
    raw_5m_limit: int = -1


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
        self._counts: Counts | None = None
        self._orders_10s_limit = -1

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
        info = ExchangeInfo(replies.object_of(reply.body))
        limits = {name: limit.limit for limit in info.rate_limits
                  if (name := _LIMITS.get((limit.kind, limit.interval_ms))) is not None}
        if "weight_1m_limit" in limits:
            self._limits.set_weight_limit(limits["weight_1m_limit"])
        self._orders_10s_limit = limits.get("orders_10s_limit", -1)
        self._merge_counts(limits)
        return info

    def mid_price(self, symbol: str) -> int:
        """Between the best prices, times 1e8, rounded down; 0 where a side is empty. Raises SymbolError if the symbol
        is not listed."""
        try:
            reply = self._get("/api/v3/ticker/bookTicker", (("symbol", symbol),))
        except ExchangeError as error:
            if error.code != _INVALID_SYMBOL:
                raise
            raise not_listed(symbol) from None
        bid_e8, ask_e8 = replies.best_prices(reply.body)
        return (bid_e8 + ask_e8) // 2 if bid_e8 > 0 and ask_e8 > 0 else 0

    def depth(self, symbol: str, levels: int) -> DepthSnapshot:
        """The book as raw bytes; levels: 1..5000 a side."""
        reply = self._get("/api/v3/depth", (("symbol", symbol), ("limit", levels)))
        return DepthSnapshot(symbol, levels, reply.body, reply.received_ns)

    def best_bid_e8(self, symbol: str) -> int | None:
        """The highest price anyone bids now; None when nobody does."""
        return replies.best_bid_e8(self._get("/api/v3/depth", (("symbol", symbol), ("limit", 5))).body)

    # The account.

    def account(self) -> AccountSnapshot:
        """Balances and rights."""
        return replies.account(self._get("/api/v3/account", (), signed=True).body)

    def commission(self, symbol: str) -> CommissionRates:
        """What trades cost on the symbol, at most."""
        reply = self._get("/api/v3/account/commission", (("symbol", symbol),), signed=True)
        return replies.commission(reply.body)

    def open_orders(self, symbol: str, *, sender: Sender = Sender.READ) -> tuple[OpenOrder, ...]:
        """All open orders on the symbol, other programs' too. The store behind it may lag. sender: CANCEL when it is
        read to know what to cancel."""
        reply = self._get(_OPEN_ORDERS_PATH, (("symbol", symbol),), signed=True, sender=sender)
        return replies.open_orders(reply.body)

    def own_trades(self, symbol: str, *, from_id: int | None = None,
                   exchange_id: int | None = None) -> tuple[OwnTrade, ...]:
        """Own trades, oldest first, at most 1000: from a trade id on, or of one order, or the latest."""
        params: list[tuple[str, Value]] = [("symbol", symbol), ("limit", _TRADES_PAGE)]
        if from_id is not None:
            params.append(("fromId", from_id))
        if exchange_id is not None:
            params.append(("orderId", exchange_id))
        return replies.own_trades(self._get("/api/v3/myTrades", params, signed=True).body)

    def recent_client_ids(self, symbol: str) -> tuple[str, ...]:
        """Client ids of the account's latest orders on the symbol, at most 1000, ended ones too."""
        params: list[tuple[str, Value]] = [("symbol", symbol), ("limit", _ORDERS_PAGE)]
        return replies.client_ids(self._get("/api/v3/allOrders", params, signed=True).body)

    def own_trades_from(self, symbol: str, from_id: int) -> Iterator[OwnTrade]:
        """All own trades from a trade id on, oldest first, page by page; each page is one request. Of a trade of the
        account with itself each side is a row, and the page may end between them: the next one begins with its id."""
        told: list[OwnTrade] = []
        while True:
            page = self.own_trades(symbol, from_id=from_id)
            yield from (trade for trade in page if trade not in told)
            if len(page) < _TRADES_PAGE:
                return
            from_id = max(trade.trade_id for trade in page)
            told = [trade for trade in page if trade.trade_id == from_id]

    def client_id_of(self, symbol: str, exchange_id: int) -> str:
        """The client id an order was placed with: trades name their order by the exchange's id only."""
        params: list[tuple[str, Value]] = [("symbol", symbol), ("orderId", exchange_id)]
        return replies.client_id(self._get(_ORDER_PATH, params, signed=True).body)

    # Orders: these never raise for what the exchange or the network does.

    def place_order(self, request: OrderRequest, on_sent: OnSent = _nobody) -> OrderResponse:
        """Sends exactly the bytes the gate sealed, once. NOT_SENT only if a limit forbids it now."""
        answer = _Answer(request, Operation.PLACE)
        reply = self._send_sealed("POST", _ORDER_PATH, answer, Sender.ORDER, on_sent)
        if isinstance(reply, OrderResponse):
            return reply
        if reply.status == 200:
            return answer.read(reply.body)
        return self._refused_sealed(answer, reply)

    def amend_order(self, request: OrderRequest, on_sent: OnSent = _nobody) -> OrderResponse:
        """The same with an amend, which is no new order to the exchange's limits."""
        answer = _Answer(request, Operation.AMEND)
        reply = self._send_sealed("PUT", _AMEND_PATH, answer, Sender.READ, on_sent)
        if isinstance(reply, OrderResponse):
            return reply
        if reply.status == 200:
            return answer.read(reply.body, replies.amended)
        return self._refused_sealed(answer, reply)

    def replace_order(self, request: OrderRequest, on_sent: OnSent = _nobody) -> tuple[OrderResponse, ...]:
        """The same with a replacement. What became of the old order comes first, under its own client id when it was
        cancelled, else under the new one's; then the new one. A single UNKNOWN or NOT_SENT speaks of both."""
        answer = _Answer(request, Operation.REPLACE)
        reply = self._send_sealed("POST", _REPLACE_PATH, answer, Sender.ORDER, on_sent)
        if isinstance(reply, OrderResponse):
            return (reply,)
        refusal = None if reply.status == 200 else self._refused_sealed(answer, reply, partly=True)
        if refusal is not None and refusal.outcome is Outcome.UNKNOWN:
            return (refusal,)
        try:
            halves = replies.replacement(reply.body)
            if halves is not None:
                return tuple(answer.halves(halves, refusal))
        except replies.MalformedError as error:
            return (answer.of(Outcome.UNKNOWN, message=str(error)),)
        if refusal is None:
            return (answer.of(Outcome.UNKNOWN, message="the answer tells nothing of either order"),)
        return replace(refusal, outcome=Outcome.CANCEL_REJECTED), refusal

    def _send_sealed(self, method: str, path: str, answer: _Answer, sender: Sender,
                     on_sent: OnSent) -> _Reply | OrderResponse:
        """The gate's bytes, once; or why there is no reply."""
        if not answer.request.wire:
            raise ValueError("an order has no bytes of its own: they come from the gate")
        cause = self._held_back(sender)
        if cause is not None:
            return answer.not_sent(cause)
        try:
            return self._exchange(method, path, bytes(answer.request.wire), self._key_header, on_sent)
        except UnreachableError as error:
            return answer.of(Outcome.UNKNOWN, message=str(error))

    def _refused_sealed(self, answer: _Answer, reply: _Reply, *, partly: bool = False) -> OrderResponse:
        """partly: 409 is the exchange's word for a replacement that was done by half."""
        meaning, code, message = self._judge(reply)
        if meaning is Verdict.CLOCK:
            self._resync_clock()
        if partly and reply.status == 409:
            meaning = verdict(400, code, message)
        return answer.of(Outcome.REJECTED if meaning.is_definite else Outcome.UNKNOWN, code, message)

    def cancel_order(self, request: OrderRequest, on_sent: OnSent = _nobody) -> OrderResponse:
        """Cancels one own order by its client id (with the exchange's id as well when that is known, so that both must
        agree). After -1021 the clock is read anew and the cancel sent once more. Raises ValueError for a foreign id."""
        if not is_own(request.client_id, self._tag):
            raise ValueError(f"{printable(request.client_id, 40)} is not an own order: it is not cancelled")
        response, meaning = self._cancel_once(request, on_sent)
        if meaning is Verdict.CLOCK:
            self._resync_clock()
            response, _ = self._cancel_once(request, _nobody)
        return response

    def _cancel_once(self, request: OrderRequest, on_sent: OnSent) -> tuple[OrderResponse, Verdict | None]:
        answer = _Answer(request, Operation.CANCEL)
        cause = self._held_back(Sender.CANCEL)
        if cause is not None:
            return answer.not_sent(cause), None
        query = self._signed_or_none(_order_params(request))
        if query is None:
            return answer.not_sent(Cause.CLOCK), None
        try:
            reply = self._exchange("DELETE", _ORDER_PATH, query, self._key_header, on_sent)
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
            reply = self._exchange("DELETE", _OPEN_ORDERS_PATH, query, self._key_header)
            if reply.status != 200:
                self._judge(reply)

    def query_order(self, request: OrderRequest, on_sent: OnSent = _nobody) -> OrderResponse:
        """The state of one order, as free as cancels: one that is unknown may rest. NOT_FOUND proves nothing by itself;
        UNKNOWN = no usable answer."""
        answer = _Answer(request, Operation.QUERY)
        try:
            reply = self._get(_ORDER_PATH, _order_params(request), signed=True, sender=Sender.CANCEL, on_sent=on_sent)
        except ExchangeError as error:
            nowhere = verdict(400, error.code, error.msg) is Verdict.UNKNOWN_ORDER
            return answer.of(Outcome.NOT_FOUND if nowhere else Outcome.UNKNOWN, error.code, error.msg)
        except UnreachableError as error:
            return answer.of(Outcome.UNKNOWN, message=str(error))
        return answer.read(reply.body)

    # Inside.

    def _get(self, path: str, params: Sequence[tuple[str, Value]], *, signed: bool = False,
             sender: Sender = Sender.READ, on_sent: OnSent = _nobody) -> _Reply:
        self._check_limits(sender)
        query = self._signed(params) if signed else rest_payload(params)
        reply = self._exchange("GET", path, query, self._key_header if signed else {}, on_sent)
        if reply.status == 200:
            return reply
        meaning, code, message = self._judge(reply)
        if meaning in (Verdict.LIMIT, Verdict.BANNED):
            raise LimitedError(f"the exchange asks to wait: {message}", self._limits.banned_until_ns)
        if meaning is Verdict.UNKNOWN:
            raise UnreachableError(f"{path}: {message}")
        if meaning is Verdict.CLOCK:
            self._resync_clock()
        raise ExchangeError(code, message)

    def _check_limits(self, sender: Sender) -> None:
        now_ns = self._now_ns()
        wait_ns = self._limits.wait_ns(sender, now_ns)
        if wait_ns:
            raise LimitedError(f"not sent: limits forbid it for {-(-wait_ns // NS_PER_S)} s", now_ns + wait_ns)

    def _held_back(self, sender: Sender) -> Cause | None:
        """Why nothing of this sender may leave now."""
        now_ns = self._now_ns()
        if not self._limits.wait_ns(sender, now_ns):
            return None
        return Cause.BANNED if now_ns < self._limits.banned_until_ns else Cause.LIMIT

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
        message = printable(raw) if raw else f"HTTP {reply.status} without an error of the exchange"
        if raw and meaning is Verdict.UNKNOWN:
            message = f"HTTP {reply.status}: {message}"
        if meaning in (Verdict.LIMIT, Verdict.BANNED):
            code = code or _LIMIT_CODE
            now_ns = self._now_ns()
            server_ms = self._clock.server_ms(now_ns) if self._clock.known else None
            self._limits.on_refusal(meaning, code, raw, _retry_after_ns(reply.headers), now_ns, server_ms)
            if code == TOO_MANY_ORDERS:
                self._merge_counts({"orders_10s": self._orders_10s_limit})  # headers need not say so on a refusal
        return meaning, code, message

    def _exchange(self, method: str, path: str, query: bytes, headers: Mapping[str, str],
                  on_sent: OnSent = _nobody) -> _Reply:
        """One request and its whole answer. on_sent: told once, when the kernel has the request. Raises
        UnreachableError."""
        told: list[int] = []

        def tell() -> None:
            if not told:
                told.append(self._now_ns())
                on_sent(told[0])

        begun_ns = self._now_ns()
        try:
            reply = self._http.request(method, path, query.decode("ascii"), headers, tell)
        except UnreachableError as error:
            failure = str(error)
        else:
            tell()  # whoever answered has got it
            received_ns = self._now_ns()
            self._note_counts(reply.headers, received_ns)
            return _Reply(reply.status, reply.headers, reply.body, begun_ns, received_ns)
        raise UnreachableError(f"{path}: {failure}")

    def _note_counts(self, headers: Mapping[str, str], now_ns: int) -> None:
        counts = {name: _count(headers.get(header, "")) for header, name in _COUNT_HEADERS}
        used = counts["weight_1m"]
        if used >= 0:
            self._limits.on_weight(used, now_ns, self._clock.server_ms(now_ns) if self._clock.known else 0)
        self._merge_counts(counts)

    def _merge_counts(self, news: Mapping[str, int]) -> None:
        said = {name: value for name, value in news.items() if value >= 0}
        if said:
            self._counts = replace(self._counts or Counts(), **said)

    def take_counts(self) -> Counts | None:
        """What the exchange has said of its counts and limits since the last call; None = nothing."""
        taken, self._counts = self._counts, None
        return taken


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


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
        # Of a replacement the request names the old order's number, and the new one has none yet.
        known = None if self.operation is Operation.REPLACE else self.request.exchange_id
        return OrderResponse(outcome, self.request.client_id, self.operation, known, self.request.ticket, code=code,
                             message=message)

    def not_sent(self, cause: Cause) -> OrderResponse:
        return replace(self.of(Outcome.NOT_SENT), cause=cause)

    def read(self, body: bytes, reader: Callable[[bytes, str], OrderResponse] = replies.order) -> OrderResponse:
        """From the body of a success."""
        try:
            return self.mine(reader(body, self.request.client_id))
        except replies.MalformedError as error:
            return self.of(Outcome.UNKNOWN, message=str(error))

    def mine(self, response: OrderResponse) -> OrderResponse:
        return replace(response, operation=self.operation, ticket=self.request.ticket)

    def halves(self, halves: tuple[replies.Half, replies.Half],
               refusal: OrderResponse | None) -> Iterator[OrderResponse]:
        """What became of both halves of a replacement; UNKNOWN, at most once, for what is open."""
        open_told = False
        for half, refused in zip(halves, (Outcome.CANCEL_REJECTED, Outcome.REJECTED), strict=True):
            response = self._half(half, refused, refusal)
            if response.outcome is Outcome.UNKNOWN:
                if open_told:
                    continue
                open_told = True
            yield response

    def _half(self, half: replies.Half, refused: Outcome, refusal: OrderResponse | None) -> OrderResponse:
        if half.order is not None:
            if refused is Outcome.REJECTED and half.order.client_id != self.request.client_id:
                raise replies.MalformedError("the answer is about another order")
            return self.mine(half.order)
        if half.result not in ("FAILURE", "NOT_ATTEMPTED"):
            return self.of(Outcome.UNKNOWN, 0 if refusal is None else refusal.code,
                           f"the exchange says {printable(half.result, 40)}")
        code, message = half.code, half.message
        if not code and refusal is not None:
            code, message = refusal.code, refusal.message
        definite = verdict(400, code, message).is_definite
        return self.of(refused if definite else Outcome.UNKNOWN, code, printable(message))


def _retry_after_ns(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Retry-After", "")
    return int(text) * NS_PER_S if text.isascii() and text.isdigit() and len(text) < 8 else None


# --------------------------------------------------------------------------------------------------------------------
# Order entry over REST


# Half of an order's recvWindow: an older one the exchange would refuse for its time, and the clock would be doubted.
_SEALED_WAIT_MAX_NS: Final = 500 * NS_PER_MS
_NEVER_NS: Final = 2**63 - 1
_Call: TypeAlias = Callable[[OrderRequest, OnSent], Sequence[OrderResponse]]


def _one(call: Callable[[OrderRequest, OnSent], OrderResponse]) -> _Call:
    return lambda request, on_sent: (call(request, on_sent),)


def _sealed(request: OrderRequest, operation: Operation) -> _Answer:
    """The gate's bytes live until its next call only."""
    return _Answer(replace(request, wire=bytes(request.wire)), operation)


class RestOrders(ExchangeClient):
    """The seam over REST: requests go to the thread that owns the `RestClient`, outcomes come back here.
    What the gate has sealed is NOT_SENT after half a second there: one request after the other, a far exchange takes
    fewer than may be decided."""

    def __init__(self, client: RestClient, submit: Callable[[Callable[[], None], bool], bool],
                 now_ns: Callable[[], int]) -> None:
        """submit(job, urgent): puts a job into that thread's bounded queue, urgent ones (cancels) in front, and returns
        False when there is no room. now_ns: the local monotonic clock."""
        self._client = client
        self._submit = submit
        self._now_ns = now_ns
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
            self._done += [answer.not_sent(Cause.CLOSED) for answer in self._waiting.values()]
            self._done += [answer.of(Outcome.UNKNOWN, message="closed") for answer in self._running.values()]
            self._waiting.clear()
            self._running.clear()
        self._wake.close()
        self._woken.close()

    def send_order(self, request: OrderRequest) -> bool:
        return self._hand_over(_sealed(request, Operation.PLACE), _one(self._client.place_order), urgent=False)

    def amend_order(self, request: OrderRequest) -> bool:
        return self._hand_over(_sealed(request, Operation.AMEND), _one(self._client.amend_order), urgent=False)

    def replace_order(self, request: OrderRequest) -> bool:
        return self._hand_over(_sealed(request, Operation.REPLACE), self._client.replace_order, urgent=False)

    def cancel_order(self, request: OrderRequest) -> bool:
        return self._hand_over(_Answer(request, Operation.CANCEL), _one(self._client.cancel_order), urgent=True)

    def query_order(self, request: OrderRequest) -> bool:
        return self._hand_over(_Answer(request, Operation.QUERY), _one(self._client.query_order), urgent=False)

    def poll(self) -> Sequence[OrderResponse]:
        with contextlib.suppress(OSError):  # drained, or closed
            while self._woken.recv(4096):
                pass
        with self._lock:
            done, self._done = self._done, []
        return done

    def fileno(self) -> int:
        return self._woken.fileno()

    def _hand_over(self, answer: _Answer, call: _Call, *, urgent: bool) -> bool:
        ticket = next(self._tickets)
        # The gate's bytes hold a time that ages while requests before them are answered.
        send_by_ns = self._now_ns() + _SEALED_WAIT_MAX_NS if answer.request.wire else _NEVER_NS
        with self._lock:
            self._waiting[ticket] = answer
        if self._submit(lambda: self._run(ticket, call, send_by_ns), urgent):
            return True
        with self._lock:
            return self._waiting.pop(ticket, None) is None

    def _run(self, ticket: int, call: _Call, send_by_ns: int) -> None:
        """On the REST thread."""
        with self._lock:
            answer = self._waiting.pop(ticket, None)
            if answer is None:
                return
            is_late = self._now_ns() > send_by_ns
            if is_late:
                self._done.append(answer.not_sent(Cause.LATE))
            else:
                self._running[ticket] = answer
        if is_late:
            self._signal()
            return

        def sent(sent_ns: int) -> None:
            with self._lock:
                if ticket in self._running:
                    self._done.append(replace(answer.of(Outcome.SENT), sent_ns=sent_ns))
            self._signal()

        responses: Sequence[OrderResponse] = (answer.of(Outcome.UNKNOWN, message="the call failed inside"),)
        try:
            responses = call(answer.request, sent)
        finally:
            with self._lock:
                if self._running.pop(ticket, None) is not None:
                    self._done += responses
            self._signal()

    def _signal(self) -> None:
        with contextlib.suppress(OSError):  # full: the descriptor is readable anyway; closed: nobody waits
            self._wake.send(b"!")
