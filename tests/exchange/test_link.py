"""The life of connections in virtual time: back-off, budget, pings, silence, replacement, and the order session."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcore.errors import ExchangeError, ExitCode, UnreachableError
from mmcore.exchange.binance.link import Action, Backoff, Connect, Drop, Fail, Link, Ping, ResyncClock, Send
from mmcore.exchange.binance.protocol import (
    NS_PER_MS,
    NS_PER_S,
    TESTNET,
    ClockOffset,
    LimitState,
    Sender,
    Verdict,
    WsReply,
    WsRequests,
)
from mmcore.exchange.binance.signing import Ed25519Signer, HmacSigner, Signer
from mmcore.exchange.binance.streams import MarketStreams, json_source
from mmcore.exchange.binance.ws_api import WsApi
from mmcore.exchange.channel import HandshakeRefusedError

T0 = 10**15
DAY_NS = 86_400 * NS_PER_S
PEM = "MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u"


def attempt_of(actions: list[Action]) -> int:
    attempts = [action.attempt for action in actions if isinstance(action, Connect)]
    assert len(attempts) == 1, actions
    return attempts[0]


def connected(seed: int = 1, now_ns: int = T0) -> Link:
    link = Link("wss://x", random.Random(seed))
    assert link.on_connected(attempt_of(link.poll(now_ns)), now_ns)
    return link


# --------------------------------------------------------------------------------------------------------------------
# Back-off and budget


@given(st.integers(0, 2**32))
def test_delays_double_up_to_seven_seconds_with_jitter_down_to_half(seed: int) -> None:
    backoff = Backoff(random.Random(seed))
    whole = [min(100 * NS_PER_MS * 2**i, 7 * NS_PER_S) for i in range(10)]
    for expected in whole:
        assert expected / 2 <= backoff.delay_ns() <= expected
    backoff.reset()
    assert backoff.delay_ns() <= 100 * NS_PER_MS


def test_the_same_seed_gives_the_same_delays_and_another_seed_others() -> None:
    delays = [[Backoff(random.Random(seed)).delay_ns() for _ in range(3)] for seed in (1, 1, 2)]
    assert delays[0] == delays[1] != delays[2]


def test_the_first_attempt_is_made_at_once() -> None:
    actions = Link("wss://x/y", random.Random(1)).poll(T0)
    assert actions == [Connect(1, "wss://x/y")]


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.floats(0, 1), st.floats(0, 1))
def test_an_hour_of_any_trouble_keeps_to_sixty_attempts_in_five_minutes(
    seed: int, p_fail: float, p_drop: float
) -> None:
    rng = random.Random(seed)
    link = Link("wss://x", rng)
    now, attempts, pending = T0, [], None
    while now < T0 + 3600 * NS_PER_S:
        for action in link.poll(now):
            if isinstance(action, Connect):
                assert pending is None, "one attempt at a time"
                pending = action.attempt
                attempts.append(now)
        if pending is not None:
            now += rng.randrange(NS_PER_S)
            if rng.random() < p_fail:
                link.on_failed(pending, now)
            else:
                assert link.on_connected(pending, now)
            pending = None
        elif link.up and rng.random() < p_drop / 10:
            link.on_dropped(now)
        elif link.up:
            link.on_seen(now)
        due = link.deadline_ns()
        assert due > now or link.poll(now), "a deadline that has come gives something to do"
        now = max(due, now)
    for i, first in enumerate(attempts):
        assert sum(1 for later in attempts[i:] if later < first + 300 * NS_PER_S) <= 60
    assert attempts, "the first attempt at least"


def test_a_server_that_announces_a_shutdown_on_every_connection_gets_sixty_of_them_in_five_minutes() -> None:
    link = connected()
    for spent in range(1, 60):
        link.on_shutdown_notice(T0 + spent)
        assert link.on_connected(attempt_of(link.poll(T0 + spent)), T0 + spent)
    link.on_shutdown_notice(T0 + 60)
    link.on_seen(T0 + 299 * NS_PER_S)
    assert not any(isinstance(action, Connect) for action in link.poll(T0 + 300 * NS_PER_S - 1))
    assert any(isinstance(action, Connect) for action in link.poll(T0 + 300 * NS_PER_S))


def test_a_lasting_outage_is_retried_every_seven_seconds_at_least() -> None:
    link = Link("wss://x", random.Random(3))
    now = T0
    for _ in range(40):
        link.on_failed(attempt_of(link.poll(now)), now)
        assert link.deadline_ns() - now <= 7 * NS_PER_S
        now = link.deadline_ns()


def test_an_attempt_nobody_reports_on_is_given_up_after_30_s_and_its_late_success_refused() -> None:
    link = Link("wss://x", random.Random(1))
    lost = attempt_of(link.poll(T0))
    assert link.poll(T0 + 29 * NS_PER_S) == []
    assert link.deadline_ns() == T0 + 30 * NS_PER_S
    link.poll(T0 + 30 * NS_PER_S)
    again = attempt_of(link.poll(link.deadline_ns()))
    assert again != lost
    assert not link.on_connected(lost, T0 + 32 * NS_PER_S)
    link.on_failed(lost, T0 + 32 * NS_PER_S)
    assert not link.up
    assert link.on_connected(again, T0 + 33 * NS_PER_S), "the late word about the lost one changed nothing"


def test_only_a_connection_that_lasted_starts_a_new_count_of_delays() -> None:
    link = Link("wss://x", random.Random(5))
    now = T0
    for _ in range(12):  # connects and falls at once
        assert link.on_connected(attempt_of(link.poll(now)), now)
        link.on_dropped(now + NS_PER_S)
        now = link.deadline_ns()
    assert link.deadline_ns() - now <= 7 * NS_PER_S
    assert link.on_connected(attempt_of(link.poll(now)), now)
    link.on_dropped(now + 29 * NS_PER_S)
    assert link.deadline_ns() - (now + 29 * NS_PER_S) >= 3 * NS_PER_S
    now = link.deadline_ns()
    assert link.on_connected(attempt_of(link.poll(now)), now)
    link.on_dropped(now + 30 * NS_PER_S)
    assert link.deadline_ns() - (now + 30 * NS_PER_S) <= 100 * NS_PER_MS


# --------------------------------------------------------------------------------------------------------------------
# Life of a connection


def test_a_ping_goes_out_every_second_with_the_time_as_payload() -> None:
    link = connected()
    pings = []
    now = T0
    while now < T0 + 10 * NS_PER_S:
        now = link.deadline_ns()
        link.on_seen(now)
        for action in link.poll(now):
            assert isinstance(action, Ping)
            assert int.from_bytes(action.payload, "little") == now
            pings.append(now)
    assert [b - a for a, b in itertools.pairwise(pings)] == [NS_PER_S] * 9


def test_four_seconds_without_a_byte_drop_the_connection_and_a_byte_in_time_does_not() -> None:
    link = connected()
    link.on_seen(T0 + NS_PER_S)
    assert not any(isinstance(a, Drop) for a in link.poll(T0 + 5 * NS_PER_S - 1))
    actions = link.poll(T0 + 5 * NS_PER_S)
    assert isinstance(actions[0], Drop)
    assert not link.up
    assert attempt_of(link.poll(link.deadline_ns()))


def test_a_connection_is_replaced_before_a_day_is_over_while_it_stays_in_use() -> None:
    link = connected(seed=9)
    now, replacement = T0, 0
    while not replacement:
        now = link.deadline_ns()
        link.on_seen(now)
        replacement = next((a.attempt for a in link.poll(now) if isinstance(a, Connect)), 0)
    assert 22.5 * 3600 * NS_PER_S <= now - T0 <= 23 * 3600 * NS_PER_S
    assert link.up, "the old one serves until the new one is there"
    assert link.on_connected(replacement, now + NS_PER_S)
    assert link.up
    assert link.deadline_ns() > now


def test_a_shutdown_notice_replaces_the_connection_at_once_and_a_failed_try_keeps_the_old_one() -> None:
    link = connected()
    link.on_shutdown_notice(T0 + 1)
    assert link.deadline_ns() <= T0 + 1
    link.on_failed(attempt_of(link.poll(T0 + 1)), T0 + 2)
    up_after_the_failed_try = link.up
    link.on_dropped(T0 + 3)
    assert (up_after_the_failed_try, link.up) == (True, False)
    assert link.on_connected(attempt_of(link.poll(link.deadline_ns())), T0 + 9 * NS_PER_S)


def test_a_connection_that_falls_while_its_replacement_is_on_the_way_waits_for_that_one() -> None:
    link = connected()
    link.on_shutdown_notice(T0)
    replacement = attempt_of(link.poll(T0))
    link.on_dropped(T0 + 1)
    assert link.poll(T0 + 2 * NS_PER_S) == [], "no second attempt beside the one under way"
    assert link.on_connected(replacement, T0 + 3 * NS_PER_S)
    assert link.up


# --------------------------------------------------------------------------------------------------------------------
# Market streams and refused handshakes


@pytest.mark.parametrize("kind", ["market", "orders"])
@pytest.mark.parametrize(("status", "retry_after_s", "expected_s"), [(429, 35, 35), (418, 120, 120), (429, None, 60)])
def test_a_handshake_refused_for_limits_stops_all_senders_and_is_not_repeated_early(
    kind: str, status: int, retry_after_s: int | None, expected_s: int
) -> None:
    limits, rng = LimitState(), random.Random(1)
    requests = WsRequests("k", HmacSigner("s"))
    connection = (MarketStreams(json_source(TESTNET, "BTCUSDT"), limits, rng) if kind == "market"
                  else WsApi(TESTNET, requests, ClockOffset(), limits, rng))
    attempt = attempt_of(connection.poll(T0))
    connection.on_failed(attempt, T0, HandshakeRefusedError("refused", status, retry_after_s))
    assert limits.wait_ns(Sender.CANCEL, T0) == expected_s * NS_PER_S
    assert connection.poll(T0 + expected_s * NS_PER_S - 1) == []
    assert attempt_of(connection.poll(T0 + expected_s * NS_PER_S))


def test_no_market_connection_is_tried_during_a_ban_that_another_sender_was_told_of() -> None:
    limits = LimitState()
    streams = MarketStreams(json_source(TESTNET, "BTCUSDT"), limits, random.Random(1))
    limits.on_refusal(Verdict.BANNED, -1003, "", 30 * NS_PER_S, T0, None)
    assert streams.poll(T0) == []
    assert streams.poll(T0 + 30 * NS_PER_S - 1) == []
    assert streams.deadline_ns() == T0 + 30 * NS_PER_S
    assert attempt_of(streams.poll(T0 + 30 * NS_PER_S))


@pytest.mark.parametrize("error", [UnreachableError("x"), HandshakeRefusedError("x", 503, 900)])
def test_any_other_failure_is_retried_soon(error: Exception) -> None:
    limits = LimitState()
    streams = MarketStreams(json_source(TESTNET, "BTCUSDT"), limits, random.Random(1))
    streams.on_failed(attempt_of(streams.poll(T0)), T0, error)
    assert streams.deadline_ns() - T0 <= 100 * NS_PER_MS
    assert limits.wait_ns(Sender.CANCEL, T0) == 0


def test_the_market_connection_sends_under_five_messages_a_second_whatever_happens() -> None:
    streams = MarketStreams(json_source(TESTNET, "BTCUSDT"), LimitState(), random.Random(1))
    assert streams.on_connected(attempt_of(streams.poll(T0)), T0)
    assert streams.up
    sent = []
    for now in range(T0, T0 + 5 * NS_PER_S, 10 * NS_PER_MS):  # polled far too often
        streams.on_seen(now)
        sent += [now for action in streams.poll(now) if isinstance(action, Ping | Send)]
    assert len(sent) == 4


# --------------------------------------------------------------------------------------------------------------------
# The order session


class Session:
    """A WsApi under test in virtual time. `actions` collects everything but connects."""

    def __init__(self, signer: Signer | None = None, clock_known: bool = True) -> None:
        self.clock = ClockOffset()
        if clock_known:
            self.clock.add(T0, T0, 1_784_592_000_000)
        self.limits = LimitState()
        self.api = WsApi(TESTNET, WsRequests("the-key", signer or HmacSigner("secret")), self.clock, self.limits,
                         random.Random(7))
        self.now = T0
        self.connect()

    def connect(self) -> None:
        self.now = max(self.now, self.api.deadline_ns())
        actions = self.api.poll(self.now)
        assert self.api.on_connected(attempt_of(actions), self.now)

    def poll(self) -> list[Action]:
        self.api.on_seen(self.now)
        return [a for a in self.api.poll(self.now) if not isinstance(a, Ping)]

    def sent(self) -> dict[str, Any]:
        """The one message that is due now."""
        actions = self.poll()
        assert len(actions) == 1, actions
        assert isinstance(actions[0], Send)
        message: dict[str, Any] = json.loads(actions[0].text)
        return message

    def reply(self, request_id: str, status: int = 200, code: int = 0, message: str = "", retry_ms: int = 0) -> None:
        self.api.on_reply(WsReply(request_id, status, code, message, retry_ms), self.now)

    def make_ready(self) -> None:
        while not self.api.ready:
            self.reply(self.sent()["id"])


def test_with_an_hmac_key_the_session_is_ready_once_the_signed_subscription_is_accepted() -> None:
    session = Session()
    assert session.api.up
    assert not session.api.ready
    message = session.sent()
    assert message["method"] == "userDataStream.subscribe.signature"
    assert message["params"]["timestamp"] == 1_784_592_000_000
    assert session.poll() == [], "one request at a time"
    session.reply("someone-elses-id")
    assert not session.api.ready
    session.reply(message["id"])
    assert session.api.ready


def test_with_an_ed25519_key_it_logs_on_first() -> None:
    session = Session(Ed25519Signer(PEM))
    log_on = session.sent()
    assert log_on["method"] == "session.logon"
    session.reply(log_on["id"])
    assert not session.api.ready
    subscribe = session.sent()
    assert subscribe["method"] == "userDataStream.subscribe"
    session.reply(subscribe["id"])
    assert session.api.ready


def test_no_request_is_named_like_an_order_request() -> None:
    session = Session()
    names = []
    for _ in range(5):
        session.make_ready()
        session.now = session.api.deadline_ns()
        session.api.on_terminated()
        names.append(session.sent()["id"])
        session.reply(names[-1])
    assert all(name[0] not in "pcqar" for name in names)
    assert len(set(names)) == len(names)


def test_without_the_exchanges_time_it_asks_for_it_once_and_goes_on_when_it_is_there() -> None:
    session = Session(clock_known=False)
    assert session.poll() == [ResyncClock()]
    assert session.poll() == []
    session.clock.add(T0, T0, 5_000_000)
    assert session.api.deadline_ns() <= session.now
    assert session.sent()["params"]["timestamp"] == 5_000_000


def test_a_wrong_clock_is_read_anew_three_times_and_then_the_program_stops() -> None:
    session = Session()
    for _ in range(3):
        session.reply(session.sent()["id"], 400, -1021, "Timestamp for this request is outside of the recvWindow.")
        assert session.poll() == [ResyncClock()]
        session.clock.add(T0, T0, 1)
    session.reply(session.sent()["id"], 400, -1021, "Timestamp for this request is outside of the recvWindow.")
    assert failure(session.poll()).exit_code is ExitCode.CREDENTIALS


def failure(actions: list[Action]) -> ExchangeError:
    assert len(actions) == 1, actions
    assert isinstance(actions[0], Fail)
    assert isinstance(actions[0].error, ExchangeError)
    return actions[0].error


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [(401, -2015, "Invalid API-key, IP, or permissions for action."), (401, -2014, "API-key format invalid."),
     (400, -1022, "Signature for this request is not valid.")],
)
def test_refused_credentials_stop_the_program_and_nothing_is_tried_again(status: int, code: int, message: str) -> None:
    session = Session()
    session.reply(session.sent()["id"], status, code, message)
    error = failure(session.poll())
    assert (error.code, error.msg, error.exit_code) == (code, message, ExitCode.CREDENTIALS)
    session.now += 3600 * NS_PER_S
    assert session.poll() == []
    session.api.on_dropped(session.now)
    assert session.poll() == []
    assert not session.api.ready


def test_a_key_revoked_while_running_is_told_without_a_request_id() -> None:
    session = Session()
    session.make_ready()
    session.reply("", 401, -2015, "Invalid API-key, IP, or permissions for action.")
    assert failure(session.poll()).code == -2015


def test_a_bug_of_ours_stops_the_program_too() -> None:
    session = Session()
    session.reply(session.sent()["id"], 400, -1102, "Mandatory parameter 'timestamp' was not sent.\n\x1b[31m")
    assert failure(session.poll()).msg == "Mandatory parameter 'timestamp' was not sent.??[31m"


def test_an_existing_subscription_is_a_subscription() -> None:
    session = Session()
    session.reply(session.sent()["id"], 400, -2035, "User Data Stream subscription already active.")
    assert session.api.ready


def test_a_subscription_without_a_reply_for_four_seconds_is_dropped_and_begun_anew() -> None:
    session = Session()
    session.sent()
    assert session.api.deadline_ns() <= T0 + 4 * NS_PER_S
    session.now += 4 * NS_PER_S
    actions = session.poll()
    assert [type(a) for a in actions] == [Drop]
    assert "userDataStream" in str(actions[0])
    assert not session.api.up
    session.connect()
    session.make_ready()


def test_a_5xx_to_the_subscription_reconnects() -> None:
    session = Session()
    session.reply(session.sent()["id"], 503, -1008, "Server is currently overloaded.")
    assert [type(a) for a in session.poll()] == [Drop]
    session.connect()
    session.make_ready()


def test_a_ban_told_in_a_reply_closes_the_session_until_it_ends() -> None:
    session = Session()
    message = session.sent()
    session.reply(message["id"], 418, -1003, "Way too much request weight used; IP banned until 1784592090000.",
                  1_784_592_000_000 + 90_000)
    assert [type(a) for a in session.poll()] == [Drop]
    assert session.limits.wait_ns(Sender.CANCEL, T0) == 90 * NS_PER_S
    assert session.api.deadline_ns() == T0 + 90 * NS_PER_S
    session.connect()
    assert session.now == T0 + 90 * NS_PER_S


def _ban(session: Session, seconds: int) -> int:
    """Another sender is told that nobody may send; until when."""
    return session.limits.on_refusal(Verdict.BANNED, -1003, "", seconds * NS_PER_S, session.now, None)


def test_a_ban_another_sender_was_told_of_silences_a_session_that_is_ready() -> None:
    session = Session()
    session.make_ready()
    until_ns = _ban(session, 30)
    while session.now < until_ns:
        assert session.poll() == []
        session.api.on_seen(session.now)
        assert session.now < session.api.deadline_ns() <= until_ns
        session.now = session.api.deadline_ns()
    assert session.sent()["method"] == "ping"


def test_a_ban_another_sender_was_told_of_keeps_a_session_from_beginning_and_from_connecting() -> None:
    session = Session()
    until_ns = _ban(session, 3)
    while session.now < until_ns:
        assert session.poll() == []
        session.api.on_seen(session.now)
        session.now = session.api.deadline_ns()
    assert session.sent()["method"] == "userDataStream.subscribe.signature"
    until_ns = _ban(session, 60)
    session.api.on_dropped(session.now)
    assert session.api.deadline_ns() <= until_ns
    while session.now < until_ns:
        assert session.poll() == []
        session.now = max(session.api.deadline_ns(), session.now + 1)
    assert [type(a) for a in session.poll()] == [Connect]


def test_the_api_is_pinged_every_five_seconds_and_dropped_when_it_does_not_answer() -> None:
    session = Session()
    session.make_ready()
    for _ in range(3):
        session.now += 5 * NS_PER_S
        message = session.sent()
        assert message["method"] == "ping"
        session.now += NS_PER_S
        session.reply(message["id"])
        session.now -= NS_PER_S
    session.now += 5 * NS_PER_S
    assert session.sent()["method"] == "ping"
    session.now += 4 * NS_PER_S
    actions = session.poll()  # the socket itself was alive all the time
    assert [type(a) for a in actions] == [Drop]
    assert not session.api.ready


def test_a_refused_ping_is_a_sign_of_life_unless_the_key_is_gone() -> None:
    session = Session()
    session.make_ready()
    session.now += 5 * NS_PER_S
    session.reply(session.sent()["id"], 500, -1000, "An unknown error occurred.")
    assert session.api.ready
    session.now += 5 * NS_PER_S
    session.reply(session.sent()["id"], 401, -2015, "Invalid API-key, IP, or permissions for action.")
    assert failure(session.poll()).code == -2015


def test_terminated_events_are_subscribed_to_again_and_not_ready_meanwhile() -> None:
    session = Session()
    session.make_ready()
    session.api.on_terminated()
    assert not session.api.ready
    assert session.api.up
    session.reply(session.sent()["id"])
    assert session.api.ready


def replaced(signer: Signer | None = None) -> Session:
    """A session whose successor is connected and knows nothing yet."""
    session = Session(signer)
    session.make_ready()
    session.api.on_shutdown_notice(session.now)
    attempt = attempt_of(session.poll())
    assert (session.api.ready, session.api.on_old) == (True, False)
    assert session.api.on_connected(attempt, session.now)
    return session


@pytest.mark.parametrize("signer", [HmacSigner("secret"), Ed25519Signer(PEM)], ids=["hmac", "ed25519"])
def test_a_connection_stays_in_use_until_its_successor_has_the_accounts_events(signer: Signer) -> None:
    session = replaced(signer)
    asked = []
    while session.api.on_old:
        assert session.api.ready
        assert session.api.logged_on is signer.can_log_on
        asked.append(session.sent())
        session.reply(asked[-1]["id"])
    assert session.api.ready
    assert [one["method"] for one in asked] == (
        ["session.logon", "userDataStream.subscribe"] if signer.can_log_on
        else ["userDataStream.subscribe.signature"])


def test_a_successor_that_fails_leaves_the_old_connection_in_use_for_twenty_seconds() -> None:
    session = replaced()
    session.sent()
    session.now += 4 * NS_PER_S
    assert [type(a) for a in session.poll()] == [Drop], "no reply to the subscription"
    assert (session.api.up, session.api.ready, session.api.on_old) == (False, True, True)
    session.connect()
    while session.api.on_old:
        assert session.api.ready
        session.reply(session.sent()["id"])
    assert session.api.ready
    late = replaced()
    late.api.on_dropped(late.now)
    late.now += 20 * NS_PER_S - 1
    late.api.poll(late.now)
    assert late.api.ready
    assert late.api.deadline_ns() <= late.now + 1
    late.now += 1
    late.api.poll(late.now)
    assert (late.api.ready, late.api.on_old) == (False, False)


def test_an_old_connection_that_ends_before_its_successor_is_ready_leaves_none() -> None:
    session = replaced()
    session.api.on_old_ended()
    assert (session.api.ready, session.api.on_old) == (False, False)
    session.make_ready()
    session.api.on_old_ended()
    assert session.api.ready, "of an old one nobody uses nothing is lost"


def test_a_key_that_is_refused_on_the_successor_ends_the_old_session_too() -> None:
    session = replaced()
    session.reply(session.sent()["id"], 401, -2015, "Invalid API-key, IP, or permissions for action.")
    assert failure(session.poll()).code == -2015
    assert not session.api.ready


def test_a_dropped_connection_is_not_ready_and_comes_back_by_itself() -> None:
    session = Session()
    session.make_ready()
    session.api.on_dropped(session.now)
    assert (session.api.up, session.api.ready) == (False, False)
    session.connect()
    session.make_ready()


REPLIES = [(200, 0), (400, -1021), (503, 0), (418, -1003), (429, -1003), (400, -2035), (500, -1000)]


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.booleans())
def test_any_hour_of_the_order_session_is_bounded_and_ready_only_after_an_accepted_subscription(
    seed: int, ed25519: bool
) -> None:
    rng = random.Random(seed)
    clock, limits = ClockOffset(), LimitState()
    signer = Ed25519Signer(PEM) if ed25519 else HmacSigner("s")
    api = WsApi(TESTNET, WsRequests("k", signer), clock, limits, rng)
    now, attempts, subscribed, steps = T0, 0, False, 0
    waiting: list[Any] = []

    while now < T0 + 3600 * NS_PER_S:
        steps += 1
        assert steps < 60_000, "no busy loop"
        for action in api.poll(now):
            match action:
                case Connect(attempt, _):
                    attempts += 1
                    subscribed = False
                    if rng.random() < 0.5:
                        api.on_failed(attempt, now, UnreachableError("x"))
                    else:
                        assert api.on_connected(attempt, now)
                case Send(text):
                    waiting.append(json.loads(text))
                case Drop(_):
                    waiting.clear()
                    subscribed = False
                case ResyncClock():
                    clock.add(now, now, now // NS_PER_MS)
                case Fail(error):
                    assert "-1021" in str(error), "four wrong clocks in a row are the only way to fail here"
                    return
        if waiting and rng.random() < 0.9:
            request = waiting.pop()
            status, code = rng.choice(REPLIES) if rng.random() < 0.3 else (200, 0)
            api.on_reply(WsReply(request["id"], status, code), now)
            subscribed |= "subscribe" in request["method"] and (status == 200 or code == -2035)
        elif rng.random() < 0.01:
            api.on_dropped(now)
            subscribed = False
        api.on_seen(now)
        assert not api.ready or subscribed
        assert not api.ready or api.up
        now = max(now + NS_PER_MS, min(api.deadline_ns(), now + 2 * NS_PER_S))
    assert attempts <= 60 * 13
