"""The rules of the exchange as pure code: URLs, errors, order names, its clock, its limits, the session's requests."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcore.errors import ExitCode, UsageError
from mmcore.exchange.base import Side
from mmcore.exchange.binance.protocol import (
    NS_PER_MS,
    NS_PER_S,
    PRODUCTION,
    TESTNET,
    ClientId,
    ClockOffset,
    Endpoints,
    LimitState,
    Sender,
    Verdict,
    WsRequests,
    endpoints_at,
    is_own,
    next_epoch,
    verdict,
)
from mmcore.exchange.binance.signing import Ed25519Signer, HmacSigner
from mmcore.exchange.binance.streams import Source, json_source, sbe_source

# --------------------------------------------------------------------------------------------------------------------
# URLs


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080", Endpoints("http://127.0.0.1:8080", "ws://127.0.0.1:8080",
                                            "ws://127.0.0.1:8080/sbe", "ws://127.0.0.1:8080/ws-api/v3")),
        ("http://localhost:8080/", Endpoints("http://localhost:8080", "ws://localhost:8080",
                                             "ws://localhost:8080/sbe", "ws://localhost:8080/ws-api/v3")),
        ("http://[::1]:9", Endpoints("http://[::1]:9", "ws://[::1]:9", "ws://[::1]:9/sbe", "ws://[::1]:9/ws-api/v3")),
        ("https://venue.example", Endpoints("https://venue.example", "wss://venue.example",
                                            "wss://venue.example/sbe", "wss://venue.example/ws-api/v3")),
    ],
)
def test_all_services_are_derived_from_one_url(url: str, expected: Endpoints) -> None:
    assert endpoints_at(url) == expected


@pytest.mark.parametrize(
    "url",
    ["", "venue", "ftp://127.0.0.1", "http://", "http://192.168.0.2:80", "http://venue.example", "http://127.0.0.1.evil.x",
     "http://127.0.0.1:99999", "http://127.0.0.1:x", "http://user:hunter2@127.0.0.1:80", "http://127.0.0.1:80/api",
     "http://127.0.0.1:80?x=1", "https://venue.example/#x", "http://127.0.0.1:80\r\nx", "http://[::1"],
)
def test_any_other_url_is_a_usage_error_of_one_line(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        endpoints_at(url)
    assert caught.value.exit_code is ExitCode.USAGE
    assert "\n" not in caught.value.message
    assert "hunter2" not in caught.value.message


def test_the_known_deployments_are_encrypted_and_not_the_dead_ones() -> None:
    for known in (PRODUCTION, TESTNET):
        assert known.rest.startswith("https://")
        assert known.streams.startswith("wss://stream.")
        assert known.sbe_streams.startswith("wss://stream-sbe.")
        assert known.ws_api.startswith("wss://ws-api.")
        assert known.ws_api.endswith("/ws-api/v3")


def test_one_combined_stream_carries_all_the_engine_reads() -> None:
    assert json_source(TESTNET, "BTCUSDT") == Source(
        "wss://stream.testnet.binance.vision/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@trade"
        "&timeUnit=MICROSECOND")


def test_the_binary_stream_names_its_key_in_a_header_and_never_in_print() -> None:
    source = sbe_source(TESTNET, "BTCUSDT", "the-key")
    assert source.url == ("wss://stream-sbe.testnet.binance.vision/stream"
                          "?streams=btcusdt@depth/btcusdt@bestBidAsk/btcusdt@trade")
    assert source.headers == (("X-MBX-APIKEY", "the-key"),)
    assert "the-key" not in repr(source)


# --------------------------------------------------------------------------------------------------------------------
# Errors


def recorded_errors(data_dir: Path) -> list[tuple[int, dict[str, object]]]:
    found = []
    for line in (data_dir / "hummingbot_fixture_2020" / "real_errors.jsonl").read_text().splitlines():
        entry = json.loads(line)
        found.append((entry["http"], entry["body"]))
    for path in sorted((data_dir / "mwlang_binance").glob("*.yml")):
        text = path.read_text()
        status = int(re.findall(r"^  status: (\d+)$", text, re.MULTILINE)[-1])
        if status != 200:
            quoted = re.findall(r"""^  body: (['"])(.*?)\1$""", text, re.MULTILINE | re.DOTALL)[-1]
            body = re.sub(r"\n +", " ", quoted[1])
            body = body.replace("''", "'") if quoted[0] == "'" else body.replace('\\"', '"')
            found.append((status, json.loads(body)))
    return found


RECORDED_VERDICTS = {
    "Way too much request weight used": Verdict.BANNED,
    "Order would immediately match and take.": Verdict.WOULD_MATCH,
    "Parameter 'timeInForce' sent when not required.": Verdict.REJECTED,
    "Filter failure: PERCENT_PRICE": Verdict.FILTER,
    "Filter failure: LOT_SIZE": Verdict.FILTER,
    "Invalid symbol.": Verdict.REJECTED,
    "Strange Error.": Verdict.REJECTED,
    "Illegal characters found in parameter": Verdict.REJECTED,
}


def test_every_recorded_error_body_gets_its_verdict(data_dir: Path) -> None:
    seen = set()
    for status, body in recorded_errors(data_dir):
        code, message = body["code"], str(body["msg"])
        assert isinstance(code, int)
        expected = [(text, v) for text, v in RECORDED_VERDICTS.items() if message.startswith(text)]
        assert len(expected) == 1, message
        assert verdict(status, code, message) is expected[0][1]
        seen.add(expected[0][0])
    assert seen == set(RECORDED_VERDICTS)


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (400, -2010, "Account has insufficient balance for requested action.", Verdict.BALANCE),
        (400, -2010, "Duplicate order sent.", Verdict.DUPLICATE),
        (400, -2010, "Market is closed.", Verdict.HALTED),
        (400, -2010, "This symbol is not permitted for this account.", Verdict.REJECTED),
        (400, -2011, "Unknown order sent.", Verdict.UNKNOWN_ORDER),
        (400, -2013, "Order does not exist.", Verdict.UNKNOWN_ORDER),
        (400, -1021, "Timestamp for this request is outside of the recvWindow.", Verdict.CLOCK),
        (400, -1022, "Signature for this request is not valid.", Verdict.CREDENTIALS),
        (401, -2014, "API-key format invalid.", Verdict.CREDENTIALS),
        (401, -2015, "Invalid API-key, IP, or permissions for action.", Verdict.CREDENTIALS),
        (429, -1015, "Too many new orders; current limit is 50 orders per 10 SECOND.", Verdict.LIMIT),
        (429, -1003, "Too much request weight used.", Verdict.LIMIT),
        (429, 0, "", Verdict.LIMIT),
        (400, -1003, "Too many requests queued.", Verdict.LIMIT),
        (400, -1003, "Way too many requests; IP banned until 1660090423228.", Verdict.BANNED),
        (418, 0, "", Verdict.BANNED),
        (400, -1007, "Timeout waiting for response from backend server.", Verdict.UNKNOWN),
        (400, -1006, "An unexpected response was received from the message bus.", Verdict.UNKNOWN),
        (400, -1000, "An unknown error occurred while processing the request.", Verdict.UNKNOWN),
        (400, -1008, "Server is currently overloaded with other requests.", Verdict.UNKNOWN),
        (400, -1016, "This service is no longer available.", Verdict.UNKNOWN),
        (409, -2021, "Order cancel-replace partially failed.", Verdict.UNKNOWN),
        (400, -1220, "The symbol's status does not match the requested symbolStatus.", Verdict.HALTED),
        (403, 0, "", Verdict.UNKNOWN),
        (301, 0, "", Verdict.UNKNOWN),
        (200, 0, "", Verdict.UNKNOWN),
        (404, 0, "", Verdict.UNKNOWN),
    ],
)
def test_an_error_is_judged_by_status_code_and_text(status: int, code: int, message: str, expected: Verdict) -> None:
    assert verdict(status, code, message) is expected


