"""Faults on request: plans are read strictly, every kind strikes, and the same seed gives the same strikes."""

from __future__ import annotations

import asyncio
import json
import random
import re
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mmcore.venue.audit import audit
from mmcore.venue.faults import KINDS, TIME, FaultError, FaultPlan, parse_faults, parse_rows, random_plan
from mmcore.venue.front import API, STREAMS, Front
from mmcore.venue.line import Line
from mmcore.venue.market import StreamMessage
from mmcore.venue.market import Wire as Encoding
from mmcore.venue.streams import StreamHub, StreamSession
from mmcore.venue.synthetic import SyntheticMarket
from mmcore.venue.tamper import Tamperer
from mmcore.venue.ws_api import ApiSession

ROOT = Path(__file__).resolve().parents[2]
UNIT = 100_000_000
KEY = "k" * 64


# ---- A venue without sockets ---------------------------------------------------------------------------------


@dataclass
class Wire:
    """What a client would see of its connection, with the time of each piece."""

    clock: Any
    pieces: list[tuple[int, bytes]] = field(default_factory=list)
    ended: str = ""

    def write(self, data: bytes) -> None:
        assert not self.ended, "nothing is written to a closed connection"
        self.pieces.append((self.clock.now_us(), data))

    def end(self) -> None:
        self.ended = self.ended or "end"

    def reset(self) -> None:
        self.ended = self.ended or "reset"

    @property
    def data(self) -> bytes:
        return b"".join(data for _, data in self.pieces)

    def frames(self) -> list[tuple[int, bytes]]:
        """(opcode, payload) of each whole frame so far."""
        found, at, data = [], 0, self.data
        while at + 2 <= len(data):
            opcode, size = data[at] & 15, data[at + 1]
            at += 2
            if size > 125:
                width = 2 if size == 126 else 8
                size = int.from_bytes(data[at : at + width], "big")
                at += width
            if at + size > len(data):
                break
            found.append((opcode, data[at : at + size]))
            at += size
        return found

    def take(self) -> list[Any]:
        """The text frames so far, as JSON; forgets them."""
        texts = [json.loads(payload) for opcode, payload in self.frames() if opcode == 1]
        self.pieces.clear()
        return texts


class Venue:
    """A front over a market, and clients of it."""

    def __init__(self, exchange: Any, clock: Any, signer: Callable[[str], str]) -> None:
        self.exchange, self.clock, self.signer = exchange, clock, signer
        hub = StreamHub(exchange.market.want, Tamperer(exchange.faults, clock))
        self.front = Front(exchange, hub, random.Random(3))
        self._ids = iter(range(1, 1_000_000))
        self._struck_before = 0

    def arm(self, *rows: dict[str, Any], seed: int = 1) -> None:
        """Add faults from now on, with ids of their own; `strikes` tells of theirs only."""
        self.exchange.faults.seed = seed
        self._struck_before = len(self.exchange.faults.strikes)
        named = [{"id": f"fault-{next(self._ids)}", **row} for row in rows]
        self.exchange.faults.add(parse_rows(named), self.clock.now_us())

    def api(self, *, subscribe: bool = True) -> tuple[Line, Wire]:
        wire = Wire(self.clock)
        line = self.front.open_line(API, wire)
        self.front.attach_api(line, ApiSession(self.exchange))
        if subscribe:
            self.send(line, "userDataStream.subscribe.signature")
        return line, wire

    def streams(self, *names: str, combined: bool = False, wire: Encoding = Encoding.JSON) -> tuple[Line, Wire]:
        seen = Wire(self.clock)
        line = self.front.open_line(STREAMS, seen)
        session = StreamSession(self.front.hub, names, combined=combined, write=line.send, wire=wire)
        self.front.attach_streams(line, session)
        return line, seen

    def send(self, line: Line, method: str, **params: Any) -> int:
        number = next(self._ids)
        signed = {**params, "apiKey": KEY, "timestamp": self.exchange.server_us() // 1000}
        signed["signature"] = self.signer("&".join(f"{name}={signed[name]}" for name in sorted(signed)))
        self.front.advance()
        self.front.answer(line, json.dumps({"id": number, "method": method, "params": signed}))
        return number

    def place(self, line: Line, client_id: str, side: str = "BUY", price: str = "90.00", **more: Any) -> int:
        order = {"symbol": "BTCUSDT", "side": side, "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.1"}
        return self.send(line, "order.place", **{**order, "price": price, "newClientOrderId": client_id, **more})

    def cancel(self, line: Line, client_id: str) -> int:
        return self.send(line, "order.cancel", symbol="BTCUSDT", origClientOrderId=client_id)

    def rest(self, method: str, path: str, **params: Any) -> Any:
        query = "&".join(f"{name}={value}" for name, value in params.items())
        query += f"{'&' if query else ''}timestamp={self.exchange.server_us() // 1000}"
        self.front.advance()
        return self.front.rest(method, f"{path}?{query}&signature={self.signer(query)}", KEY, b"")

    def rest_public(self, target: str) -> Any:
        self.front.advance()
        return self.front.rest("GET", target, None, b"")

    def symbol(self) -> Any:
        """The symbol's entry of exchangeInfo."""
        return json.loads(self.rest_public("/api/v3/exchangeInfo").body)["symbols"][0]

    def run(self, for_ms: int) -> None:
        """Let time pass, waking as a driver does."""
        end_us = self.clock.now + for_ms * 1000
        while (due_us := self.exchange.next_due_us()) is not None and due_us <= end_us:
            self.clock.now = max(self.clock.now, due_us)
            self.front.advance()
        self.clock.now = end_us
        self.front.advance()

    @property
    def account(self) -> Any:
        return next(iter(self.exchange.accounts.values()))

    @property
    def strikes(self) -> list[dict[str, Any]]:
        return list(audit(self.exchange, None)["strikes"])[self._struck_before :]


@pytest.fixture
def venue(desk: Any, signer: Callable[[str], str]) -> Venue:
    """A venue whose book stands still: bids from 99, asks from 101."""
    return Venue(desk.exchange, desk.clock, signer)


@pytest.fixture
def busy(make_exchange: Any, desk: Any, signer: Callable[[str], str]) -> Venue:
    """A venue with a synthetic market that has started."""
    exchange = make_exchange(SyntheticMarket(3, desk.clock.now), desk.clock)
    exchange.start()
    return Venue(exchange, desk.clock, signer)


def replies(frames: list[Any]) -> list[Any]:
    return [frame for frame in frames if "id" in frame]


def events(frames: list[Any]) -> list[str]:
    """x of each report, e of any other event."""
    return [frame["event"].get("x", frame["event"]["e"]) for frame in frames if "event" in frame]


# ---- Plans ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not JSON"),
        ("[]", r'the plan is {"seed": N, "faults": \[..\]}'),
        ('{"seed":1.5}', "seed: 1.5 is not a whole number"),
        ('{"faults":{}}', "faults: not a list"),
        ('{"faults":[7]}', r"faults\[0\]: not an object"),
        ('{"faults":[{"kind":"rain"}]}', r'faults\[0\]\.kind: "rain" is not one of reply_lost, '),
        ('{"faults":[{"kind":["wipe"]}]}', r"faults\[0\]\.kind: "),
        ('{"faults":[{"kind":"wipe","probability":0.5}]}', r"faults\[0\]\.probability: wipe takes at_ms, every_ms, "),
        ('{"faults":[{"kind":"wipe"},{"kind":"wipe","at_ms":-1}]}', r"faults\[1\]\.at_ms: -1 is not a whole number fr"),
        ('{"faults":[{"kind":"wipe","times":true}]}', r"faults\[0\]\.times: true is not a whole number from 1 to 1000"),
        ('{"faults":[{"kind":"overloaded","probability":0}]}', "probability: 0 is not a number above 0, up to 1"),
        ('{"faults":[{"kind":"overloaded","on":["dance"]}]}', r'on: \["dance"\] is not a list of place, cancel, '),
        ('{"faults":[{"kind":"overloaded","on":[]}]}', r"on: \[\] is not a list"),
        ('{"faults":[{"kind":"half_open","which":"some"}]}', 'which: "some" is not one of one, all'),
        ('{"faults":[{"kind":"wipe","id":"a"},{"kind":"wipe","id":"a"}]}', r'faults\[1\]\.id: "a" is used twice'),
        ('{"faults":[{"kind":"wipe","id":""}]}', 'id: "" is not a text of 1 to 64 characters'),
        ('{"faults":[{"kind":"balance_moved","asset":"b t"}]}', 'asset: "b t" is not `base`, `quote` or an asset'),
    ],
)
def test_a_wrong_plan_is_refused_with_the_place_and_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(FaultError, match=message):
        parse_faults(text)


