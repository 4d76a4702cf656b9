"""Real processes for the tests: a venue, and the bot beside it, on loopback sockets."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[2]
SYMBOL = "BTCUSDT"
OWN_ID = re.compile(r"mA1-[0-9a-z]{7}-[0-9a-z]{7}-[ab][0-7]")
STATE_LINE = re.compile(r"^(\S+Z) INFO +mmcore\.rest: engine ([A-Z]+)(?:: (.*))?$", re.MULTILINE)

_AT_ONCE = 6
_CLEARED = ("API_", "VENUE_")
_SETTING_VARIABLES = ("TRADING_SYMBOL", "LOG_LEVEL")


def wait_until(met: Callable[[], bool], seconds: float, what: str) -> None:
    """Looks every 20 ms; fails with `what` when it does not come true in time."""
    until = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < until, f"after {seconds} s: {what}"
        time.sleep(0.02)


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: this project importable, nothing of the developer's own settings or keys."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(_CLEARED) and name not in _SETTING_VARIABLES}
    path = os.pathsep.join(part for part in (str(ROOT), kept.get("PYTHONPATH", "")) if part)
    return {**kept, "PYTHONPATH": path, **extra}


def children_of(pid: int) -> list[int]:
    """Direct children, as the kernel lists them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[1]) == pid:
            found.append(int(entry.parent.name))
    return found


