"""The bot without its threads and sockets: its parts, run one after another in virtual time, and its watcher."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from mmcore.config import RunOptions, Settings
from mmcore.core import loop as core_loop
from mmcore.errors import UnreachableError
from mmcore.exchange.binance.protocol import ClockOffset, LimitState, endpoints_at
from mmcore.exchange.binance.rest import RestClient
from mmcore.exchange.http import HttpReply
from mmcore.host.bot import Access, Bot, Keys, Reach, World
from mmcore.host.connector import Connector
from mmcore.host.stop import Stop
from mmcore.host.watch import End, Watch
from mmcore.host.worker import HostThread, PartThread
from tests.sim.network import Latency, Tap
from tests.sim.timeline import NEVER, NS_PER_MS, NS_PER_S, NS_PER_US, HostClock, Timeline

URL: Final = "http://127.0.0.1:1"
"""Where the exchange seems to be; nothing is ever opened there."""
_TOTAL_NS: Final = 3 * NS_PER_S
_LOOK_NS: Final = 100 * NS_PER_MS
_ORDERS_PARK_NS: Final = 50 * NS_PER_MS
_ROUNDS_MAX: Final = 1000


class LivelockError(AssertionError):
    """Parts that always have something more to do at one and the same moment."""


class KilledError(BaseException):
    """The bot's process is gone, wherever it was."""


class RestService(Protocol):
    """Who answers HTTP."""

    def on_request(self, method: str, target: str, api_key: str | None) -> Reply | None:
        """One request; None: the connection is reset."""