@pytest.mark.parametrize("name", KINDS)
def test_a_fault_described_is_the_fault_again(name: str) -> None:
    row = {"kind": name, "times": 3, "at_ms": 5}
    (fault,) = parse_rows([row])
    assert parse_rows([json.loads(json.dumps(fault.describe()))]) == (fault,)


def test_an_id_is_armed_once_and_a_refused_batch_arms_nothing() -> None:
    plan = FaultPlan()
    plan.add(parse_rows([{"kind": "wipe", "id": "a"}]), 0)
    with pytest.raises(FaultError, match='"a" is in use'):
        plan.add(parse_rows([{"kind": "wipe", "id": "b"}, {"kind": "wipe", "id": "a"}]), 0)
    assert [row["id"] for row in plan.describe()] == ["a"]


def shared_parameters() -> dict[str, Any]:
    """Those of several kinds that are the same in all but a few of these."""
    names = ("on", "via", "event", "stream", "format", "sockets", "which")
    first = {name: parameter for kind in reversed(KINDS.values()) for name, parameter in kind.parameters.items()}
    return {name: first[name] for name in names}


def in_words(parameter: Any) -> str:
    default = parameter.default
    shown = ", ".join(default) if isinstance(default, tuple) else str(default)
    return f"{re.sub('^(one of|a list of|a whole number) ', '', parameter.allowed)} ({shown})"


def test_the_page_of_faults_has_the_codes_tables() -> None:
    shared = shared_parameters()
    tables = {
        "shared": ["| parameter | values (default) |", "|---|---|"]
        + [f"| `{name}` | {in_words(parameter)} |" for name, parameter in shared.items()],
        "faults": ["| kind | strikes | what happens | parameters (default) |", "|---|---|---|---|"],
    }
    for kind in KINDS.values():
        parameters = "; ".join(
            f"`{name}`" if parameter == shared.get(name) else f"`{name}`: {in_words(parameter)}"
            for name, parameter in kind.parameters.items()
        )
        tables["faults"].append(f"| `{kind.name}` | {kind.moment} | {kind.text} | {parameters or '-'} |")
    page = (ROOT / "docs" / "reference" / "venue-faults.md").read_text(encoding="utf-8")
    for name, rows in tables.items():
        made = "\n".join(rows) + "\n"
        found = re.search(rf"<!-- {name}:begin -->\n(.*?)<!-- {name}:end -->", page, re.DOTALL)
        assert found is not None
        assert found[1] == made, f"between the markers {name} must stand:\n{made}"


# ---- When they strike ----------------------------------------------------------------------------------------


def ask(plan: FaultPlan, times: int, now_us: int = 0) -> list[bool]:
    return [plan.on_request("place", "ws", now_us) is not None for _ in range(times)]


def test_a_fault_lets_pass_what_it_was_told_to_and_stops_after_its_times() -> None:
    plan = FaultPlan()
    plan.add(parse_rows([{"kind": "overloaded", "after": 2, "times": 3}]), 0)
    assert plan.on_request("query", "ws", 0) is None
    assert ask(plan, 7) == [False, False, True, True, True, False, False]
    assert plan.describe()[0]["struck"] == 3


def test_a_fault_keeps_to_its_time() -> None:
    plan = FaultPlan()
    plan.add(parse_rows([{"kind": "overloaded", "at_ms": 10, "until_ms": 20, "times": 9}]), 1_000_000)
    struck = [us for us in range(1_000_000, 1_030_000, 1_000) if ask(plan, 1, us) == [True]]
    assert (struck[0], struck[-1]) == (1_010_000, 1_018_000)