class Running:
    """A process whose output goes to files, so that neither side ever waits for the other to read."""

    def __init__(self, command: list[str], folder: Path, name: str, extra: Mapping[str, str], cwd: Path) -> None:
        self.name = name
        self.cwd = cwd
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=cwd,
                                            env=environment(extra))

    @property
    def out(self) -> str:
        """Standard output so far."""
        return self._out.read_text(encoding="utf-8", errors="replace")

    @property
    def err(self) -> str:
        """Standard error so far."""
        return self._err.read_text(encoding="utf-8", errors="replace")

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def wait(self, seconds: float) -> int:
        """The exit code; fails with what the process said when it does not end in time."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {seconds} s:\n{self.err[-4000:]}") from None

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait_for(self, text: str, seconds: float) -> None:
        """Until `text` stands on standard error."""
        def met() -> bool:
            assert self.running or text in self.err, f"{self.name} ended without {text!r}:\n{self.err[-4000:]}"
            return text in self.err
        wait_until(met, seconds, f"{self.name} did not say {text!r}")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stopped in its tracks, its connections open."""
        self.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.send(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it and its children at once. Idempotent."""
        children = children_of(self.process.pid) if self.running else []
        self.process.kill()
        self.process.wait(10)
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


class Venue(Running):
    """A venue that listens, and what may be asked of it without the bot."""

    def __init__(self, folder: Path, name: str, arguments: Iterable[str], extra: Mapping[str, str]) -> None:
        super().__init__([sys.executable, "-m", "mmcore", "venue", *arguments], folder, name, extra, folder)
        wait_until(lambda: "\n" in self.out or not self.running, 90, "the venue does not listen")
        assert self.running, self.err
        line = json.loads(self.out.splitlines()[0])
        self.url: str = line["url"]
        self.api_key: str = line["api_key"]
        self.api_secret: str = line["api_secret"]
        self.ed25519_api_key: str = line.get("ed25519_api_key", "")

    @property
    def port(self) -> str:
        return self.url.rpartition(":")[2]

    @property
    def keys(self) -> dict[str, str]:
        """The variables the bot takes its credentials from."""
        return {"API_KEY": self.api_key, "API_SECRET": self.api_secret}

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Any:
        """One HTTP request; the answer as JSON."""
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=dict(headers or {}))
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)

    def audit(self) -> Any:
        """The venue's own truth."""
        return self.ask("GET", "/venue/audit")

    def command(self, path: str, body: Mapping[str, Any]) -> None:
        """One of its admin endpoints."""
        self.ask("POST", path, json.dumps(body).encode())

    def signed(self, method: str, path: str, **params: str) -> Any:
        """A signed request as any other program on the account would send it."""
        stamp = self.ask("GET", "/api/v3/time")["serverTime"]
        query = urlencode({**params, "timestamp": stamp})
        signature = hmac.new(self.api_secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        headers = {"X-MBX-APIKEY": self.api_key}
        return self.ask(method, f"{path}?{query}&signature={signature}", None, headers)

    def place(self, client_id: str, side: str, price: Decimal, quantity: str = "0.001") -> None:
        """A resting order of somebody else on the account."""
        self.signed("POST", "/api/v3/order", symbol=SYMBOL, side=side, type="LIMIT_MAKER", price=f"{price:.2f}",
                    quantity=quantity, newClientOrderId=client_id)

    def wait_for_quotes(self) -> None:
        """Until own orders rest on both sides."""
        wait_until(lambda: {order["side"] for order in open_orders(self.audit())} == {"BUY", "SELL"}, 90,
                   "no orders on both sides")

    def begin_minute(self) -> None:
        """Sets its clock to the beginning of a minute, so that what is counted in one keeps counting for a while."""
        self.command("/venue/clock", {"offset_ms": 60_000 - self.ask("GET", "/api/v3/time")["serverTime"] % 60_000})

    def use_weight(self, least: int) -> None:
        """Reads books as another program on this address would, until `least` weight is used in the present minute."""
        used = 0
        while used < least:
            limit = 5000 if least - used >= 250 else 500
            with urllib.request.urlopen(f"{self.url}/api/v3/depth?symbol={SYMBOL}&limit={limit}", timeout=10) as reply:
                used = int(reply.headers["X-MBX-USED-WEIGHT-1M"])
                reply.read()

    def best(self) -> tuple[Decimal, Decimal]:
        """Best bid and ask."""
        book = self.ask("GET", f"/api/v3/depth?symbol={SYMBOL}&limit=5")
        return Decimal(book["bids"][0][0]), Decimal(book["asks"][0][0])


class Bot(Running):
    """The bot as a user starts it."""

    def __init__(self, folder: Path, name: str, arguments: Iterable[str], extra: Mapping[str, str],
                 *, cwd: Path | None = None, program: str | None = None) -> None:
        """program: Python source to run in place of `-m mmcore`; it calls the command line itself."""
        self.summary_path = folder / f"{name}.json"
        start = ["-c", program] if program is not None else ["-m", "mmcore"]
        super().__init__([sys.executable, *start, *arguments, "--summary", str(self.summary_path)], folder, name,
                         extra, cwd or folder)

    def summary(self) -> Any:
        """The run summary, which must hold what the documentation says, no more and no less."""
        found = json.loads(self.summary_path.read_text())
        check_summary(found)
        return found

    def state_at_us(self, state: str) -> int:
        """When it first said that it is in `state`, in microseconds since 1970."""
        return self._said_us(lambda match: match[2] == state, state)

    def state_with_us(self, reason: str) -> int:
        """When it first said a state with this reason."""
        return self._said_us(lambda match: reason in (match[3] or "").split(", "), reason)

    def _said_us(self, wanted: Callable[[re.Match[str]], bool], what: str) -> int:
        found = next((match for match in STATE_LINE.finditer(self.err) if wanted(match)), None)
        assert found is not None, f"{self.name} never said {what}:\n{self.err[-4000:]}"
        return _micros(found[1])


def _micros(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp() * 1e6)


class Stage:
    """Where one scenario's processes run, with a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[Running] = []

    def venue(self, *arguments: str, **variables: str) -> Venue:
        """A listening venue, on a free port unless told another one."""
        port = () if "--port" in arguments else ("--port", "0")
        venue = Venue(self.folder, self._name("venue"), [*port, *arguments], variables)
        self._started.append(venue)
        return venue

    def bot(self, *arguments: str, env: Mapping[str, str] | None = None, venue: Venue | None = None,
            cwd: Path | None = None, program: str | None = None) -> Bot:
        """The bot; with a venue it trades there, as on the testnet, else as its arguments say."""
        where = ("--testnet", "--endpoint", venue.url) if venue is not None else ()
        variables = {**(venue.keys if venue is not None else {}), **(env or {})}
        bot = Bot(self.folder, self._name("bot"), [*where, *arguments], variables, cwd=cwd, program=program)
        self._started.append(bot)
        return bot

    def _name(self, kind: str) -> str:
        return f"{kind}{len(self._started)}"

    def clear(self) -> None:
        """Ends what still runs."""
        for process in reversed(self._started):
            process.kill()


Scenario = Callable[[Stage], Any]


class Together:
    """Scenarios under way at once, as nearly all of their time is waiting. Not more than a few: they all begin by
    loading Python."""

    def __init__(self, scenarios: Sequence[Scenario], folder: Path) -> None:
        self._stages = {}
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self._futures: dict[Scenario, Future[Any]] = {}
        for number, scenario in enumerate(scenarios):
            place = folder / str(number)
            place.mkdir()
            self._stages[scenario] = Stage(place)
            self._futures[scenario] = self._pool.submit(scenario, self._stages[scenario])

    def of(self, scenario: Scenario) -> Any:
        """What the scenario returned; raises what it raised."""
        return self._futures[scenario].result(280)

    def clear(self) -> None:
        """Ends what still runs."""
        for stage in self._stages.values():
            stage.clear()
        self._pool.shutdown()


# ---- the audit -----------------------------------------------------------------------------------------------


def account(audit: Any) -> Any:
    """The one account of a venue."""
    (found,) = audit["accounts"]
    return found


def own_orders(audit: Any) -> list[Any]:
    """Orders with this bot's prefix, of any run."""
    return [order for order in account(audit)["orders"] if OWN_ID.fullmatch(order["client_order_id"])]


def open_orders(audit: Any) -> list[Any]:
    """Own orders that rest."""
    return [order for order in own_orders(audit) if order["ended_us"] is None]


def resting_share(orders: Iterable[Any], side: str, from_us: int, until_us: int) -> float:
    """Share of a span of venue time in which at least one of the orders rested."""
    spans = sorted((max(order["placed_us"], from_us), min(order["ended_us"] or until_us, until_us))
                   for order in orders if order["side"] == side)
    covered, reached = 0, from_us
    for begin, end in spans:
        covered += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return covered / (until_us - from_us)


@dataclass(frozen=True)
class Books:
    """What an account must hold, worked out from its fills alone."""

    totals: dict[str, Decimal]
    position: Decimal
    fees_in_quote: Decimal


def books_of(found: Any, base: str = "BTC", quote: str = "USDT") -> Books:
    """Start + fills - fees."""
    totals = {asset: Decimal(balance["start"]) for asset, balance in found["balances"].items()}
    position = fees = Decimal(0)
    for fill in found["fills"]:
        sign = 1 if fill["side"] == "BUY" else -1
        price, qty, commission = (Decimal(fill[name]) for name in ("price", "qty", "commission"))
        totals[base] += sign * qty
        totals[quote] -= sign * Decimal(fill["quote"])
        totals[fill["commission_asset"]] -= commission
        position += sign * qty - (commission if fill["commission_asset"] == base else 0)
        fees += commission * price if fill["commission_asset"] == base else commission
    return Books(totals, position, fees)


def check_against_audit(summary: Any, audit: Any) -> None:
    """The bot's ledger, its counts and its balances are the venue's, to the last atom."""
    found = account(audit)
    books = books_of(found)
    for asset, balance in found["balances"].items():
        venue = Decimal(balance["free"]), Decimal(balance["locked"])
        assert sum(venue) == books.totals[asset], asset
        ours = summary["balances"][asset]
        assert (Decimal(ours["free"]), Decimal(ours["locked"])) == venue, asset
    assert summary["fills"] == len(found["fills"])
    assert Decimal(summary["position"]) == books.position
    pnl = {name: Decimal(value) for name, value in summary["pnl"].items()}
    assert pnl["total"] == pnl["realized"] + pnl["unrealized"] - pnl["fees"]
    # Commissions in base are valued at their fill, each rounded to an atom once.
    assert abs(pnl["fees"] - books.fees_in_quote) <= len(found["fills"]) * Decimal("1e-8")
    assert summary["orders_sent"] == len(own_orders(audit)) + summary["orders_rejected"]


# ---- the summary's schema ------------------------------------------------------------------------------------

_COUNTS = ("events", "book_updates", "gaps", "resyncs", "quotes", "orders_sent", "orders_acked", "orders_rejected",
           "orders_refused", "orders_canceled", "fills", "open_orders_at_exit", "unknown_orders",
           "reconciles", "reconcile_repairs", "unpriced_fees", "book_audits", "book_audit_failures",
           "market_duplicates")
_REASONS = {"duration", "signal", "risk", "kill", "unreachable", "credentials", "error"}
_STAGES = {"recv_to_decode", "decode_to_book", "book_to_quote", "quote_to_send", "tick_to_order", "order_to_ack"}
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]{0,7}[1-9])?")


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_decimal(value: object) -> bool:
    return isinstance(value, str) and _DECIMAL.fullmatch(value) is not None


