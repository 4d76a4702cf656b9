"""What the supervisor does when a part of the bot fails: real threads, sockets and venue, in this process."""

from __future__ import annotations

import dataclasses
import errno
import itertools
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmcore.config import Mode, RunOptions, Settings, Wait
from mmcore.core import loop as core_loop
from mmcore.core.engine import EngineStatus
from mmcore.core.gate import Gate
from mmcore.core.kinds import EngineState
from mmcore.core.loop import Loop
from mmcore.credentials import Credentials, Secret
from mmcore.errors import ConfigError, ExitCode, UnreachableError
from mmcore.exchange.binance.protocol import LimitedError
from mmcore.host import orders as orders_module
from mmcore.host import strategy as strategy_module
from mmcore.host.bot import Reach
from mmcore.host.clock import SystemClock
from mmcore.host.feed import FeedThread
from mmcore.host.orders import OrdersThread
from mmcore.host.stop import Stop
from mmcore.host.strategy import StrategyThread
from mmcore.host.supervisor import _Show, run
from mmcore.host.watch import Watch
from mmcore.host.worker import HostThread
from mmcore.telemetry import summary as summaries
from mmcore.telemetry.summary import RunSummary
from tests.e2e.processes import Stage, account

_SECOND_NS = 1_000_000_000
_TRADE_NS = 3 * _SECOND_NS


def _run(tmp_path: Path, settings: Settings | None = None, duration_s: float = 30.0) -> tuple[ExitCode, dict[str, Any]]:
    summary = tmp_path / "summary.json"
    code = run(settings or Settings(), RunOptions(duration_s=duration_s, summary=summary))
    found: dict[str, Any] = json.loads(summary.read_text())
    return code, found


def _all_ended(summary: dict[str, Any]) -> bool:
    orders = summary["venue_audit"]["accounts"][0]["orders"]
    return len(orders) > 0 and all(order["ended_us"] is not None for order in orders)


def test_a_thread_that_dies_ends_the_run_and_every_order_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, begun = SystemClock(), []
    step = FeedThread.step

    def dying(self: FeedThread) -> None:
        begun.append(clock.mono_ns()) if not begun else None
        if clock.mono_ns() - begun[0] > _TRADE_NS:
            raise RuntimeError("planned")
        step(self)

    monkeypatch.setattr(FeedThread, "step", dying)
    code, summary = _run(tmp_path)
    assert code is ExitCode.INTERNAL
    assert summary["exit_reason"] == "error"
    assert _all_ended(summary)


def test_a_thread_that_dies_while_the_run_stops_is_an_error_of_the_run_and_every_order_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping, step, begin = threading.Event(), FeedThread.step, Watch._begin_settling

    def dying(self: FeedThread) -> None:
        if stopping.is_set():
            raise RuntimeError("planned")
        step(self)

    def begun(self: Watch, now_ns: int) -> None:
        stopping.set()
        begin(self, now_ns)

    monkeypatch.setattr(FeedThread, "step", dying)
    monkeypatch.setattr(Watch, "_begin_settling", begun)
    code, summary = _run(tmp_path, duration_s=6.0)
    assert code is ExitCode.INTERNAL
    assert summary["exit_reason"] == "duration"
    assert _all_ended(summary)


@pytest.mark.parametrize(("thread", "method", "role", "holder"), [
    (OrdersThread, "try_serve", core_loop.ORDERS, orders_module.HOLDER),
    (StrategyThread, "step", core_loop.ENGINE, strategy_module.HOLDER),
])
def test_a_role_that_stands_still_with_input_waiting_ends_the_run_and_every_order_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thread: type[HostThread], method: str, role: int, holder: int
) -> None:
    clock, begun = SystemClock(), []
    work = getattr(thread, method)

    def stuck(self: Any, *arguments: int) -> Any:
        begun.append(clock.mono_ns()) if not begun else None
        if clock.mono_ns() - begun[0] > _TRADE_NS:
            while not self._loop.try_role(role, holder):
                clock.sleep(0)
            given_up_ns = clock.mono_ns() + 12 * _SECOND_NS
            while not self.stopping and clock.mono_ns() < given_up_ns:
                clock.sleep(0.02)  # holds the role and does nothing
            if self.stopping:
                return False
            self._loop.release_role(role, holder)
        return work(self, *arguments)

    monkeypatch.setattr(thread, method, stuck)
    code, summary = _run(tmp_path, duration_s=20.0)
    assert code is ExitCode.INTERNAL
    assert summary["exit_reason"] == "error"
    assert _all_ended(summary)