@given(st.integers(500, 599), st.integers(-9999, 0), st.text(max_size=40))
def test_a_5xx_leaves_the_outcome_open_whatever_it_says(status: int, code: int, message: str) -> None:
    assert verdict(status, code, message) is Verdict.UNKNOWN


@given(st.integers(100, 417), st.text(max_size=40))
def test_an_answer_without_an_error_of_the_exchange_is_never_definite(status: int, message: str) -> None:
    assert not verdict(status, 0, message).is_definite


# --------------------------------------------------------------------------------------------------------------------
# Names of orders

TAGS = st.from_regex(r"[A-Za-z0-9]{1,2}", fullmatch=True)
IDS = st.builds(ClientId, TAGS, st.integers(0, 36**7 - 1), st.integers(0, 36**7 - 1), st.sampled_from(Side),
                st.integers(0, 35))


@given(IDS)
def test_an_order_name_reads_back_as_what_it_was_made_of(client_id: ClientId) -> None:
    text = str(client_id)
    assert ClientId.parse(text) == client_id
    assert re.fullmatch(r"[a-zA-Z0-9-_]{1,36}", text)
    assert is_own(text, client_id.tag)


def test_an_order_name_has_the_documented_form() -> None:
    assert str(ClientId("A1", int("0k3f9zq", 36), int("1c4", 36), Side.BUY, 0)) == "mA1-0k3f9zq-00001c4-b0"
    assert str(ClientId("A1", 1784592000, 1, Side.SELL, 7)).endswith("-0000001-a7")