def check_summary(summary: Any) -> None:
    """Every field of a run summary, and its type."""
    optional = {"actions_digest", "venue_audit"}
    assert set(summary) - optional == {*_COUNTS, "mode", "symbol", "exit_reason", "quoted_share", "moves", "position",
                                       "balances", "pnl", "fees_paid", "no_quote_reasons", "latency_ns"}
    assert all(_is_count(summary[name]) for name in _COUNTS)
    assert summary["mode"] in ("demo", "testnet")
    assert summary["exit_reason"] in _REASONS
    assert set(summary["quoted_share"]) == {"bid", "ask"}
    assert all(0 <= share <= 1 for share in summary["quoted_share"].values())
    moves = summary["moves"]
    assert set(moves) == {"wanted", "made", "merged", "withheld", "replaces", "amends"}
    assert all(map(_is_count, moves.values()))
    assert moves["wanted"] == moves["made"] + moves["merged"] + moves["withheld"]
    assert moves["replaces"] + moves["amends"] <= moves["made"]
    assert _is_decimal(summary["position"])
    for balance in summary["balances"].values():
        assert set(balance) == {"free", "locked"}
        assert all(map(_is_decimal, balance.values()))
    assert all(map(_is_decimal, summary["fees_paid"].values()))
    assert set(summary["pnl"]) == {"realized", "unrealized", "fees", "total"}
    assert all(map(_is_decimal, summary["pnl"].values()))
    assert all(re.fullmatch("[A-Z_]+", name) and _is_count(ms) for name, ms in summary["no_quote_reasons"].items())
    assert set(summary["latency_ns"]) == _STAGES
    for stage in summary["latency_ns"].values():
        assert set(stage) == {"p50", "p99", "p999", "max", "count"}
        assert all(map(_is_count, stage.values()))
        assert stage["p50"] <= stage["p99"] <= stage["p999"] <= stage["max"] or stage["count"] == 0
    assert re.fullmatch("[0-9a-f]{64}", summary.get("actions_digest", "0" * 64))