def test_one_spinning_thread_carries_all_three_roles(tmp_path: Path) -> None:
    settings = dataclasses.replace(Settings(), host=dataclasses.replace(Settings().host, wait=Wait.SPIN, cpu=0))
    code, summary = _run(tmp_path, settings, duration_s=6.0)
    assert code is ExitCode.DONE
    assert summary["orders_acked"] >= 4
    assert summary["unknown_orders"] == 0
    assert _all_ended(summary)


def _on_a_core_that_is_not_there() -> Settings:
    return dataclasses.replace(Settings(), host=dataclasses.replace(Settings().host, wait=Wait.SPIN, cpu=1023))


def test_a_core_this_process_may_not_run_on_is_refused_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmcore.host.supervisor.DemoVenue", None)
    cores = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
    with pytest.raises(ConfigError, match=f"host.cpu: 1023 is no core this process may run on; it may on {cores}$"):
        run(_on_a_core_that_is_not_there(), RunOptions())


def test_a_thread_that_cannot_be_pinned_ends_the_run_as_any_that_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    end = FeedThread.end

    def noted(self: FeedThread) -> None:
        ended.append(type(self.died).__name__)
        end(self)

    monkeypatch.setattr("mmcore.host.supervisor.check_cpu", lambda cpu: None)  # it goes away after the check
    monkeypatch.setattr(FeedThread, "end", noted)
    code, summary = _run(tmp_path, _on_a_core_that_is_not_there())
    assert (code, summary["exit_reason"], summary["orders_sent"]) == (ExitCode.INTERNAL, "error", 0)
    assert ended == ["OSError"]


def test_a_reader_of_the_status_who_goes_away_does_not_disturb_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w", buffering=1) as closed:
        monkeypatch.setattr("sys.stderr", closed)
        code, summary = _run(tmp_path, duration_s=6.0)
        with pytest.raises(BrokenPipeError):
            closed.flush()
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), closed.fileno())
    assert code is ExitCode.DONE
    assert summary["exit_reason"] == "duration"
    assert _all_ended(summary)


def test_an_error_of_the_supervisor_itself_leaves_no_order_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SystemClock()
    begun: list[int] = []

    def failing(self: Watch, now_ns: int) -> None:
        begun.append(now_ns) if not begun else None
        if clock.mono_ns() - begun[0] > _TRADE_NS:
            raise RuntimeError("planned")

    monkeypatch.setattr(Watch, "_watch_strategy", failing)
    code, summary = _run(tmp_path)
    assert code is ExitCode.INTERNAL
    assert summary["exit_reason"] == "error"
    assert _all_ended(summary)


def test_an_order_that_cannot_be_sealed_ends_the_run_and_nothing_new_follows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, signed = Loop.burst_encode, []

    def failing(self: Loop, gate: Gate, now_ns: int, sign: Callable[[bytes], str]) -> bool:
        def unusable(payload: bytes) -> str:
            signed.append(payload)
            return sign(payload) if len(signed) != 6 else "none"

        return encode(self, gate, now_ns, unusable)

    monkeypatch.setattr(Loop, "burst_encode", failing)
    code, summary = _run(tmp_path)
    assert code is ExitCode.INTERNAL
    assert _all_ended(summary)
    assert len(summary["venue_audit"]["accounts"][0]["orders"]) <= 5
    assert not any(thread.is_alive() for thread in threading.enumerate() if isinstance(thread, HostThread))


def test_a_duration_that_ends_before_the_first_sync_means_unreachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmcore.host.feed.read", lambda line, reader, now_ns: None)
    code, summary = _run(tmp_path, duration_s=5.0)
    assert code is ExitCode.UNREACHABLE
    assert summary["exit_reason"] == "unreachable"
    assert summary["orders_sent"] == 0


def test_a_status_line_that_cannot_be_made_is_told_of_once_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def failing(self: _Show, status: EngineStatus) -> str:
        raise ValueError("planned")

    monkeypatch.setattr(_Show, "_status_line", failing)
    code, summary = _run(tmp_path, duration_s=6.0)
    assert code is ExitCode.DONE
    assert _all_ended(summary)
    assert capfd.readouterr().err.count("no status line any more: ValueError: planned") == 1


def test_a_summary_that_cannot_be_made_does_not_hide_how_the_run_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def failing(self: _Show, *_: object) -> RunSummary:
        raise ValueError("planned")

    monkeypatch.setattr(_Show, "_summary", failing)
    monkeypatch.setattr(Watch, "_settle", lambda self, now_ns: self._over(["mA1-0000001-0000001-b0"]))
    code = run(Settings(), RunOptions(duration_s=0.1, summary=tmp_path / "summary.json"))
    assert code is ExitCode.ORDERS_LEFT
    told = capfd.readouterr().err
    assert "the summary: ValueError: planned" in told
    assert "fills; exit 6\n" in told