@given(IDS, IDS)
def test_names_of_one_account_sort_as_they_were_given_out(one: ClientId, other: ClientId) -> None:
    other = ClientId(one.tag, other.epoch, other.sequence, one.side, one.layer)
    assert (str(one) < str(other)) == ((one.epoch, one.sequence) < (other.epoch, other.sequence))


@given(st.text(max_size=36), TAGS)
def test_any_other_text_is_a_foreign_order(text: str, tag: str) -> None:
    if re.fullmatch(r"m[A-Za-z0-9]{1,2}-[0-9a-z]{7}-[0-9a-z]{7}-[ba][0-9a-z]", text, re.ASCII) is None:
        assert ClientId.parse(text) is None
        assert not is_own(text, tag)


@pytest.mark.parametrize(
    "text",
    ["", "mA1-", "mA1-0k3f9zq-00001c4-b0 ", "mA1-0k3f9zq-00001c4-b0\n", "mA1-0K3F9ZQ-00001c4-b0",
     "MA1-0k3f9zq-00001c4-b0", "mA1-0k3f9zq-00001c4-x0", "mA12-0k3f9zq-00001c4-b0", "mA1-0k3f9z٣-00001c4-b0",
     "x-TKT5PX2F1234", "web_0123456789ab"],
)
def test_near_misses_are_foreign(text: str) -> None:
    assert not is_own(text, "A1")


def test_another_accounts_orders_are_foreign() -> None:
    assert not is_own("mB2-0k3f9zq-00001c4-b0", "A1")
    assert not is_own("mA-0k3f9zq-00001c4-b0", "A1")


@pytest.mark.parametrize("parts", [("", 1, 1, 0), ("A1x", 1, 1, 0), ("A_", 1, 1, 0), ("Ä", 1, 1, 0), ("A1", -1, 1, 0),
                                   ("A1", 36**7, 1, 0), ("A1", 1, 36**7, 0), ("A1", 1, 1, 36)])
def test_parts_that_do_not_fit_a_name_are_refused(parts: tuple[str, int, int, int]) -> None:
    tag, epoch, sequence, layer = parts
    with pytest.raises(ValueError, match=r"account tag|outside"):
        ClientId(tag, epoch, sequence, Side.BUY, layer)


@given(st.integers(1, 36**7 - 2), st.lists(IDS, max_size=8), TAGS, st.integers(0, 36**7 - 3))
def test_a_new_epoch_is_above_every_own_one_seen_and_the_last_runs(
    unix_s: int, seen: list[ClientId], tag: str, stored: int
) -> None:
    own = [one.epoch for one in seen if one.tag == tag]
    if own and max(own) >= 36**7 - 1:
        with pytest.raises(UsageError, match=f"account.tag {tag}: .* none fits"):
            next_epoch(unix_s, tag, map(str, seen))
        return
    epoch = next_epoch(unix_s, tag, [*map(str, seen), "web_foreign"], stored)
    assert epoch >= unix_s
    assert epoch > stored
    assert all(epoch > other for other in own)
    assert epoch == unix_s or epoch - 1 in (*own, stored)


# --------------------------------------------------------------------------------------------------------------------
# Its clock