def test_timed_strikes_come_in_the_order_of_their_times_and_none_is_forgotten() -> None:
    plan = FaultPlan()
    plan.add(
        parse_rows(
            [
                {"kind": "wipe", "id": "late", "at_ms": 3},
                {"kind": "wipe", "id": "often", "at_ms": 1, "every_ms": 2, "times": 3},
            ]
        ),
        0,
    )
    assert plan.next_due_us() == 1_000
    assert [strike.fault.id for strike in plan.take_due(3_000)] == ["often", "late", "often"]
    assert plan.next_due_us() == 5_000
    assert len(plan.take_due(10_000_000)) == 1
    assert plan.next_due_us() is None


def test_strikes_follow_from_seed_and_id_alone() -> None:
    def struck(seed: int, *more: dict[str, Any]) -> list[bool]:
        plan = FaultPlan(seed)
        plan.add(parse_rows([*more, {"kind": "overloaded", "id": "x", "probability": 0.3, "times": 1000}]), 0)
        return ask(plan, 200)

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 30 < sum(struck(1)) < 90
    assert struck(1, {"kind": "overloaded", "on": ["cancel"], "probability": 0.5}) == struck(1)


# ---- Requests ------------------------------------------------------------------------------------------------


def test_a_lost_reply_leaves_the_order_placed_absent_or_placed_later(venue: Venue) -> None:
    line, wire = venue.api(subscribe=False)
    wire.take()
    for executed, at_once, later in (("yes", True, True), ("no", False, False), ("late", False, True)):
        venue.arm({"kind": "reply_lost", "on": ["place"], "executed": executed, "late_ms": 700})
        venue.place(line, executed)
        assert (executed in venue.account.by_client_id) is at_once
        venue.run(2_000)
        assert (executed in venue.account.by_client_id) is later
        assert replies(wire.take()) == []
        venue.place(line, executed + "2")
        assert len(replies(wire.take())) == 1, "one strike only"
        assert [strike["hit"] for strike in venue.strikes] == ["place by ws"]


def test_a_lost_reply_by_rest_says_so_to_the_driver(venue: Venue) -> None:
    venue.arm({"kind": "reply_lost", "on": ["query"], "via": "rest"})
    assert venue.rest("GET", "/api/v3/account").lost
    assert not venue.rest("GET", "/api/v3/account").lost