def test_a_summary_the_disk_does_not_take_does_not_hide_how_the_run_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, summary: RunSummary) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(summaries, "write", full)
    monkeypatch.setattr(Watch, "_settle", lambda self, now_ns: self._over(["mA1-0000001-0000001-b0"]))
    code = run(Settings(), RunOptions(duration_s=3.0, summary=tmp_path / "summary.json"))
    assert code is ExitCode.ORDERS_LEFT
    told = capfd.readouterr().err
    assert "No space left on device" in told
    assert "own orders NOT confirmed gone; " in told
    assert "fills; exit 6\n" in told


def test_a_full_disk_does_not_hide_why_a_run_never_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, summary: RunSummary) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def refusing(self: Reach) -> None:
        raise UnreachableError("the exchange cannot be reached: connection refused")

    monkeypatch.setattr(summaries, "write", full)
    monkeypatch.setattr(Reach, "ask", refusing)
    with pytest.raises(UnreachableError, match="connection refused"):
        run(Settings(), RunOptions(duration_s=3.0, summary=tmp_path / "summary.json"))
    assert "summary.json: No space left on device" in capfd.readouterr().err


def test_an_order_of_an_earlier_run_does_not_outlive_a_run_that_never_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(tmp_path)
    try:
        venue = stage.venue()
        venue.place("mA1-0000001-0000001-b0", "BUY", venue.best()[0] - 400)
        venue.place("somebody-else", "BUY", venue.best()[0] - 400)
        exchange = dataclasses.replace(Settings().exchange, mode=Mode.TESTNET, endpoint=venue.url)
        keys = Credentials(Secret(venue.api_key), Secret(venue.api_secret))
        monkeypatch.setattr(OrdersThread, "ready", property(lambda self: False))
        code = run(dataclasses.replace(Settings(), exchange=exchange), RunOptions(keys, duration_s=2.0))
        assert code is ExitCode.UNREACHABLE
        assert {order["client_order_id"]: order["status"] for order in account(venue.audit())["orders"]} == {
            "mA1-0000001-0000001-b0": "CANCELED", "somebody-else": "NEW"}
    finally:
        stage.clear()


@pytest.mark.parametrize(("until_s", "asked", "gives_up_s"), [(220, 1, 100), (105, 2, 105), (0, 20, 110)])
def test_a_limit_of_the_exchange_at_the_start_is_waited_for_unless_it_outlasts_what_the_exchange_gets(
    until_s: int, asked: int, gives_up_s: int
) -> None:
    """The last: one whose end is not known."""
    clock = _Steps()
    clock.sleep = clock.wait  # type: ignore[attr-defined]
    times: list[int] = []

    def limited() -> int:
        times.append(clock.now_ns)
        ends_s = until_s if len(times) == 1 or not until_s else 300
        raise LimitedError("not sent: limits forbid it", ends_s * _SECOND_NS)

    access = SimpleNamespace(rest=SimpleNamespace(server_time=limited), bans=None)
    reach = Reach(access, Settings(), clock, SimpleNamespace(count=0))  # type: ignore[arg-type]
    with pytest.raises(UnreachableError, match="limits forbid it"):
        reach.ask()
    assert clock.now_ns == gives_up_s * _SECOND_NS
    assert len(times) == asked if until_s else len(times) >= asked


def test_each_cause_why_the_exchange_cannot_be_reached_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = _Steps()
    clock.sleep = clock.wait  # type: ignore[attr-defined]
    causes = itertools.cycle(("the name is not known", "the name is not known", "connection refused"))

    def unreachable() -> int:
        raise UnreachableError(next(causes))

    access = SimpleNamespace(rest=SimpleNamespace(server_time=unreachable), bans=None)
    with pytest.raises(UnreachableError):
        Reach(access, Settings(), clock, SimpleNamespace(count=0)).ask()  # type: ignore[arg-type]
    assert [line.message for line in caplog.records] == [
        f"the exchange cannot be reached yet: {cause}" for cause in ("the name is not known", "connection refused")]