@pytest.mark.parametrize("drift_ppm", [-200, 0, 200])
def test_a_clock_that_drifts_all_day_stays_within_50_ms_and_within_its_own_bound(drift_ppm: int) -> None:
    """Eight samples at the start and three a minute for 24 h, over round trips of 1 to 80 ms that are uneven, while the
    machine's wall clock jumps about: nobody asks it."""
    rng = random.Random(1)
    clock, mono_ns, worst_ns = ClockOffset(), 5 * NS_PER_S, 0

    def server_ns(at_ns: int) -> int:
        return 1_784_592_000 * NS_PER_S + at_ns + at_ns * drift_ppm // 1_000_000

    for minute in range(24 * 60):
        for _ in range(3 if minute else 8):
            out_ns, back_ns = (rng.randint(500_000, 40_000_000) for _ in range(2))
            clock.add(mono_ns, mono_ns + out_ns + back_ns, server_ns(mono_ns + out_ns) // NS_PER_MS)
            mono_ns += out_ns + back_ns
        for _ in range(12):
            mono_ns += 5 * NS_PER_S
            error_ns = abs(mono_ns + clock.offset_ns - server_ns(mono_ns))
            worst_ns = max(worst_ns, error_ns)
            assert error_ns <= clock.error_ns(mono_ns)
    assert worst_ns < 50 * NS_PER_MS


def test_the_offset_is_that_of_the_quickest_round_trip() -> None:
    clock = ClockOffset()
    assert not clock.known
    clock.add(0, 100 * NS_PER_MS, 1_000_000)
    assert clock.server_ms(50 * NS_PER_MS) == 1_000_000
    clock.add(200 * NS_PER_MS, 210 * NS_PER_MS, 1_000_170)
    assert clock.server_ms(205 * NS_PER_MS) == 1_000_170
    clock.add(300 * NS_PER_MS, 900 * NS_PER_MS, 9_999_999)
    assert clock.server_ms(205 * NS_PER_MS) == 1_000_170, "a slow sample does not replace a quick one"
    clock.reset()
    assert not clock.known
    assert clock.server_ms(205 * NS_PER_MS) == 1_000_170, "who has just looked before the reset is not let down"
    clock.add(10**9, 10**9 + 600 * NS_PER_MS, 5)
    assert clock.server_ms(10**9 + 300 * NS_PER_MS) == 5, "samples from before the reset count no longer"


def test_a_reply_before_its_request_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="before its request"):
        ClockOffset().add(5, 4, 0)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(-400, 400), st.integers(0, 10**13))
def test_a_day_of_drift_keeps_the_clocks_error_in_its_bound_and_under_50_ms(seed: int, ppm: int, start_ms: int) -> None:
    """24 h in virtual time: bursts of 8 samples, round trips of up to 120 ms split at random between both ways."""
    def true_ns(now_ns: int) -> int:
        return start_ms * NS_PER_MS + now_ns + now_ns * ppm // 1_000_000

    rng = random.Random(seed)
    clock = ClockOffset()
    for minute in range(0, 1440, 7):
        now = minute * 60 * NS_PER_S
        for _ in range(8):
            way_there, way_back = rng.randrange(60 * NS_PER_MS), rng.randrange(60 * NS_PER_MS)
            clock.add(now, now + way_there + way_back, true_ns(now + way_there) // NS_PER_MS)
            now += way_there + way_back + NS_PER_MS
        for later in (0, rng.randrange(420) * NS_PER_S):
            error_ns = abs(now + later + clock.offset_ns - true_ns(now + later))
            assert error_ns <= clock.error_ns(now + later) + NS_PER_MS
        assert abs(clock.server_ms(now) * NS_PER_MS - true_ns(now)) < 50 * NS_PER_MS


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**10), st.integers(0, 10**13)), min_size=1,
                max_size=20))
