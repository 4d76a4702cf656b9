"""The rules of Binance Spot as pure code: where it is, what its errors mean, how orders are named, what time it is
there, and when nobody may send. No I/O and no clock: every time is an argument."""

from __future__ import annotations

import enum
import json
import re
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from mmcore.addresses import is_loopback
from mmcore.errors import ExchangeError, UsageError
from mmcore.exchange.base import Side, printable
from mmcore.exchange.binance.signing import Signer, Value, ws_payload

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000

# --------------------------------------------------------------------------------------------------------------------
# Where it is


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Base URLs of one deployment. rest: without /api; streams, sbe_streams: without /stream; ws_api: whole."""

    rest: str
    streams: str
    sbe_streams: str
    ws_api: str


PRODUCTION: Final = Endpoints(
    rest="https://api.binance.com",
    streams="wss://stream.binance.com:9443",
    sbe_streams="wss://stream-sbe.binance.com:9443",
    ws_api="wss://ws-api.binance.com:443/ws-api/v3",
)
TESTNET: Final = Endpoints(
    rest="https://testnet.binance.vision",
    streams="wss://stream.testnet.binance.vision",
    sbe_streams="wss://stream-sbe.testnet.binance.vision",
    ws_api="wss://ws-api.testnet.binance.vision/ws-api/v3",
)


def endpoints_at(url: str) -> Endpoints:
    """All services on one host: https://HOST[:PORT], or http://HOST[:PORT] where HOST is this machine.

    Raises UsageError for any other URL.
    """
    shown = printable(url.rpartition("@")[2])  # what stands before may be a password
    hint = "Give it as https://HOST or http://127.0.0.1:PORT."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError(f"{shown} is not a URL", hint) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{shown} is not an http or https URL", hint)
    if parts.username is not None or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise UsageError(f"{shown} has more than scheme, host and port",
                         "Paths such as /api/v3 and /ws-api/v3 are added by the program.")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise UsageError(f"{shown} would send signed requests in the clear",
                         "Plain http is for this machine only; use https.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    where = f"{host}:{port}" if port else host
    ws = "wss" if parts.scheme == "https" else "ws"
    return Endpoints(f"{parts.scheme}://{where}", f"{ws}://{where}", f"{ws}://{where}/sbe", f"{ws}://{where}/ws-api/v3")


# --------------------------------------------------------------------------------------------------------------------
# What its errors mean


class Verdict(enum.Enum):
    """What an error says about the request it answers."""

    REJECTED = "rejected"
    """Refused; the same request will be refused again."""
    WOULD_MATCH = "would_match"
    """A post-only order would have traded."""
    BALANCE = "balance"
    FILTER = "filter"
    LIMIT = "limit"
    """Too many requests or orders: wait."""
    BANNED = "banned"
    """This address is shut out for a while: send nothing."""
    CLOCK = "clock"
    CREDENTIALS = "credentials"
    HALTED = "halted"
    """The market takes no orders now."""
    UNKNOWN_ORDER = "unknown_order"
    """No such order *now*, by a store that may lag: proves nothing by itself."""
    DUPLICATE = "duplicate"
    """An open order has this client id already."""
    UNKNOWN = "unknown"
    """The request may or may not have been carried out."""

    @property
    def is_definite(self) -> bool:
        """Whether the request certainly was not carried out."""
        return self is not Verdict.UNKNOWN


_VERDICTS: Final[Mapping[int, Verdict]] = {
    -1000: Verdict.UNKNOWN,
    -1001: Verdict.UNKNOWN,
    -1002: Verdict.CREDENTIALS,
    -1003: Verdict.LIMIT,
    -1006: Verdict.UNKNOWN,
    -1007: Verdict.UNKNOWN,
    -1008: Verdict.UNKNOWN,
    -1013: Verdict.FILTER,
    -1015: Verdict.LIMIT,
    -1016: Verdict.UNKNOWN,  # this server is shutting down: another one answers
    -1021: Verdict.CLOCK,
    -1022: Verdict.CREDENTIALS,
    -1220: Verdict.HALTED,
    -2011: Verdict.UNKNOWN_ORDER,
    -2013: Verdict.UNKNOWN_ORDER,
    -2014: Verdict.CREDENTIALS,
    -2015: Verdict.CREDENTIALS,
}
# -2010 and -1013 cover many cases that only their text tells apart.
_TEXTS: Final[tuple[tuple[str, Verdict], ...]] = (
    ("would immediately match", Verdict.WOULD_MATCH),
    ("insufficient balance", Verdict.BALANCE),
    ("market is closed", Verdict.HALTED),
    ("duplicate order", Verdict.DUPLICATE),
)
TOO_MANY_ORDERS: Final = -1015


def verdict(http_status: int, code: int, message: str) -> Verdict:
    """What a failed request's answer means.

    http_status: of the HTTP reply, or `status` of a WebSocket API reply. code: the exchange's error number, 0 = the
    answer carried none (a proxy's page, a cut body). A 5xx leaves the outcome open whatever its body says, and so does
    any answer that does not come from the exchange itself.
    """
    if http_status >= 500:
        return Verdict.UNKNOWN
    if http_status == 418 or (code == -1003 and "banned" in message.lower()):
        return Verdict.BANNED
    if http_status == 429:
        return Verdict.LIMIT
    if code >= 0 or not 400 <= http_status < 500 or http_status == 409:
        return Verdict.UNKNOWN
    lowered = message.lower()
    if code in (-2010, -1013):
        for text, meaning in _TEXTS:
            if text in lowered:
                return meaning
    return _VERDICTS.get(code, Verdict.REJECTED)


class LimitedError(ExchangeError):
    """Not sent, or refused, because of a limit. msg: which of the two, a sentence of its own. until_ns: local monotonic
    time from which sending is allowed again."""

    def __init__(self, msg: str, until_ns: int) -> None:
        super().__init__(-1003, msg)
        self.until_ns = until_ns

    def __str__(self) -> str:
        return self.msg


# --------------------------------------------------------------------------------------------------------------------
# Names of orders: m<account tag>-<epoch, 7>-<sequence, 7>-<b or a><layer>, numbers in base 36. The gate writes them;
# here they are read back, from this run and from earlier ones.

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_DIGITS: Final = 7
_ID_LIMIT: Final = 36**_ID_DIGITS
EPOCH_LIMIT: Final = _ID_LIMIT
"""Epochs are below it: 36**7."""
_TAG: Final = re.compile(r"[A-Za-z0-9]{1,2}", re.ASCII)
_CLIENT_ID: Final = re.compile(r"m([A-Za-z0-9]{1,2})-([0-9a-z]{7})-([0-9a-z]{7})-([ba])([0-9a-z])", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClientId:
    """The parts of an own order's id.

    tag: 1-2 characters that name the account's user. epoch: of the run, in seconds, 0 .. 36**7 - 1. sequence: of the
    order within the run, likewise. layer: 0..35.
    """

    tag: str
    epoch: int
    sequence: int
    side: Side
    layer: int

    def __post_init__(self) -> None:
        if _TAG.fullmatch(self.tag) is None:
            raise ValueError(f"{self.tag!r} is not an account tag of 1 or 2 letters and digits")
        for value, limit in ((self.epoch, _ID_LIMIT), (self.sequence, _ID_LIMIT), (self.layer, 36)):
            if not 0 <= value < limit:
                raise ValueError(f"{value} is outside 0..{limit - 1}")

    def __str__(self) -> str:
        letter = "b" if self.side is Side.BUY else "a"
        return (f"m{self.tag}-{_base36(self.epoch, _ID_DIGITS)}-{_base36(self.sequence, _ID_DIGITS)}-"
                f"{letter}{_base36(self.layer, 1)}")

    @staticmethod
    def parse(text: str) -> ClientId | None:
        """None for an id of another form: another program's order, or a person's."""
        match = _CLIENT_ID.fullmatch(text)
        if match is None:
            return None
        tag, epoch, sequence, letter, layer = match.groups()
        side = Side.BUY if letter == "b" else Side.SELL
        return ClientId(tag, int(epoch, 36), int(sequence, 36), side, int(layer, 36))


def is_own(client_id: str, tag: str) -> bool:
    """Whether an order is this bot's, of this or an earlier run. Only such orders are ever cancelled."""
    parsed = ClientId.parse(client_id)
    return parsed is not None and parsed.tag == tag


def next_epoch(unix_s: int, tag: str, seen: Iterable[str], stored: int = 0) -> int:
    """The epoch of a new run: the wall clock's second, but above every own id seen and the run before, so that no id
    comes back after a clock step. seen: client ids of own open orders and of recent own orders, foreign ones are passed
    over. stored: the epoch of the last run on this machine, 0 = not known. Raises UsageError when none is left."""
    parsed = (ClientId.parse(client_id) for client_id in seen)
    epoch = max((one.epoch + 1 for one in parsed if one is not None and one.tag == tag), default=0)
    epoch = max(epoch, unix_s, stored + 1)
    if not 0 < epoch < EPOCH_LIMIT:
        raise UsageError(f"account.tag {tag}: an order of epoch {epoch - 1} exists, after which none fits an order id",
                         "give this bot an account.tag that no other program uses")
    return epoch


def _base36(value: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        value, rest = divmod(value, 36)
        text = _DIGITS[rest] + text
    return text


# --------------------------------------------------------------------------------------------------------------------
# What time it is there

_CLOCK_SAMPLES: Final = 8
# What two free-running clocks may drift apart: an old sample is trusted less, however quick its round trip was.
_DRIFT_PPM: Final = 500


class ClockOffset:
    """The exchange's clock as an offset to the local monotonic one: steps of the wall clock do not matter.

    Of the last 8 samples the one with the smallest bound of error counts: half its round trip plus what clocks may have
    drifted since. Safe from any thread.
    """

    __slots__ = ("_best", "_known", "_lock", "_samples")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: deque[tuple[int, int, int]] = deque(maxlen=_CLOCK_SAMPLES)  # taken, half round trip, offset
        self._best = (0, 0, 0)
        self._known = False

    def add(self, sent_ns: int, received_ns: int, server_time_ms: int) -> None:
        """A server time that was asked for and received at these local monotonic times (received >= sent)."""
        if received_ns < sent_ns:
            raise ValueError("a reply cannot come before its request")
        half = (received_ns - sent_ns) // 2
        with self._lock:
            self._samples.append((received_ns, half, server_time_ms * NS_PER_MS - (sent_ns + half)))
            # All bounds grow at one rate, so which is smallest changes only here.
            self._best = min(self._samples, key=lambda sample: _bound_ns(sample, received_ns))
            self._known = True

    def reset(self) -> None:
        """No sample so far counts any longer: the exchange says that the time is wrong."""
        with self._lock:
            self._samples.clear()
            self._known = False

    @property
    def known(self) -> bool:
        """Whether there is an offset to rely on. While there is none the functions below still give the last one, so
        that another thread's reset harms nobody who has just looked here."""
        return self._known

    @property
    def offset_ns(self) -> int:
        """Exchange epoch nanoseconds minus local monotonic nanoseconds."""
        return self._best[2]

    @property
    def round_trip_ns(self) -> int:
        """Of the sample that counts."""
        return 2 * self._best[1]

    def error_ns(self, now_ns: int) -> int:
        """Bound of the error of `offset_ns` now."""
        return _bound_ns(self._best, now_ns)

    def server_ms(self, now_ns: int) -> int:
        """The exchange's time, rounded down: never ahead of it by rounding."""
        return (now_ns + self.offset_ns) // NS_PER_MS


def _bound_ns(sample: tuple[int, int, int], now_ns: int) -> int:
    taken_ns, half_ns, _ = sample
    return half_ns + max(now_ns - taken_ns, 0) * _DRIFT_PPM // 1_000_000


# --------------------------------------------------------------------------------------------------------------------
# When nobody may send


class Sender(enum.Enum):
    """Who wants to send. Under pressure orders stop first, reads next; cancels, and what tells what there is to cancel,
    only for a ban."""

    ORDER = "order"
    READ = "read"
    CANCEL = "cancel"


_SOFT_PCT: Final = {Sender.ORDER: 70, Sender.READ: 85}
_DEFAULT_WAIT_NS: Final = {Verdict.LIMIT: 60 * NS_PER_S, Verdict.BANNED: 120 * NS_PER_S}
_WAIT_MAX_NS: Final = 4 * 86_400 * NS_PER_S
_BANNED_UNTIL: Final = re.compile(r"banned until (\d{13})", re.ASCII)
_WEIGHT_PER_MINUTE: Final = 6000
_MINUTE_MS: Final = 60_000


class LimitState:
    """What the exchange has told any sender about limits; shared by all of them. Safe from any thread."""

    __slots__ = ("_banned_until_ns", "_lock", "_orders_until_ns", "_used", "_weight_limit", "_window_end_ns")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._banned_until_ns = 0
        self._orders_until_ns = 0
        self._weight_limit = _WEIGHT_PER_MINUTE
        self._used = 0
        self._window_end_ns = 0

    def set_weight_limit(self, per_minute: int) -> None:
        """REQUEST_WEIGHT per minute as exchangeInfo states it (> 0); 6000 until then."""
        if per_minute <= 0:
            raise ValueError(f"a weight limit of {per_minute}")
        with self._lock:
            self._weight_limit = per_minute

    def on_weight(self, used: int, now_ns: int, server_ms: int) -> None:
        """The weight used in the present minute, as a reply states it. server_ms: the exchange's time, to know when
        its minute ends."""
        with self._lock:
            self._used = used
            self._window_end_ns = now_ns + (_MINUTE_MS - server_ms % _MINUTE_MS) * NS_PER_MS

    def on_refusal(self, meaning: Verdict, code: int, message: str, wait_ns: int | None, now_ns: int,
                   server_ms: int | None) -> int:
        """A LIMIT or BANNED answer; returns the local monotonic time until which it binds.

        wait_ns: the wait the exchange asks for, None if it named none. server_ms: its time, None while unknown (then an
        end that is only named in the text cannot be used). Too many orders stop only new orders; anything else stops
        all senders, cancels too: sending on only makes a ban longer.
        """
        if wait_ns is None:
            wait_ns = _wait_from_text(message, server_ms)
        if wait_ns is None:
            wait_ns = _DEFAULT_WAIT_NS[meaning]
        until_ns = now_ns + min(max(wait_ns, NS_PER_S), _WAIT_MAX_NS)
        with self._lock:
            if code == TOO_MANY_ORDERS and meaning is Verdict.LIMIT:
                self._orders_until_ns = max(self._orders_until_ns, until_ns)
            else:
                self._banned_until_ns = max(self._banned_until_ns, until_ns)
        return until_ns

    def on_refused_reply(self, meaning: Verdict, reply: WsReply, now_ns: int, clock: ClockOffset) -> int:
        """As `on_refusal`, of a reply on the WebSocket API, whose retryAfter is a time of the exchange's clock."""
        server_ms = clock.server_ms(now_ns) if clock.known else None
        wait_ns = None
        if reply.retry_after_ms and server_ms is not None:
            wait_ns = (reply.retry_after_ms - server_ms) * NS_PER_MS
        return self.on_refusal(meaning, reply.code, reply.message, wait_ns, now_ns, server_ms)

    def hold(self, now_ns: int, wait_ns: int) -> int:
        """Nothing may be sent for so long (at most four days); returns the local monotonic time of its end."""
        with self._lock:
            self._banned_until_ns = max(self._banned_until_ns, now_ns + min(wait_ns, _WAIT_MAX_NS))
            return self._banned_until_ns

    @property
    def banned_until_ns(self) -> int:
        """Local monotonic time before which nothing may be sent; 0 = never banned."""
        return self._banned_until_ns

    def wait_ns(self, sender: Sender, now_ns: int) -> int:
        """How long this sender has to wait, 0 = it may send."""
        with self._lock:
            until_ns = self._banned_until_ns
            if sender is Sender.ORDER:
                until_ns = max(until_ns, self._orders_until_ns)
            soft_pct = _SOFT_PCT.get(sender)
            if soft_pct is not None and self._used * 100 >= self._weight_limit * soft_pct:
                until_ns = max(until_ns, self._window_end_ns)
        return max(until_ns - now_ns, 0)


def _wait_from_text(message: str, server_ms: int | None) -> int | None:
    match = _BANNED_UNTIL.search(message)
    if match is None or server_ms is None:
        return None
    return (int(match[1]) - server_ms) * NS_PER_MS


# --------------------------------------------------------------------------------------------------------------------
# Requests of the session on the WebSocket API. Orders are not here: their bytes come from the gate.


@dataclass(frozen=True, slots=True)
class WsReply:
    """A reply on the WebSocket API, as the core's decoder tells it.

    request_id: "" when null. status: HTTP-like. code: 0 = no error. retry_after_ms: epoch ms, 0 = none.
    """

    request_id: str
    status: int
    code: int = 0
    message: str = ""
    retry_after_ms: int = 0


class WsRequests:
    """Builds the session's requests with one API key and its signer. Nothing of either is ever shown."""

    __slots__ = ("_api_key", "_recv_window_ms", "_signer")

    def __init__(self, api_key: str, signer: Signer, recv_window_ms: int = 5000) -> None:
        if not 1 <= recv_window_ms <= 60_000:
            raise ValueError(f"recvWindow {recv_window_ms} is outside 1..60000 ms")
        self._api_key = api_key
        self._signer = signer
        self._recv_window_ms = recv_window_ms

    @property
    def can_log_on(self) -> bool:
        return self._signer.can_log_on

    def log_on(self, request_id: str, timestamp_ms: int) -> bytes:
        """session.logon: later requests on this connection need no signature. Ed25519 keys only."""
        return self._signed(request_id, "session.logon", timestamp_ms)

    def subscribe(self, request_id: str, timestamp_ms: int) -> bytes:
        """The account's events on this connection, for any kind of key, without a log-on."""
        return self._signed(request_id, "userDataStream.subscribe.signature", timestamp_ms)

    def subscribe_logged_on(self, request_id: str) -> bytes:
        """The account's events on a connection that has logged on."""
        return _request(request_id, "userDataStream.subscribe", {})

    def ping(self, request_id: str) -> bytes:
        """Asks the API itself (not only the socket's far end) for a sign of life; weight 1."""
        return _request(request_id, "ping", {})

    def _signed(self, request_id: str, method: str, timestamp_ms: int) -> bytes:
        params: dict[str, Value] = {
            "apiKey": self._api_key,
            "recvWindow": self._recv_window_ms,
            "timestamp": timestamp_ms,
        }
        params["signature"] = self._signer.sign(ws_payload(params))
        return _request(request_id, method, params)


def _request(request_id: str, method: str, params: Mapping[str, Value]) -> bytes:
    body: dict[str, object] = {"id": request_id, "method": method}
    if params:
        body["params"] = params
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