def test_a_delayed_reply_comes_at_its_time_and_the_order_at_once(venue: Venue) -> None:
    line, wire = venue.api()
    wire.take()
    venue.arm({"kind": "reply_delayed", "delay_ms": 1_500}, {"kind": "reply_delayed", "via": "rest", "delay_ms": 9})
    number = venue.place(line, "slow")
    assert "slow" in venue.account.by_client_id
    assert events(wire.take()) == ["NEW", "outboundAccountPosition"]
    venue.run(1_499)
    assert wire.take() == []
    venue.run(1)
    (reply,) = wire.take()
    assert (reply["id"], reply["status"]) == (number, 200)
    assert venue.rest("DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="slow").delay_us == 9_000


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [("503", 503, -1000), ("-1000", 500, -1000), ("-1001", 500, -1001), ("-1006", 500, -1006), ("-1007", 504, -1007)],
)
@pytest.mark.parametrize("executed", ["yes", "no", "late"])
def test_an_open_outcome_hides_what_was_done(venue: Venue, error: str, status: int, code: int, executed: str) -> None:
    line, wire = venue.api(subscribe=False)
    venue.arm({"kind": "status_unknown", "error": error, "executed": executed, "times": 2})
    venue.place(line, "a")
    reply = replies(wire.take())[-1]
    assert (reply["status"], reply["error"]["code"]) == (status, code)
    assert ("a" in venue.account.by_client_id) is (executed == "yes")
    by_rest = venue.rest("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    assert (by_rest.status, json.loads(by_rest.body)["code"]) == (status, code)
    venue.run(1_000)
    assert ("a" in venue.account.by_client_id) is (executed != "no")
    assert venue.account.open_orders == {}


def test_late_refusals_do_nothing_but_count(venue: Venue) -> None:
    line, wire = venue.api(subscribe=False)
    venue.arm({"kind": "late_timestamp"}, {"kind": "overloaded"})
    wire.take()
    for code, orders in ((-1021, 1), (-1008, 1)):
        venue.place(line, "a")
        assert wire.take()[0]["error"]["code"] == code
        assert venue.account.order_counts[0].count(venue.exchange.server_us()) == orders
    assert venue.account.orders == {}


@pytest.mark.parametrize(
    ("leg", "mode", "status", "code", "left"),
    [
        ("new", "STOP_ON_FAILURE", 409, -2021, []),
        ("new", "ALLOW_FAILURE", 409, -2021, []),
        ("cancel", "STOP_ON_FAILURE", 400, -2022, ["a"]),
        ("cancel", "ALLOW_FAILURE", 409, -2021, ["a", "b"]),
    ],
)
def test_either_leg_of_a_replacement_fails(
    venue: Venue, leg: str, mode: str, status: int, code: int, left: list[str]
) -> None:
    line, wire = venue.api(subscribe=False)
    venue.place(line, "a")
    venue.arm({"kind": "replace_partial", "leg": leg})
    wire.take()
    both = {"cancelOrigClientOrderId": "a", "cancelReplaceMode": mode}
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.1", "price": "89.00"}
    venue.send(line, "order.cancelReplace", **both, **order, newClientOrderId="b")
    (reply,) = wire.take()
    assert (reply["status"], reply["error"]["code"]) == (status, code)
    data = reply["error"]["data"]
    assert data["cancelResult" if leg == "cancel" else "newOrderResult"] == "FAILURE"
    assert [order.client_id for order in venue.account.open_orders.values()] == left


def test_a_firewall_answers_in_html_and_only_by_rest(venue: Venue) -> None:
    line, wire = venue.api(subscribe=False)
    venue.arm({"kind": "blocked", "on": ["query"]}, {"kind": "html_ok", "on": ["query"]})
    venue.send(line, "account.status")
    assert replies(wire.take())[-1]["status"] == 200
    for status in (403, 200):
        reply = venue.rest("GET", "/api/v3/account")
        assert (reply.status, reply.content_type) == (status, "text/html")
        assert reply.body.lstrip().startswith("<")
    assert venue.rest("GET", "/api/v3/account").content_type == "application/json"


@pytest.mark.parametrize("status", ["429", "418"])
def test_a_ban_holds_for_everybody_and_ends(venue: Venue, status: str) -> None:
    line, wire = venue.api(subscribe=False)
    venue.arm({"kind": "rate_limited", "status": status, "retry_after_ms": 5_000})
    wire.take()
    venue.place(line, "a")
    (reply,) = wire.take()
    assert (reply["status"], reply["error"]["code"]) == (int(status), -1003)
    assert reply["error"]["data"]["retryAfter"] - reply["error"]["data"]["serverTime"] == 5_000
    again = venue.rest("GET", "/api/v3/time")
    assert (again.status, again.headers["Retry-After"]) == (int(status), "5")
    venue.run(1_000)
    venue.place(line, "b")
    traffic = audit(venue.exchange, None)["traffic"]
    assert traffic["by_status"] == {status: 3}
    assert (traffic["during_wait"], traffic["orders_during_wait"]) == (1, 1), "one came within the grace"
    venue.run(4_000)
    venue.place(line, "c")
    assert replies(wire.take())[-1]["status"] == 200
    assert list(venue.account.by_client_id) == ["c"]


def test_reply_and_events_come_in_the_order_that_was_asked_for(venue: Venue) -> None:
    line, wire = venue.api()
    for first in ("events", "reply"):
        venue.arm({"kind": "reply_order", "first": first, "times": 20})
        wire.take()
        for number in range(20):
            venue.place(line, f"{first}{number}", quantity="0.06")
            frames = wire.take()
            assert ("id" in frames[0]) is (first == "reply")
            assert len(frames) == 3


# ---- User stream ---------------------------------------------------------------------------------------------


def test_a_delayed_event_holds_up_the_others_or_is_passed(venue: Venue) -> None:
    line, wire = venue.api()
    for others, soon in (("queue", []), ("pass", ["outboundAccountPosition"])):
        venue.arm({"kind": "event_delayed", "event": "NEW", "delay_ms": 300, "others": others})
        wire.take()
        venue.place(line, others)
        assert events(wire.take()) == soon
        venue.run(299)
        assert wire.take() == []
        venue.run(1)
        assert events(wire.take()) == ["NEW", "outboundAccountPosition"][: 2 - len(soon)]
        assert len(venue.strikes) == 1


def test_events_swap_places(venue: Venue) -> None:
    line, wire = venue.api()
    venue.arm({"kind": "event_swapped", "event": "NEW"}, {"kind": "event_swapped", "event": "position", "after": 1})
    wire.take()
    venue.place(line, "a")
    assert events(wire.take()) == ["outboundAccountPosition", "NEW"]
    venue.place(line, "b")
    assert events(wire.take()) == ["NEW"]
    venue.run(1_000)
    assert events(wire.take()) == ["outboundAccountPosition"], "nothing came behind it, so it came by itself"


def test_a_new_subscription_hears_old_reports_again(venue: Venue) -> None:
    line, wire = venue.api()
    for name in ("a", "b", "c"):
        venue.place(line, name)
    before = [frame["event"] for frame in wire.take() if events([frame]) == ["NEW"]]
    venue.arm({"kind": "events_replayed", "count": 2})
    _, other = venue.api()
    frames = other.take()
    assert frames[0]["result"] == {"subscriptionId": 0}
    assert [frame["event"] for frame in frames[1:]] == before[1:]
    _, third = venue.api()
    assert len(third.take()) == 1


def test_subscriptions_end_with_a_word(venue: Venue) -> None:
    line, wire = venue.api()
    wire.take()
    venue.arm({"kind": "stream_terminated", "at_ms": 100})
    venue.run(100)
    assert events(wire.take()) == ["eventStreamTerminated"]
    venue.place(line, "a")
    assert events(wire.take()) == []
    assert venue.strikes[0]["hit"] == "1 subscriptions"


# ---- Bytes and sockets ---------------------------------------------------------------------------------------


def test_a_half_open_line_is_silent_both_ways_and_then_gone(venue: Venue) -> None:
    (api, wire), (streams, _) = venue.api(), venue.streams("btcusdt@trade")
    wire.take()
    venue.arm({"kind": "half_open", "sockets": "api", "for_ms": 4_000})
    venue.run(0)
    assert not api.hears
    assert streams.hears
    venue.place(api, "a")
    venue.run(3_999)
    assert (wire.pieces, wire.ended) == ([], "")
    venue.run(1)
    assert wire.ended == "reset"


def test_one_of_two_sockets_is_struck(venue: Venue) -> None:
    wires = [venue.streams("btcusdt@trade")[1] for _ in range(4)]
    venue.arm({"kind": "reset", "sockets": "streams", "which": "one", "refuse_ms": 500})
    venue.run(0)
    assert sorted(wire.ended for wire in wires) == ["", "", "", "reset"]
    assert venue.front.refuses("streams")
    assert not venue.front.refuses("api")
    venue.run(500)
    assert not venue.front.refuses("streams")


def test_bytes_trickle_and_arrive_whole(venue: Venue) -> None:
    line, wire = venue.api(subscribe=False)
    venue.arm({"kind": "trickle", "for_ms": 100, "byte_us": 1_000})
    venue.run(0)
    venue.send(line, "account.status")
    venue.send(line, "account.status")
    venue.run(200)
    pieces = [data for _, data in wire.pieces]
    assert 95 <= sum(len(data) == 1 for data in pieces) <= 101
    assert len(wire.take()) == 2


def test_a_delayed_write_holds_what_comes_behind_it(venue: Venue) -> None:
    line, wire = venue.api(subscribe=False)
    venue.arm({"kind": "write_delayed", "sockets": "api", "after": 1, "delay_ms": 50})
    numbers = [venue.send(line, "account.status") for _ in range(3)]
    assert [frame["id"] for frame in wire.take()] == numbers[:1]
    venue.run(49)
    assert wire.take() == []
    venue.run(1)
    assert [frame["id"] for frame in wire.take()] == numbers[1:]


def test_a_truncated_write_ends_in_the_middle_of_a_frame(venue: Venue) -> None:
    line, wire = venue.api(subscribe=False)
    venue.arm({"kind": "write_truncated"})
    venue.send(line, "account.status")
    assert wire.ended == "end"
    assert wire.frames() == []
    assert len(wire.data) > 100


@pytest.mark.parametrize("code", ["1000", "1001", "1006", "1008", "1011"])
def test_a_socket_closes_with_the_code_asked_for(venue: Venue, code: str) -> None:
    _, wire = venue.streams()
    venue.arm({"kind": "closed", "code": code})
    venue.run(0)
    wanted = [] if code == "1006" else [(8, int(code).to_bytes(2, "big"))]
    assert (wire.frames(), wire.ended) == (wanted, "end")


def test_a_shutdown_is_announced_in_three_shapes_and_comes(venue: Venue) -> None:
    wires = [venue.api(subscribe=False)[1], venue.streams()[1], venue.streams(combined=True)[1]]
    venue.arm({"kind": "shutdown", "close_ms": 2_000})
    venue.run(0)
    api, raw, combined = (wire.take()[0] for wire in wires)
    assert raw["e"] == api["event"]["e"] == combined["data"]["e"] == "serverShutdown"
    assert combined["stream"] == "!serverShutdown"
    assert "subscriptionId" not in api
    venue.run(1_999)
    assert [wire.ended for wire in wires] == [""] * 3
    venue.run(1)
    assert [wire.ended for wire in wires] == ["end"] * 3


# ---- Market messages and snapshots ---------------------------------------------------------------------------

TRADE, DEPTH, BEST = "btcusdt@trade", "btcusdt@depth@100ms", "btcusdt@bookTicker"


def publish(venue: Venue, *messages: StreamMessage) -> None:
    venue.exchange.market.messages = list(messages)
    venue.front.advance()


def trades(*numbers: int) -> list[StreamMessage]:
    return [StreamMessage(TRADE, f'{{"t":{number}}}') for number in numbers]


def test_messages_are_dropped_doubled_and_swapped(venue: Venue) -> None:
    _, wire = venue.streams(TRADE)
    for kind, seen in (
        ("message_dropped", [1, 3, 4]),
        ("message_doubled", [1, 2, 2, 3, 4]),
        ("message_swapped", [1, 3, 2, 4]),
    ):
        venue.arm({"kind": kind, "stream": "trade", "after": 1})
        publish(venue, *trades(1, 2, 3))
        publish(venue, *trades(4))
        assert [message["t"] for message in wire.take()] == seen, kind
        assert venue.strikes[0]["hit"] == "btcusdt@trade as json"


def test_one_of_several_takers_is_struck(venue: Venue) -> None:
    wires = [venue.streams(TRADE, combined=number == 1)[1] for number in range(4)]
    venue.arm({"kind": "message_dropped", "which": "one"})
    publish(venue, *trades(1))
    assert sorted(len(wire.take()) for wire in wires) == [0, 1, 1, 1]


def test_a_message_held_back_goes_with_its_connection(venue: Venue) -> None:
    line, wire = venue.streams(TRADE)
    venue.arm({"kind": "message_swapped"})
    publish(venue, *trades(1))
    venue.front.close(line)
    publish(venue, *trades(2))
    assert wire.pieces == []


@pytest.mark.parametrize("form", ["cut", "text", "number", "huge", "bytes", "deep"])
@pytest.mark.parametrize("combined", [False, True])
def test_a_malformed_message_is_no_message_but_a_whole_frame(busy: Venue, form: str, combined: bool) -> None:
    _, wire = busy.streams(DEPTH, combined=combined)
    busy.run(250)
    good = len(wire.take())
    busy.arm({"kind": "message_malformed", "form": form, "stream": "depth"})
    busy.run(200)
    (_, bad), *others = wire.frames()
    assert good >= 2
    assert len(others) == 1
    if form == "bytes":
        with pytest.raises(UnicodeDecodeError):
            bad.decode()
    elif form in ("number", "huge"):
        assert ("NaN" if form == "number" else "9" * 40) in json.dumps(json.loads(bad))
    else:
        with pytest.raises((ValueError, RecursionError)):
            json.loads(bad)


@pytest.mark.parametrize("form", ["cut", "text", "number", "huge", "bytes", "deep"])
def test_a_malformed_sbe_message_differs_from_the_true_one(busy: Venue, form: str) -> None:
    _, struck = busy.streams("btcusdt@depth", wire=Encoding.SBE)
    busy.arm({"kind": "message_malformed", "form": form, "format": "sbe", "which": "all"})
    busy.run(100)
    bad, *good = (payload for opcode, payload in struck.frames() if opcode == 2)
    assert good
    template = int.from_bytes(good[0][2:4], "little")
    whole = bad[2:4] == good[0][2:4] and bad[4:8] == good[0][4:8] and bad[:2] == good[0][:2] and bad[-7:] == b"BTCUSDT"
    assert template == 10003
    assert not whole


def best_of(message: Any) -> tuple[float, float]:
    return float(message["b"]), float(message["a"])


def test_a_book_message_crosses_the_book(busy: Venue) -> None:
    _, best = busy.streams(BEST)
    _, depth = busy.streams(DEPTH)
    _, partial = busy.streams("btcusdt@depth5@100ms")
    for stream in ("bookTicker", "depth", "depth"):
        busy.arm({"kind": "book_crossed", "stream": stream})
        busy.run(200)
    tickers = [best_of(message) for message in best.take()]
    assert sum(bid > ask for bid, ask in tickers) == 1
    highest = [max((float(price) for price, qty in message["b"] if float(qty)), default=0) for message in depth.take()]
    wide = [message for message in partial.take() if float(message["bids"][0][0]) > float(message["asks"][0][0])]
    assert sum(bid > 100_000 for bid in highest) + len(wide) == 2


def test_a_binary_book_message_crosses_the_book(busy: Venue) -> None:
    _, best = busy.streams("btcusdt@bestBidAsk", wire=Encoding.SBE)
    _, depth = busy.streams("btcusdt@depth", wire=Encoding.SBE)
    busy.arm(
        {"kind": "book_crossed", "stream": "bookTicker", "format": "sbe"},
        {"kind": "book_crossed", "stream": "depth", "format": "sbe"},
    )
    busy.run(300)
    crossed = 0
    for _, payload in best.frames():
        _, _, _, _, bid, _, ask, _ = struct.unpack_from("<qqbbqqqq", payload, 8)
        crossed += bid > ask
    assert crossed == 1
    wide = []
    for _, payload in depth.frames():
        (exponent,) = struct.unpack_from("<b", payload, 8 + 24)
        size, count = struct.unpack_from("<HH", payload, 8 + 26)
        prices = [struct.unpack_from("<q", payload, 8 + 26 + 4 + size * number)[0] for number in range(count)]
        asks_at = 8 + 26 + 4 + size * count
        size, count = struct.unpack_from("<HH", payload, asks_at)
        assert payload[asks_at + 4 + size * count :] == b"\x07BTCUSDT", "the message stays whole"
        wide.append(max(prices, default=0) * 10.0**exponent > 100_000)
    assert sum(wide) == 1


def synced(venue: Venue, wire: Wire, kind: str | None) -> tuple[int, list[tuple[int, int]]]:
    """(lastUpdateId of a snapshot, (U, u) of the diffs before and after it)."""
    wire.take()
    if kind is not None:
        venue.arm({"kind": kind, "for_ms": 5_000})
    venue.run(1_000)
    body = json.loads(venue.rest_public("/api/v3/depth?symbol=BTCUSDT&limit=50").body)
    assert len(body["bids"]) == 50
    venue.run(500)
    return body["lastUpdateId"], [(message["U"], message["u"]) for message in wire.take()]


def test_a_stale_snapshot_lies_before_what_a_client_buffered(busy: Venue) -> None:
    _, wire = busy.streams(DEPTH)
    busy.run(300)
    last_id, ranges = synced(busy, wire, "snapshot_stale")
    assert last_id <= ranges[0][1]
    busy.run(4_000)
    live_id, _ = synced(busy, wire, None)
    assert live_id > ranges[-1][1]


def test_snapshots_end_with_a_message_or_inside_one(busy: Venue) -> None:
    _, wire = busy.streams(DEPTH)
    busy.run(300)
    last_id, ranges = synced(busy, wire, "snapshot_boundary")
    assert last_id in {end for _, end in ranges}
    busy.run(5_000)
    last_id, ranges = synced(busy, wire, "snapshot_inside")
    assert any(first <= last_id < end for first, end in ranges)


def test_queries_lag_behind_the_engine_and_cancels_do_not(venue: Venue) -> None:
    line, _ = venue.api(subscribe=False)

    def seen() -> tuple[list[str], str, int]:
        opened = json.loads(venue.rest("GET", "/api/v3/openOrders", symbol="BTCUSDT").body)
        rows = json.loads(venue.rest("GET", "/api/v3/account").body)["balances"]
        fills = json.loads(venue.rest("GET", "/api/v3/myTrades", symbol="BTCUSDT").body)
        return [row["clientOrderId"] for row in opened], rows[1]["locked"], len(fills)

    venue.place(line, "old")
    venue.arm({"kind": "query_lag", "lag_ms": 1_000, "for_ms": 3_000})
    venue.run(0)
    venue.place(line, "new")
    venue.place(line, "taker", price="101.00")
    asked = venue.rest("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="new")
    assert (asked.status, json.loads(asked.body)["code"]) == (400, -2013)
    assert seen() == (["old"], "9.00000000", 0)
    venue.run(600)
    assert venue.rest("DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="new").status == 200
    assert seen() == (["old"], "9.00000000", 0)
    venue.run(400)
    assert seen() == (["old", "new"], "18.00000000", 1)
    venue.run(600)
    assert seen() == (["old"], "9.00000000", 1)
    venue.place(line, "last")
    assert seen()[0] == ["old"]
    venue.run(1_400)
    assert seen()[0] == ["old", "last"], "the lag is over"


# ---- Symbol and accounts -------------------------------------------------------------------------------------


def test_the_clock_steps_and_comes_back(venue: Venue) -> None:
    venue.arm({"kind": "clock_step", "offset_ms": -6_000, "for_ms": 1_000})
    start_us = venue.exchange.server_us()
    venue.run(500)
    assert venue.exchange.server_us() == start_us - 5_500_000
    venue.run(500)
    assert venue.exchange.server_us() == start_us + 1_000_000


def test_a_wipe_leaves_the_start_and_the_audit_keeps_what_was(venue: Venue) -> None:
    line, wire = venue.api()
    venue.place(line, "taken", price="101.00", quantity="0.2")
    venue.place(line, "resting")
    venue.arm({"kind": "wipe"})
    venue.run(0)
    assert venue.account.orders == {}
    assert venue.account.balance("USDT").free_e8 == 100_000 * UNIT
    assert venue.exchange.market.resting == {}
    (wiped,) = audit(venue.exchange, None)["wipes"]
    assert [order["client_order_id"] for order in wiped["accounts"][0]["orders"]] == ["taken", "resting"]
    assert len(wiped["accounts"][0]["fills"]) == 1
    wire.take()
    venue.place(line, "new")
    assert replies(wire.take())[0]["result"]["orderId"] == 1_000_001, "ids restart"


@pytest.mark.parametrize("status", ["HALT", "BREAK", "END_OF_DAY", "CANCEL_ONLY"])
def test_the_symbol_stops_and_trades_again(venue: Venue, status: str) -> None:
    line, wire = venue.api(subscribe=False)
    venue.arm({"kind": "symbol_status", "status": status, "for_ms": 1_000})
    venue.run(0)
    assert venue.symbol()["status"] == status
    wire.take()
    venue.place(line, "a")
    assert wire.take()[0]["error"]["code"] == -2010
    venue.run(1_000)
    venue.place(line, "a")
    assert wire.take()[0]["status"] == 200


@pytest.mark.parametrize(
    ("name", "kind", "key"),
    [
        ("tick", "PRICE_FILTER", "tickSize"),
        ("step", "LOT_SIZE", "stepSize"),
        ("min_notional", "NOTIONAL", "minNotional"),
    ],
)
def test_a_filter_changes_while_orders_rest_and_is_restored(venue: Venue, name: str, kind: str, key: str) -> None:
    def shown() -> str:
        return str(next(row[key] for row in venue.symbol()["filters"] if row["filterType"] == kind))

    line, wire = venue.api(subscribe=False)
    venue.place(line, "before", price="90.01", quantity="0.10001")
    before = shown()
    venue.arm(
        {"kind": "filter_change", "filter": name, "factor": 1000},
        {"kind": "filter_change", "filter": name, "factor": 1, "at_ms": 1_000},
    )
    venue.run(0)
    assert float(shown()) == float(before) * 1000
    wire.take()
    venue.place(line, "off", price="90.01", quantity="0.10001")
    assert wire.take()[0]["error"] == {"code": -1013, "msg": f"Filter failure: {kind}"}
    venue.cancel(line, "before")
    assert wire.take()[0]["status"] == 200, "what rests can go"
    venue.run(1_000)
    assert shown() == before


def test_the_exchange_cancels_orders_itself(venue: Venue) -> None:
    line, wire = venue.api()
    venue.place(line, "old")
    venue.place(line, "new")
    venue.place(line, "ask", side="SELL", price="110.00")
    venue.arm({"kind": "exchange_cancels", "side": "BUY", "count": 1})
    wire.take()
    venue.run(0)
    report = wire.take()[0]["event"]
    assert (report["c"], report["x"], report["X"], report["eR"]) == ("old", "EXPIRED", "EXPIRED", "EXCHANGE_CANCELED")
    assert [order.client_id for order in venue.account.open_orders.values()] == ["new", "ask"]
    assert venue.account.balance("USDT").locked_e8 == 9 * UNIT


def test_balances_move_and_are_locked_from_outside_to_the_atom(venue: Venue) -> None:
    _, wire = venue.api()
    wire.take()
    venue.arm(
        {"kind": "balance_moved", "asset": "base", "amount_e8": -5 * UNIT},
        {"kind": "balance_moved", "asset": "BNB", "amount_e8": UNIT},
        {"kind": "external_lock", "amount_e8": 7, "for_ms": 1_000},
        {"kind": "bnb_gone", "at_ms": 500},
    )
    venue.run(0)
    frames = [frame["event"] for frame in wire.take()]
    assert [event["e"] for event in frames[::2]] == ["balanceUpdate", "balanceUpdate", "externalLockUpdate"]
    assert [event["d"] for event in frames[::2]] == ["-1.00000000", "1.00000000", "0.00000007"]
    assert {"a": "BTC", "f": "0.00000000", "l": "0.00000000"} in frames[1]["B"]
    assert {"a": "BNB", "f": "1.00000000", "l": "0.00000000"} in frames[3]["B"]
    balances = audit(venue.exchange, None)["accounts"][0]["balances"]
    assert balances["BTC"]["moved"] == "-1.00000000"
    assert (balances["USDT"]["locked"], balances["USDT"]["external"]) == ("0.00000007", "0.00000007")
    venue.run(500)
    assert venue.account.balance("BNB").free_e8 == 0
    venue.run(500)
    assert (venue.account.balance("USDT").locked_e8, venue.account.balance("USDT").external_e8) == (0, 0)


def test_the_operator_trades_by_hand(venue: Venue) -> None:
    _, wire = venue.api()
    wire.take()
    venue.arm(
        {"kind": "foreign_order", "side": "BUY"},
        {"kind": "foreign_order", "side": "SELL", "ticks": 50, "for_ms": 700, "at_ms": 10},
    )
    venue.run(10)
    bought, offered = venue.account.orders.values()
    assert (bought.status, offered.status) == ("FILLED", "NEW")
    assert bought.client_id.startswith("web_")
    assert offered.price_e8 == 101 * UNIT + UNIT // 2
    venue.run(700)
    assert offered.status == "CANCELED"


def test_the_reference_price_goes_and_comes_back(venue: Venue) -> None:
    def shown() -> Any:
        return json.loads(venue.rest_public("/api/v3/referencePrice?symbol=BTCUSDT").body)["referencePrice"]

    venue.exchange.reference_e8 = 100 * UNIT
    venue.arm({"kind": "no_reference_price", "for_ms": 500, "every_ms": 100, "times": 2})
    assert shown() is None
    venue.run(499)
    assert shown() is None
    venue.run(1)
    assert shown() == "100.00000000"
    assert [strike["hit"] for strike in venue.strikes] == ["it was 100.00000000", "nothing: it is null"]


# ---- Every kind, and the same again --------------------------------------------------------------------------


def tour(venue: Venue, rows: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """A client's second, with every kind of request; returns the strikes."""
    venue.arm(*rows, seed=seed)
    line, _ = venue.api()
    venue.streams("btcusdt@trade", "btcusdt@depth@100ms", "btcusdt@bookTicker")
    for number in range(10):
        if not line.hears:
            line, _ = venue.api()
        side, price = (("BUY", "60000.00"), ("SELL", "70000.00"))[number % 2]
        venue.place(line, f"t{number}", side, price, quantity="0.001")
        venue.run(50)
        venue.cancel(line, f"t{number}")
        order = {"symbol": "BTCUSDT", "side": side, "type": "LIMIT_MAKER", "quantity": "0.001", "price": price}
        venue.send(line, "order.cancelReplace", cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=1, **order)
        venue.rest("GET", "/api/v3/openOrders", symbol="BTCUSDT")
        venue.run(50)
    return venue.strikes


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_strikes_and_is_named_in_the_audit(busy: Venue, name: str) -> None:
    row: dict[str, Any] = {"kind": name, "id": "it"}
    if "on" in KINDS[name].parameters and name != "replace_partial":
        row["on"] = ["place", "cancel", "query"]
    if KINDS[name].moment == TIME:
        row["at_ms"] = 120
    (strike,) = tour(busy, [row], 1)
    assert (strike["id"], strike["kind"]) == ("it", name)
    assert strike["hit"]
    assert busy.exchange.faults.describe()[0]["struck"] == 1


def swarm(make: Callable[[], Venue], seed: int) -> list[dict[str, Any]]:
    rows = [
        {
            **fault.describe(),
            **(
                {"probability": 0.5, "at_ms": 0}
                if KINDS[fault.kind].moment != TIME
                else {"at_ms": 50 * number, "every_ms": 170, "times": 4}
            ),
        }
        for number, fault in enumerate(random_plan(seed, None, 0.01))
    ]
    return tour(make(), rows, seed)


def test_the_same_seed_gives_the_same_strikes(make_exchange: Any, make_desk: Any, signer: Any) -> None:
    def make() -> Venue:
        clock = make_desk(0).clock
        exchange = make_exchange(SyntheticMarket(3, clock.now), clock)
        exchange.start()
        return Venue(exchange, clock, signer)

    seen = [swarm(make, seed) for seed in range(8)]
    assert seen == [swarm(make, seed) for seed in range(8)]
    assert all(one != other for one, other in pairwise(seen))


def test_a_random_plan_is_a_function_of_its_arguments_and_stays_in_range() -> None:
    for seed in range(50):
        plan = random_plan(seed, None, 10.0)
        assert plan == random_plan(seed, None, 10.0)
        assert 3 <= len({fault.kind for fault in plan}) <= 8
        assert parse_rows([fault.describe() for fault in plan]) == plan
        assert "wipe" not in {fault.kind for fault in plan}
    assert random_plan(1, None, 10.0) != random_plan(2, None, 10.0)
    assert {fault.kind for fault in random_plan(1, ["wipe", "reset"], 1.0)} == {"wipe", "reset"}
    drawn = {fault.kind for seed in range(300) for fault in random_plan(seed, None, 1.0)}
    assert len(drawn) >= len(KINDS) - 5


# ---- Over sockets --------------------------------------------------------------------------------------------


async def armed(http: aiohttp.ClientSession, url: str, *rows: dict[str, Any]) -> None:
    async with http.post(f"{url}/venue/faults", json={"faults": rows}) as reply:
        assert reply.status == 200, await reply.text()


async def struck(http: aiohttp.ClientSession, url: str) -> list[str]:
    async with http.get(f"{url}/venue/audit") as reply:
        return [strike["kind"] for strike in (await reply.json())["strikes"]]


def signed_target(signer: Callable[[str], str], path: str) -> str:
    query = f"timestamp={time.time_ns() // 1_000_000}"
    return f"{path}?{query}&signature={signer(query)}"


def test_faults_of_requests_strike_over_http(serve: Any, desk: Any, signer: Callable[[str], str]) -> None:
    async def body(server: Any, url: str) -> None:
        async with aiohttp.ClientSession(headers={"X-MBX-APIKEY": KEY}) as http:
            await armed(
                http,
                url,
                {"kind": "html_ok", "on": ["query"]},
                {"kind": "reply_delayed", "on": ["query"], "delay_ms": 300},
                {"kind": "reply_lost", "on": ["query"]},
            )
            async with http.get(url + signed_target(signer, "/api/v3/account")) as reply:
                assert (reply.status, reply.content_type) == (200, "text/html")
            start = time.monotonic()
            async with http.get(url + signed_target(signer, "/api/v3/account")) as reply:
                assert "balances" in await reply.json()
            assert 0.29 < time.monotonic() - start < 5
            with pytest.raises(TimeoutError):
                await http.get(url + signed_target(signer, "/api/v3/account"), timeout=aiohttp.ClientTimeout(total=0.3))
            assert await struck(http, url) == ["html_ok", "reply_delayed", "reply_lost"]
            async with http.post(f"{url}/venue/faults", json={"faults": [{"kind": "rain"}]}) as reply:
                assert reply.status == 400
                assert 'faults[0].kind: "rain" is not one of' in (await reply.json())["error"]
            await armed(http, url, {"kind": "connect_refused", "sockets": "rest", "for_ms": 300, "id": "rest"})
            with pytest.raises(aiohttp.ClientConnectionError):
                await http.get(f"{url}/api/v3/time")
            await asyncio.sleep(0.35)
            async with http.get(f"{url}/api/v3/time") as reply:
                assert reply.status == 200

    serve(body, desk.market)


def test_faults_of_sockets_strike_over_sockets(serve: Any) -> None:
    async def body(server: Any, url: str) -> None:
        async with aiohttp.ClientSession() as http:
            for row, ends in (
                ({"kind": "half_open", "for_ms": 400}, aiohttp.WSMsgType.CLOSED),
                ({"kind": "closed", "code": "1008"}, aiohttp.WSMsgType.CLOSE),
                ({"kind": "shutdown", "close_ms": 200}, aiohttp.WSMsgType.CLOSE),
                ({"kind": "trickle", "for_ms": 200, "byte_us": 500}, None),
                ({"kind": "write_truncated", "after": 3}, aiohttp.WSMsgType.CLOSED),
                ({"kind": "write_delayed", "after": 3, "delay_ms": 500}, None),
                ({"kind": "reset", "refuse_ms": 300}, aiohttp.WSMsgType.CLOSED),
            ):
                socket = await http.ws_connect(f"{url}/ws/btcusdt@bookTicker", autoclose=False)
                await socket.receive(timeout=5)
                await armed(http, url, {**row, "id": str(row["kind"])})
                start, silent_s, seen = time.monotonic(), 0.0, []
                while time.monotonic() - start < (1.0 if ends is None else 5.0):
                    before = time.monotonic()
                    message = await socket.receive(timeout=5)
                    silent_s = max(silent_s, time.monotonic() - before)
                    seen.append(message)
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        break
                kind = row["kind"]
                texts = [message.data for message in seen if message.type is aiohttp.WSMsgType.TEXT]
                assert all(json.loads(text) for text in texts), "whole messages arrive, or none"
                assert ends is None or seen[-1].type in (ends, aiohttp.WSMsgType.ERROR), kind
                assert silent_s >= {"half_open": 0.35, "write_delayed": 0.45}.get(str(kind), 0.0), kind
                assert ("serverShutdown" in "".join(texts)) is (kind == "shutdown")
                await socket.close()
            with pytest.raises(aiohttp.ClientConnectionError):
                await http.ws_connect(f"{url}/ws/btcusdt@trade")
            await asyncio.sleep(0.35)
            await (await http.ws_connect(f"{url}/ws/btcusdt@trade")).close()
            assert len(await struck(http, url)) == 7

    serve(body, SyntheticMarket(4))