def test_the_sample_in_use_has_the_smallest_bound_of_the_last_eight(samples: list[tuple[int, int, int]]) -> None:
    clock = ClockOffset()
    taken = 0
    history = []
    for gap, trip, server_ms in samples:
        sent = taken + gap
        taken = sent + trip
        clock.add(sent, taken, server_ms)
        history.append((taken, trip // 2))
        bounds = [half + (taken - when) * 500 // 1_000_000 for when, half in history[-8:]]
        assert clock.error_ns(taken) == min(bounds)


# --------------------------------------------------------------------------------------------------------------------
# Its limits

T0 = 1_000 * NS_PER_S


def test_a_ban_stops_every_sender_until_it_ends() -> None:
    limits = LimitState()
    until = limits.on_refusal(Verdict.BANNED, -1003, "", 120 * NS_PER_S, T0, None)
    assert until == limits.banned_until_ns == T0 + 120 * NS_PER_S
    for sender in Sender:
        assert limits.wait_ns(sender, T0) == 120 * NS_PER_S
        assert limits.wait_ns(sender, until - 1) == 1
        assert limits.wait_ns(sender, until) == 0


def test_a_shorter_wait_does_not_end_a_ban_early() -> None:
    limits = LimitState()
    limits.on_refusal(Verdict.BANNED, -1003, "", 600 * NS_PER_S, T0, None)
    limits.on_refusal(Verdict.LIMIT, -1003, "", 5 * NS_PER_S, T0, None)
    assert limits.wait_ns(Sender.CANCEL, T0) == 600 * NS_PER_S


def test_too_many_orders_stop_orders_only() -> None:
    limits = LimitState()
    limits.on_refusal(Verdict.LIMIT, -1015, "Too many new orders.", 7 * NS_PER_S, T0, None)
    assert limits.wait_ns(Sender.ORDER, T0) == 7 * NS_PER_S
    assert limits.wait_ns(Sender.CANCEL, T0) == 0
    assert limits.wait_ns(Sender.READ, T0) == 0


@pytest.mark.parametrize(
    ("used", "stopped"),
    [(4199, set()), (4200, {Sender.ORDER}), (5099, {Sender.ORDER}), (5100, {Sender.ORDER, Sender.READ}),
     (7000, {Sender.ORDER, Sender.READ})],
)
def test_weight_stops_orders_at_70_and_reads_at_85_percent_and_cancels_never(used: int, stopped: set[Sender]) -> None:
    limits = LimitState()
    limits.on_weight(used, T0, 45_000)
    for sender in Sender:
        assert limits.wait_ns(sender, T0) == (15 * NS_PER_S if sender in stopped else 0)
        assert limits.wait_ns(sender, T0 + 15 * NS_PER_S) == 0, "a new minute has begun at the exchange"


def test_the_weight_limit_is_the_exchanges_own() -> None:
    limits = LimitState()
    limits.set_weight_limit(1200)
    limits.on_weight(1000, T0, 0)
    assert limits.wait_ns(Sender.ORDER, T0) == 60 * NS_PER_S
    with pytest.raises(ValueError, match="weight limit"):
        limits.set_weight_limit(0)


def test_a_ban_that_is_only_named_in_the_text_is_obeyed(data_dir: Path) -> None:
    status, body = next((status, body) for status, body in recorded_errors(data_dir) if status == 418)
    message = str(body["msg"])
    assert verdict(status, -1003, message) is Verdict.BANNED
    limits = LimitState()
    limits.on_refusal(Verdict.BANNED, -1003, message, None, T0, 1660090423228 - 90_000)
    assert limits.wait_ns(Sender.CANCEL, T0) == 90 * NS_PER_S


@pytest.mark.parametrize(
    ("meaning", "message", "wait_s", "server_ms", "expected_s"),
    [
        (Verdict.LIMIT, "", None, None, 60),
        (Verdict.BANNED, "", None, None, 120),
        (Verdict.BANNED, "IP banned until 1660090423228.", None, None, 120),
        (Verdict.BANNED, "IP banned until 1660090423228.", None, 1660090423228 + 5, 1),
        (Verdict.LIMIT, "", 0, None, 1),
        (Verdict.BANNED, "", 10**9, None, 4 * 86_400),
    ],
)
def test_a_wait_is_never_missing_negative_or_endless(
    meaning: Verdict, message: str, wait_s: int | None, server_ms: int | None, expected_s: int
) -> None:
    limits = LimitState()
    wait_ns = None if wait_s is None else wait_s * NS_PER_S
    limits.on_refusal(meaning, -1003, message, wait_ns, T0, server_ms)
    assert limits.wait_ns(Sender.READ, T0) == expected_s * NS_PER_S


# --------------------------------------------------------------------------------------------------------------------
# The session's requests

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
PEM = "MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u"


def test_a_subscription_is_signed_over_its_sorted_parameters() -> None:
    request = json.loads(WsRequests("the-key", HmacSigner(SECRET)).subscribe("s1", 1747385641636))
    assert request["id"] == "s1"
    assert request["method"] == "userDataStream.subscribe.signature"
    payload = b"apiKey=the-key&recvWindow=5000&timestamp=1747385641636"
    assert request["params"] == {
        "apiKey": "the-key", "recvWindow": 5000, "timestamp": 1747385641636,
        "signature": hmac.new(SECRET.encode(), payload, hashlib.sha256).hexdigest(),
    }


def test_a_log_on_is_signed_with_ed25519_and_later_requests_need_no_signature() -> None:
    signer = Ed25519Signer(PEM)
    requests = WsRequests("the-key", signer, recv_window_ms=1000)
    assert requests.can_log_on
    request = json.loads(requests.log_on("s1", 1649729878532))
    assert request["method"] == "session.logon"
    assert request["params"]["signature"] == signer.sign(b"apiKey=the-key&recvWindow=1000&timestamp=1649729878532")
    assert json.loads(requests.subscribe_logged_on("s2")) == {"id": "s2", "method": "userDataStream.subscribe"}
    assert json.loads(requests.ping("s3")) == {"id": "s3", "method": "ping"}


def test_requests_show_neither_key_nor_secret() -> None:
    requests = WsRequests("canary-key", HmacSigner("canary-secret"))
    assert "canary" not in repr(requests)


@pytest.mark.parametrize("window", [0, 60_001])
def test_a_receive_window_outside_the_exchanges_range_is_refused(window: int) -> None:
    with pytest.raises(ValueError, match="recvWindow"):
        WsRequests("k", HmacSigner("s"), window)