@pytest.mark.parametrize(("stopped_by", "asked", "gives_up_s"), [
    ("nobody", ["time", "time", "info", "account"], 110),
    ("a signal", ["time"], 102.5),
])
def test_a_slow_exchange_gets_no_more_than_its_time_and_a_signal_is_heeded_between_two_requests(
    stopped_by: str, asked: list[str], gives_up_s: float
) -> None:
    clock, stop, heard = _Steps(), Stop(), []
    rules = SimpleNamespace(base_asset="BTC", refusal=lambda *_: None, stp_refusal=lambda mode: None,
                            size_refusal=lambda *_: None, position_refusal=lambda *_: None)

    def answer(name: str, said: Any = None) -> Callable[..., Any]:
        def asked_for(*_: str) -> Any:
            heard.append(name)
            clock.wait(2.5)
            stop.count = 1 if stopped_by == "a signal" else 0
            return said

        return asked_for

    rest = SimpleNamespace(
        server_time=answer("time"), exchange_info=answer("info", SimpleNamespace(rules=lambda symbol: rules)),
        account=answer("account", SimpleNamespace(permissions=(), can_trade=True, balances=())),
        best_bid_e8=answer("bid"), commission=answer("commission"))
    access = SimpleNamespace(rest=rest, bans=None)
    with pytest.raises(UnreachableError, match="the exchange cannot be reached: "):
        Reach(access, Settings(), clock, stop).ask()  # type: ignore[arg-type]
    assert heard == asked
    assert clock.now_ns == gives_up_s * _SECOND_NS


class _Steps:
    """A clock that a wait moves."""

    def __init__(self) -> None:
        self.now_ns = 100 * _SECOND_NS

    def mono_ns(self) -> int:
        return self.now_ns

    def wait(self, seconds: float) -> None:
        self.now_ns += int(seconds * _SECOND_NS)


@pytest.mark.parametrize(
    ("outage_before_s", "back_after_s", "gives_up_after_s"),
    [(0, 0, 5), (0, 7, 12), (12, 1, 6), (14, 2, 1), (0, 100, 15)],
)
def test_once_the_order_channel_is_back_cancels_get_their_full_time(
    outage_before_s: int, back_after_s: int, gives_up_after_s: int
) -> None:
    clock = _Steps()
    begun_ns = clock.now_ns
    orders = SimpleNamespace(ready=False)
    loop = SimpleNamespace(status=lambda holder: SimpleNamespace(unknown_orders=0, open_orders=1, synced_ns=1),
                           progress=lambda role: 0, pending=lambda role: False)
    bot = SimpleNamespace(clock=clock, state=EngineState.ACTIVE, failure=None, orders=orders, loop=loop,
                          command=lambda which: None, dead_thread=lambda: None, stop_threads=lambda: None,
                          strategy=SimpleNamespace(thinking_since_ns=0),
                          engine=SimpleNamespace(orders=lambda: [1]), order_name=lambda order: "x")
    watch = Watch(bot, Stop(), begun_ns + outage_before_s * _SECOND_NS, lambda: True)  # type: ignore[arg-type]
    watch._began = True
    clock.now_ns -= 1  # the outage begins before the run ends
    while True:
        orders.ready = clock.now_ns - begun_ns >= (outage_before_s + back_after_s) * _SECOND_NS
        if watch.look():
            break
        clock.wait(0.02)
    assert watch.finish().left == ("x",)
    ended_s = (clock.now_ns - begun_ns) / _SECOND_NS - outage_before_s
    assert ended_s == pytest.approx(gives_up_after_s, abs=0.1)


def test_market_data_that_never_comes_ends_the_run_as_unreachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FeedThread, "step", lambda self: self._clock.sleep(0.01))
    code, summary = _run(tmp_path)
    assert code is ExitCode.UNREACHABLE
    assert summary["exit_reason"] == "unreachable"
    assert summary["orders_sent"] == 0


def test_orders_that_only_rest_knows_of_count_as_open_at_exit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["mA1-0000001-0000001-b0", "mA1-0000001-0000002-a0"]
    monkeypatch.setattr(Watch, "_settle", lambda self, now_ns: self._over(names))  # the engine has none of them
    code, summary = _run(tmp_path, duration_s=1.0)
    assert code is ExitCode.ORDERS_LEFT
    assert summary["open_orders_at_exit"] >= len(names)


@pytest.mark.parametrize(("state", "reason", "codes"), [
    (EngineState.HALTED, summaries.ExitReason.RISK, (ExitCode.RISK,)),
    (EngineState.ACTIVE, summaries.ExitReason.SIGNAL, ()),
])
def test_a_signal_to_a_run_that_a_limit_had_halted_tells_of_the_limit(
    state: EngineState, reason: summaries.ExitReason, codes: tuple[ExitCode, ...]
) -> None:
    bot = SimpleNamespace(clock=_Steps(), state=state, known=SimpleNamespace(leftovers=False),
                          loop=SimpleNamespace(progress=lambda role: 0, pending=lambda role: False),
                          dead_thread=lambda: None, stop_threads=lambda: None, command=lambda which: None)
    watch = Watch(bot, Stop(count=1), None, lambda: True)  # type: ignore[arg-type]
    assert watch.look()
    end = watch.finish()
    assert (end.reason, end.codes, end.left) == (reason, codes, ())