class Reply(Protocol):
    """An answer."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> str: ...

    @property
    def delay_us(self) -> int: ...

    @property
    def lost(self) -> bool: ...


@dataclass(slots=True)
class RestConditions:
    """What may happen to a request now: a mode and until when."""

    mode: str = ""
    until_ns: int = 0


class SimHttp:
    """`mmcore.exchange.http.Http` on the network in memory: a request lets the world go on until its answer is there.

    A mode of the conditions says what becomes of the requests that begin under it: lost, reset or answered by a
    gateway, before or after the exchange has carried them out, or slow.
    """

    def __init__(self, timeline: Timeline, rng: random.Random, latency: Latency, conditions: RestConditions,
                 service: RestService, tap: Tap, step: Callable[[], None]) -> None:
        self._timeline = timeline
        self._rng = rng
        self._latency = latency
        self._conditions = conditions
        self._service = service
        self._tap = tap
        self._step = step

    def close(self) -> None:
        """Nothing is kept open."""

    def request(self, method: str, path: str, query: str, headers: Mapping[str, str],
                on_sent: Callable[[], None] | None = None) -> HttpReply:
        answers: list[HttpReply | UnreachableError] = []
        target = path + (f"?{query}" if query else "")
        self._tap.sent("rest", f"{method} {target}".encode())
        if on_sent is not None:
            on_sent()
        self._plan(method, target, headers.get("X-MBX-APIKEY"), answers)
        self._timeline.after(_TOTAL_NS, lambda: answers.append(UnreachableError("no answer in time")))
        while not answers:
            self._step()
        answer = answers[0]
        if isinstance(answer, UnreachableError):
            raise answer
        wait = answer.headers.get("Retry-After", "0")
        self._tap.read("rest", b"%d %s " % (answer.status, wait.encode()) + answer.body)
        return answer

    def _plan(self, method: str, target: str, api_key: str | None,
              answers: list[HttpReply | UnreachableError]) -> None:
        timeline, conditions = self._timeline, self._conditions
        mode = conditions.mode if timeline.now_ns < conditions.until_ns else ""
        there_ns, back_ns = self._latency.draw(self._rng), self._latency.draw(self._rng)
        slow_ns = int(self._rng.uniform(0.2, 4.0) * NS_PER_S) if mode == "rest_slow" else 0
        failure: HttpReply | UnreachableError | None = None
        if mode.startswith("rest_reset"):
            failure = UnreachableError("the connection was closed")
        elif mode.startswith("rest_gateway"):
            failure = HttpReply(502, {}, b"<html><body>Bad Gateway</body></html>")
        is_lost = mode.startswith("rest_lost")

        def arrive() -> None:
            answer = failure
            delay_ns = 0
            if not mode.endswith("_before"):
                reply = self._service.on_request(method, target, api_key)
                if reply is None:
                    answer = UnreachableError("the connection was closed")
                elif reply.lost:
                    return
                else:
                    delay_ns = reply.delay_us * NS_PER_US
                    answer = failure or HttpReply(reply.status, reply.headers, reply.body.encode())
            if answer is not None and not is_lost:
                given = answer
                timeline.after(back_ns + delay_ns, lambda: answers.append(given))

        timeline.after(there_ns + slow_ns, arrive)


class SimBot(Bot):
    """A bot whose threads never start: `BotRun` does their rounds."""

    def start(self) -> None:
        """There is nothing to start."""

    def works(self, thread: HostThread) -> bool:
        return thread.died is None

    def stop_threads(self) -> None:
        for thread in self.threads:
            if not thread.stopping:
                thread.stop()
                thread.end()
        if self.orders_by_rest is not None:
            self.orders_by_rest.close()


class BotRun:
    """One run of the bot from its first request to its end, as the program does it."""

    def __init__(self, timeline: Timeline, clock: HostClock, settings: Settings, keys: Keys, http: SimHttp,
                 connector: Callable[[str, Callable[[], None]], Connector], rng: random.Random,
                 options: RunOptions, until_ns: int) -> None:
        """until_ns: when its duration is over."""
        self._timeline = timeline
        self._settings = settings
        self._options = options
        self._until_ns = until_ns
        self._connector = connector
        offset, limits = ClockOffset(), LimitState()
        endpoints = endpoints_at(URL)
        rest = RestClient(endpoints, tag=settings.account.tag, now_ns=clock.mono_ns, clock=offset, limits=limits,
                          api_key=keys.api_key, signer=keys.signer, http=http)
        self._access = Access(endpoints, keys, rest, offset, limits)
        self._world = World(clock, self._connect, rng)
        self._rest_is_busy = False
        self._look_ns = NEVER
        # Deadlines as the parts last said them: each moves its own only while it is served.
        self._feed_due_ns = self._orders_due_ns = self._look_again_ns = 0
        self._has_input: dict[str, bool] = {"feed": False, "orders": False}
        self.stop = Stop()
        self.bot: SimBot | None = None
        self.watch: Watch | None = None
        self.is_over = False
        self.rounds = 0
        self.latency_max_ns = 0

    def _connect(self, name: str, wake: Callable[[], None]) -> Connector:
        part = name.partition("-")[0]

        def arrived() -> None:
            self._has_input[part] = True

        return self._connector(name, arrived)

    def begin(self) -> None:
        """First contact, which lets the world go on, then the parts. Raises MmcoreError as the program would."""
        known = Reach(self._access, self._settings, self._world.clock, self.stop).ask()
        self.bot = SimBot(self._settings, self._options, self._access, self._world, known, None)
        self.watch = Watch(self.bot, self.stop, self._until_ns, lambda: True)
        self._look_ns = self._timeline.now_ns

    @property
    def banned_until_ns(self) -> int:
        """Until when the exchange has asked this run to be silent; 0 = never."""
        return self._access.limits.banned_until_ns

    def finish(self) -> End:
        """After `is_over`."""
        assert self.watch is not None
        return self.watch.finish()

    def deadline_ns(self) -> int:
        """When `serve` has something to do though nothing comes in."""
        bot = self.bot
        if bot is None or self.is_over:
            return NEVER
        due_ns = min(self._look_ns, self._look_again_ns, self._feed_due_ns, self._orders_due_ns,
                     bot.strategy.deadline_ns())
        return due_ns if self._rest_is_busy else min(due_ns, bot.rest.deadline_ns())

    def serve(self) -> None:
        """Everything there is to do now, as the threads would do it in no time."""
        bot = self.bot
        if bot is None or self.is_over:
            return
        for _ in range(_ROUNDS_MAX):
            if not self._serve_once(bot):
                break
        else:
            raise LivelockError(f"at {self._timeline.now_ns} the parts never come to rest")
        if self._timeline.now_ns >= self._look_ns and not self.is_over:
            assert self.watch is not None
            self._look_ns = self._timeline.now_ns + _LOOK_NS
            self.is_over = self.watch.look()

    def _serve_once(self, bot: SimBot) -> bool:
        """One round of every part that has something to do. True: there may be more."""
        now_ns = self._timeline.now_ns
        served = 0
        if self._feed_due_ns <= now_ns or self._take_input("feed"):
            self._serve_part(bot.feed)
            self._feed_due_ns = bot.feed.deadline_ns()
            served += 1
        if (self._orders_due_ns <= now_ns or self._look_again_ns <= now_ns or self._take_input("orders")
                or bot.loop.pending(core_loop.ORDERS)):
            self._look_again_ns = NEVER
            self._serve_part(bot.orders)
            self._orders_due_ns = bot.orders.deadline_ns()
            served += 1
        if bot.strategy.deadline_ns() <= now_ns:
            self._serve_part(bot.strategy)
            served += 1
        if not self._rest_is_busy and bot.rest.deadline_ns() <= now_ns:
            self._rest_is_busy = True
            try:
                self._serve_part(bot.rest)
            finally:
                self._rest_is_busy = False
            # The order thread looks at what the REST worker has learned of clock and bans within its longest park.
            self._look_again_ns = min(self._look_again_ns, self._timeline.now_ns + _ORDERS_PARK_NS)
            served += 1
        self.rounds += served
        return served > 0

    def _serve_part(self, part: PartThread) -> None:
        """One round, as `HostThread.run` does it."""
        if part.died is not None or part.stopping:
            return
        try:
            part.serve()
        except Exception as error:
            part.died = error
            part.end()
            raise

    def _take_input(self, part: str) -> bool:
        found, self._has_input[part] = self._has_input[part], False
        return found
