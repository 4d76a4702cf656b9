# ruff: noqa: RUF009 - the call in a field's default makes a dataclasses.field, not a value
"""The settings: one table of them, and the reading of values from file, environment and command line.

The table is the fields of the dataclasses below. Each field carries its unit, range, default and reason; the
command line's options, `show-config`, the messages, `config/config.json` and the table in `config/README.md` are
made from it, so they cannot drift apart. A field whose name ends in `_e8` is an exact decimal in the file, under
the name without the suffix, and an int counting 1e-8 here.

A value may come from the default, the file, the environment or the command line; the later of these wins. All
that is wrong with them is reported at once.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Final

from mmcore.config_file import FILE_BYTES_MAX, Form, Member, Value, parse
from mmcore.config_kinds import (
    Choice,
    Endpoint,
    Exact,
    FilePath,
    Flag,
    Kind,
    Real,
    StrategyName,
    Whole,
    WholeChoice,
    Word,
    show_real,
)
from mmcore.credentials import Credentials
from mmcore.errors import ConfigError, Fault, UsageError, did_you_mean
from mmcore.units import format_e8

DEFAULT_FILE: Final = "config/config.json"
"""Read, relative to the working directory, when no file is named and this one exists."""


# ---- The words some settings take ----------------------------------------------------------------------------


class Mode(enum.StrEnum):
    DEMO = "demo"
    TESTNET = "testnet"
    LIVE = "live"


class OrderEntry(enum.StrEnum):
    WS_API = "ws_api"
    REST = "rest"


class StpMode(enum.StrEnum):
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    DECREMENT = "DECREMENT"
    TRANSFER = "TRANSFER"
    NONE = "NONE"


class MarketData(enum.StrEnum):
    JSON = "json"
    SBE = "sbe"


class Wait(enum.StrEnum):
    BLOCK = "block"
    YIELD = "yield"
    SPIN = "spin"


class LogLevel(enum.StrEnum):
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class LogFormat(enum.StrEnum):
    TEXT = "text"
    JSON = "json"


INVENTORY_SKEW: Final = "inventory_skew"
AVELLANEDA_STOIKOV: Final = "avellaneda_stoikov"
BUILTIN_STRATEGIES: Final = (INVENTORY_SKEW, AVELLANEDA_STOIKOV)


# ---- The table -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Spec:
    kind: Kind
    unit: str
    why: str
    nullable: bool
    option: str
    env: str


def _setting(
    default: object, kind: Kind, unit: str, why: str, *, null: bool = False, option: str = "", env: str = ""
) -> Any:
    """One row. default: the value, or the decimal text of an Exact one. unit: "" if it has none. null: null is allowed
    (`why` says what it means). option: the command line's name for it, if not --section.key. env: the variable that
    sets it."""
    if isinstance(kind, Exact) and isinstance(default, str):
        default = kind.read(default)
    return dataclasses.field(default=default, metadata={"spec": _Spec(kind, unit, why, null, option, env)})


def _above(high: float) -> Real:
    return Real(0.0, high, above=True)


_BASE: Final = Exact("1000000000")
_QUOTE: Final = Exact("1000000000")
_BPS: Final = _above(2000.0)


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """Which exchange, which symbol, and how orders reach it."""

    mode: Mode = _setting(
        Mode.DEMO, Choice(Mode), "",
        "demo: an exchange this program starts on this machine; testnet: the real protocol with play money; "
        "live: real money, not available yet",
    )
    symbol: str = _setting(
        "BTCUSDT", Word(r"[A-Z0-9]{5,20}", "5 to 20 characters A-Z 0-9", str.upper), "",
        "the one pair this run trades, as the exchange writes it", option="--symbol", env="TRADING_SYMBOL",
    )
    order_entry: OrderEntry = _setting(
        OrderEntry.WS_API, Choice(OrderEntry), "",
        "the channel of orders, never switched within a run: the WebSocket API is one round trip without a new "
        "request, REST is the simpler one",
    )
    stp_mode: StpMode = _setting(
        StpMode.EXPIRE_TAKER, Choice(StpMode, str.upper), "",
        "what the exchange does when a new order of ours would trade with another order of the same account; the "
        "symbol must allow it",
    )
    market_data: MarketData = _setting(
        MarketData.JSON, Choice(MarketData), "",
        "how market data comes: json, with the book every 100 ms; sbe, binary with the book every 20 ms, which asks "
        "for an Ed25519 key (API_PRIVATE_KEY_FILE)",
    )
    market_sockets: int = _setting(
        2, WholeChoice((1, 2)), "connections",
        "connections with the same market data: each event is taken from whichever brings it first, and losing one of "
        "two loses nothing",
    )
    endpoint: str | None = _setting(
        None, Endpoint(), "", "another exchange that speaks the protocol; with mode testnet only; null: the "
        "testnet's own address", null=True, option="--endpoint",
    )


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """Whose orders are ours."""

    tag: str = _setting(
        "A1", Word(r"[A-Za-z0-9]{1,2}", "1 or 2 characters A-Z a-z 0-9"), "",
        "part of every own order's client id; only orders that carry it are ever cancelled, so give each bot on one "
        "account its own",
    )
    dedicated: bool = _setting(
        False, Flag(), "",
        "nothing else trades this symbol on this account: a stop may then cancel all open orders with one request",
    )


@dataclass(frozen=True, slots=True)
class BookSettings:
    """The local order book."""

    levels: int = _setting(
        10000, Whole(100, 1_000_000), "levels a side",
        "capacity, allocated once; when it is full the farthest level is given up and the known depth shrinks",
    )
    snapshot_levels: int = _setting(
        5000, WholeChoice((100, 500, 1000, 5000)), "levels a side",
        "depth of the REST snapshot a sync starts from; deeper is slower and costs request weight, shallower knows "
        "less of the book",
    )
    audit_s: int = _setting(
        600, Whole(0, 86_400), "s",
        "the book is compared with a new snapshot so often, level by level, while it is in use; one that differs is "
        "built anew; 0: never. A snapshot of 5,000 levels costs 250 of 6,000 request weight a minute",
    )
    max_quiet_ms: int = _setting(
        0, Whole(0, 3_600_000), "ms",
        "no quotes after this long without a change of the book; 0: off, because thin symbols are quiet for many "
        "seconds while the connection is proved alive by pings",
    )


@dataclass(frozen=True, slots=True)
class InventorySettings:
    """What counts as no position."""

    target_e8: int | None = _setting(
        None, Exact("1000000000", above_zero=False), "base asset",
        "the holding at which the position is zero; null: the balance at the start", null=True,
    )


@dataclass(frozen=True, slots=True)
class StrategySettings:
    """What to quote."""

    name: str = _setting(
        INVENTORY_SKEW, StrategyName(BUILTIN_STRATEGIES), "",
        "the built-in formula, or a MarketMaker class of your own",
    )
    order_qty_e8: int = _setting("0.001", _BASE, "base asset", "size of one quote before inventory shrinks it")
    layers: int = _setting(2, Whole(1, 8), "quotes a side", "how many prices are quoted on each side")
    layer_step_bps: float = _setting(3.0, Real(0.1, 1000.0), "bps of mid", "distance from one layer to the next")
    min_spread_bps: float = _setting(
        20.0, _BPS, "bps of mid",
        "narrowest width from own bid to own ask; under twice the maker fee every round trip loses",
    )
    max_spread_bps: float = _setting(100.0, _BPS, "bps of mid", "widest width from own bid to own ask")
    vol_mult: float = _setting(
        1.0, Real(0.0, 1000.0), "ratio", "how much of the volatility is added to the half width"
    )
    skew: float = _setting(
        0.5, Real(0.0, 10.0), "half widths", "how far a full position moves both quotes against itself"
    )
    alpha_weight: float = _setting(
        0.1, Real(-10.0, 10.0), "half widths", "how far alpha at 1 (the microprice at the ask) moves both quotes"
    )
    imbalance_weight: float = _setting(
        0.1, Real(-10.0, 10.0), "half widths", "how far the book imbalance at 1 moves both quotes"
    )
    max_position_e8: int = _setting(
        "0.01", _BASE, "base asset",
        "the position at which the skew is full and the side that adds to it is no longer quoted",
    )
    allow_negative_edge: bool = _setting(
        False, Flag(), "", "quote even where the width does not pay the maker fee of both sides"
    )
    refresh_tolerance_bps: float = _setting(
        2.0, Real(0.0, 100.0), "bps of mid",
        "a resting quote closer than this to its wanted price stays and keeps its place in the queue",
    )
    timeout_ms: int = _setting(
        20, Whole(1, 1000), "ms", "a Python strategy that takes longer is at fault and its quotes are pulled"
    )
    risk_factor: float = _setting(
        1.0, _above(100.0), "1/quote asset", "avellaneda_stoikov: gamma, the aversion to holding a position"
    )
    kappa: float = _setting(
        1.5, _above(1_000_000.0), "1/quote asset",
        "avellaneda_stoikov: how fast the chance of a fill falls with the distance from mid",
    )
    horizon_s: float = _setting(
        60.0, Real(1.0, 86_400.0), "s",
        "avellaneda_stoikov: the time over which a position is expected to be held; volatility is scaled to it",
    )
    order_amount_shape_factor: float = _setting(
        0.0, Real(0.0, 10.0), "ratio",
        "avellaneda_stoikov: eta, how fast the size of the side that adds to the position decays with it",
    )
    min_spread: float = _setting(
        0.0, Real(0.0, 100.0), "% of mid", "avellaneda_stoikov: narrowest width, under the name and in the unit that "
        "users of this model know; the wider of it and the model's width is used",
    )


@dataclass(frozen=True, slots=True)
class SignalSettings:
    """What is measured of the market."""

    imbalance_levels: int = _setting(
        5, Whole(1, 32), "levels a side", "depth of the imbalance; more is calmer and slower to turn"
    )
    volatility_halflife_s: float = _setting(
        10.0, Real(0.1, 3600.0), "s", "after this time a price move counts half in the volatility"
    )
    trade_flow_halflife_s: float = _setting(
        5.0, Real(0.1, 3600.0), "s", "after this time a trade counts half in the trade flow"
    )
    warmup_s: float = _setting(
        1.0, Real(0.0, 600.0), "s",
        "how long after each sync volatility and flow signals count as 0, while they fill (avellaneda_stoikov waits)",
    )


@dataclass(frozen=True, slots=True)
class RiskSettings:
    """Limits; none can be turned off. The letters name the controls of the risk manager."""

    order_qty_max_e8: int | None = _setting(
        None, _BASE, "base asset", "C1: largest order; null: twice strategy.order_qty", null=True
    )
    order_notional_max_e8: int = _setting("1000", _QUOTE, "quote asset", "C2: largest price times quantity of an order")
    collar_order_bps: int = _setting(
        100, Whole(1, 2000), "bps",
        "C3: farthest an order may be from the reference price (median of mid, last trade and 1-minute average)",
    )
    collar_period_bps: int = _setting(
        300, Whole(1, 5000), "bps", "C4: no quotes while mid is farther than this from its own 60-second average"
    )
    cross_guard_ticks: int = _setting(
        1, Whole(1, 1000), "ticks", "C5: least distance of a quote from the other side's best price"
    )
    position_max_e8: int = _setting(
        "5", _BASE, "base asset", "C7: largest position if every own order of one side fills, unknown ones included"
    )
    position_notional_max_e8: int = _setting("5000", _QUOTE, "quote asset", "C7: the same limit in money")
    reducing_pct: int = _setting(
        80, Whole(1, 100), "% of C7", "C8: from here on only the side that reduces the position is quoted"
    )
    open_notional_max_e8: int | None = _setting(
        None, _QUOTE, "quote asset", "C9: largest sum of all own open orders; null: twice the C7 limit", null=True
    )
    open_orders_max_per_side: int = _setting(
        4, Whole(1, 100), "orders", "C9: most open orders on a side, at least strategy.layers"
    )
    in_flight_max_per_side: int = _setting(2, Whole(1, 16), "orders", "C10: most orders of a side not yet answered")
    unknown_max: int = _setting(
        1, Whole(1, 16), "orders", "C10: with this many orders of unknown fate no new one is sent"
    )
    order_rate_pct: int = _setting(
        50, Whole(1, 100), "%", "C11: share of the exchange's own limits on orders that is used"
    )
    rejects_per_min: int = _setting(
        10, Whole(1, 1000), "rejects", "C13: with this many in a minute trading halts; refusals because an order "
        "would match at once do not count, and of several at once for the clock, a ban or a halt only the first",
    )
    duplicate_window_ms: int = _setting(
        100, Whole(1, 10_000), "ms", "C15: the same side, price and quantity again within this time is refused"
    )
    stale_book_ms: int = _setting(
        1000, Whole(50, 60_000), "ms", "C16: no quotes after this long without any frame or answer to our pings"
    )
    ticker_ahead_ms: int = _setting(
        300, Whole(50, 60_000), "ms",
        "C16: no quotes after the best-price stream has been ahead of the book for this long",
    )
    stale_decision_ms: int = _setting(
        50, Whole(1, 1000), "ms", "C17: an order decided longer ago than this is not sent any more"
    )
    book_levels_min: int = _setting(5, Whole(1, 100), "levels a side", "C19: a thinner book is not quoted on")
    loss_session_max_e8: int = _setting(
        "50", _QUOTE, "quote asset", "Q1: loss by trading since the start that kills: fees and open position "
        "included, the price of inventory.target not"
    )
    loss_day_max_e8: int = _setting("100", _QUOTE, "quote asset", "Q1: the same for the day (UTC)")
    drawdown_halt_pct: float = _setting(
        2.0, _above(100.0), "% of peak equity", "Q2: fall from the highest equity that halts"
    )
    drawdown_kill_pct: float = _setting(
        4.0, _above(100.0), "% of peak equity", "Q2: fall from the highest equity that kills"
    )
    loss_speed_max_e8: int = _setting("20", _QUOTE, "quote asset per 60 s", "Q3: loss within a minute that halts")
    loss_speed_pause_s: int = _setting(600, Whole(1, 86_400), "s", "Q3: how long that halt lasts")


@dataclass(frozen=True, slots=True)
class ReconcileSettings:
    """How often what the engine believes is held against what the exchange shows, while trading. Doubt asks at once."""

    open_orders_s: int = _setting(
        10, Whole(1, 3600), "s",
        "own open orders; an own order nobody knows is cancelled, one that is gone is looked for",
    )
    trades_s: int = _setting(60, Whole(1, 3600), "s", "own trades; a fill whose report was lost is found here")
    account_s: int = _setting(
        30, Whole(1, 3600), "s",
        "balances against the sum of own fills; a difference that stays halts. All three together cost about 96 of the "
        "6000 request weight a minute",
    )


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Threads and files of this process."""

    wait: Wait = _setting(
        Wait.BLOCK, Choice(Wait), "",
        "what a thread does with nothing to do: block is kind to the machine, yield is quicker to wake, spin keeps "
        "one core busy and is quickest",
    )
    cpu: int | None = _setting(
        None, Whole(0, 1023), "core number", "with wait spin: the core the hot thread is pinned to; null: not pinned",
        null=True,
    )
    state_dir: Path | None = _setting(
        None, FilePath(), "", "where the last run's epoch and the end of a ban are kept and a second bot of one tag, "
        "symbol and exchange is locked out; `~` is the home directory; null: mmcore below XDG_STATE_HOME or "
        "~/.local/state", null=True,
    )
    record: Path | None = _setting(
        None, FilePath(), "", "the engine's input log is written here, for `mmcore replay`; null: none",
        null=True, option="--record",
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The log."""

    level: LogLevel = _setting(
        LogLevel.INFO, Choice(LogLevel, str.upper), "", "least important message that is written",
        option="--log-level", env="LOG_LEVEL",
    )
    format: LogFormat = _setting(
        LogFormat.TEXT, Choice(LogFormat), "", "text for people, json (one object a line) for programs"
    )
    file: Path | None = _setting(
        None, FilePath(), "", "appended to; null: the log goes to standard error", null=True
    )


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """The exchange that mode demo starts on this machine."""

    seed: int = _setting(
        1, Whole(0, 2**63 - 1), "", "the market is a function of it: same seed, same market", option="--seed"
    )
    maker_fee_bps: float = _setting(10.0, Real(0.0, 1000.0), "bps", "commission on a fill of a resting order")
    taker_fee_bps: float = _setting(10.0, Real(0.0, 1000.0), "bps", "commission on a fill of an arriving order")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a run. `Settings()` is the defaults; values from outside come through `load`, which checks."""

    exchange: ExchangeSettings = dataclasses.field(default_factory=ExchangeSettings)
    account: AccountSettings = dataclasses.field(default_factory=AccountSettings)
    book: BookSettings = dataclasses.field(default_factory=BookSettings)
    inventory: InventorySettings = dataclasses.field(default_factory=InventorySettings)
    strategy: StrategySettings = dataclasses.field(default_factory=StrategySettings)
    signal: SignalSettings = dataclasses.field(default_factory=SignalSettings)
    risk: RiskSettings = dataclasses.field(default_factory=RiskSettings)
    reconcile: ReconcileSettings = dataclasses.field(default_factory=ReconcileSettings)
    host: HostSettings = dataclasses.field(default_factory=HostSettings)
    log: LogSettings = dataclasses.field(default_factory=LogSettings)
    demo: DemoSettings = dataclasses.field(default_factory=DemoSettings)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What one run is told beside its settings.

    credentials: already taken out of the environment; None in mode demo, which uses none.
    duration_s: stop after this long, > 0; None: run until a signal.
    summary: where the run summary is written, known to be writable; None: nowhere.
    accept_reset: go on with an account that the exchange has reset, instead of halting.
    """

    credentials: Credentials | None = None
    duration_s: float | None = None
    summary: Path | None = None
    accept_reset: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table. key: "section.name" as in a file; attribute: the field's name; option: "--symbol", or ""
    where flags take its place (exchange.mode); env: the variable that sets it, or ""."""

    key: str
    section: str
    attribute: str
    kind: Kind
    unit: str
    why: str
    nullable: bool
    default: object
    option: str
    env: str

    @property
    def name(self) -> str:
        return self.key.partition(".")[2]

    @property
    def metavar(self) -> str:
        """What stands for the value in the command line's help."""
        return {FilePath: "FILE", Endpoint: "URL"}.get(type(self.kind), "VALUE")

    @property
    def range(self) -> str:
        return f"{self.kind.range}, or null" if self.nullable else self.kind.range

    def show(self, value: object) -> str:
        """A value of this setting as JSON text."""
        return "null" if value is None else self.kind.show(value)

    @property
    def allowed(self) -> str:
        """Unit, range and default, as messages and help give them."""
        unit = f"{self.unit}, " if self.unit else ""
        return f"{unit}{self.range}; default {self.show(self.default)}"

    def of(self, settings: Settings) -> object:
        """This setting's value in `settings`."""
        value: object = getattr(getattr(settings, self.section), self.attribute)
        return value


def _rows() -> Iterator[Setting]:
    for section in dataclasses.fields(Settings):
        for field in dataclasses.fields(getattr(Settings(), section.name)):
            spec: _Spec = field.metadata["spec"]
            key = f"{section.name}.{field.name.removesuffix('_e8')}"
            option = "" if key == "exchange.mode" else spec.option or f"--{key}"
            yield Setting(
                key, section.name, field.name, spec.kind, spec.unit, spec.why, spec.nullable, field.default, option,
                spec.env,
            )


SETTINGS: Final[Mapping[str, Setting]] = {row.key: row for row in _rows()}
"""The table, by key, in the order of the documentation."""
SECTIONS: Final[tuple[str, ...]] = tuple(field.name for field in dataclasses.fields(Settings))


# ---- Where values come from ----------------------------------------------------------------------------------


class Origin(enum.IntEnum):
    """Sources of values; the higher wins."""

    DEFAULT = 0
    FILE = 1
    ENVIRONMENT = 2
    COMMAND_LINE = 3


@dataclass(frozen=True, slots=True)
class Source:
    """Where one value came from. name: the file, the variable or the option; line and column: in a file, from 1."""

    origin: Origin
    name: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if self.origin is Origin.FILE:
            return f"{self.name}:{self.line}"
        if self.origin is Origin.ENVIRONMENT:
            return f"env {self.name}"
        return "command line" if self.origin is Origin.COMMAND_LINE else "default"

    def fault(self, key: str, message: str) -> Fault:
        """A fault of the value of `key` that came from here, named as the user gave it."""
        if self.origin is Origin.FILE:
            return Fault(key, message, self.name, self.line, self.column)
        return Fault(f"{self.name} (environment)" if self.origin is Origin.ENVIRONMENT else self.name, message)


_DEFAULT: Final = Source(Origin.DEFAULT)


@dataclass(frozen=True, slots=True)
class Given:
    """One value given for a setting, as written."""

    setting: Setting
    value: Value
    source: Source


def given_option(key: str, option: str, text: str) -> Given:
    """A value from the command line. key: of the setting; option: as the user typed it."""
    return Given(SETTINGS[key], Value(Form.BARE, text), Source(Origin.COMMAND_LINE, option))


def given_variable(key: str, text: str) -> Given:
    """A value from the environment variable that the table names for `key`."""
    return Given(SETTINGS[key], Value(Form.BARE, text), Source(Origin.ENVIRONMENT, SETTINGS[key].env))


DURATION: Final = Real(0.0, 31_536_000.0, above=True)
"""Seconds a run may be told to take: up to a year."""


def read_duration(option: str, text: str) -> float:
    """Seconds. Raises UsageError that names `option`."""
    try:
        return DURATION.read(text)
    except ValueError as error:
        raise UsageError(f"{option}: {shown_word(text)} {error} (s, {DURATION.range})") from None


def shown_word(word: str) -> str:
    """A word of the command line for a message: quoted if it is no number, and bounded."""
    return Value(Form.BARE, word).shown()


@dataclass(frozen=True, slots=True)
class Loaded:
    """Checked settings, and for each key where its value came from."""

    settings: Settings
    sources: Mapping[str, Source]

    def lines(self) -> list[str]:
        """`key  value  source` for every setting, aligned."""
        shown = [(key, row.show(row.of(self.settings)), str(self.sources[key])) for key, row in SETTINGS.items()]
        key_width = max(len(key) for key, _, _ in shown)
        value_width = max(len(value) for _, value, _ in shown)
        return [f"{key:<{key_width}}  {value:<{value_width}}  {source}" for key, value, source in shown]


# ---- Reading -------------------------------------------------------------------------------------------------


def load(path: str | None = None, overrides: Sequence[Given] = ()) -> Loaded:
    """The settings from the defaults, a file, and `overrides` (environment and command line).

    path: the file to read instead of `config/config.json`; it must exist. None: that file, if it exists.
    Raises ConfigError with every fault found, UsageError if the file cannot be read.
    """
    givens: list[Given] = []
    faults: list[Fault] = []
    if path is not None or Path(DEFAULT_FILE).exists():
        givens, faults = _read_file(DEFAULT_FILE if path is None else path)
    return _resolve([*givens, *sorted(overrides, key=lambda given: given.source.origin)], faults)


def _read_file(path: str) -> tuple[list[Given], list[Fault]]:
    try:
        with open(path, "rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is not a path"
        raise UsageError(
            f"configuration file {path}: {reason}", f"-c FILE is read instead of {DEFAULT_FILE}; it must exist"
        ) from None
    if len(data) > FILE_BYTES_MAX:
        return [], [Fault("", f"larger than {FILE_BYTES_MAX} bytes", path)]
    try:
        top = parse(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return [], [Fault("", "is not UTF-8 text", path, data.count(b"\n", 0, error.start) + 1, 1)]
    except JSONDecodeError as error:
        said = error.msg.rstrip(": ").removesuffix(" at")
        return [], [Fault("", f"not valid JSON: {said[:1].lower()}{said[1:]}", path, error.lineno, error.colno)]
    if top.form is not Form.OBJECT:
        message = f"{top.shown()} is not an object of sections ({', '.join(SECTIONS)})"
        return [], [Fault("", message, path, top.line, top.column)]
    return _FileReader(path).read(top)


SECRET_KEY: Final = re.compile(r"secret|passw|passphrase|private|credential|token|api.?key|^-*key$", re.IGNORECASE)
"""Names of keys and options that may have a secret for a value."""


class _FileReader:
    """Takes a file's object apart into values for settings, and collects what is wrong with its shape."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._givens: list[Given] = []
        self._faults: list[Fault] = []

    def read(self, top: Value) -> tuple[list[Given], list[Fault]]:
        for section in self._unique(top.members, ""):
            if section.key not in SECTIONS:
                self._unknown_section(section)
            elif section.value.form is not Form.OBJECT:
                self._fault(section.value, section.key, f"{section.value.shown()} is not an object of settings")
            else:
                self._section(section)
        return self._givens, self._faults

    def _section(self, section: Member) -> None:
        for member in self._unique(section.value.members, f"{section.key}."):
            key = f"{section.key}.{member.key}"
            if key in SETTINGS:
                source = Source(Origin.FILE, self._path, member.value.line, member.value.column)
                self._givens.append(Given(SETTINGS[key], member.value, source))
            else:
                self._unknown_key(key, member)

    def _unknown_section(self, section: Member) -> None:
        shown = _shown_key(section.key)
        if section.value.form is not Form.OBJECT:
            self._unknown_key(section.key, section)
        else:
            message = "unknown section" + did_you_mean(section.key, SECTIONS) + f" (sections: {', '.join(SECTIONS)})"
            self._fault(section, shown, message)
            for member in section.value.members:
                if SECRET_KEY.search(member.key):
                    self._unknown_key(f"{section.key}.{member.key}", member)

    def _unknown_key(self, key: str, member: Member) -> None:
        # Nothing of the value is ever shown: it may be a secret under a misspelt name.
        if SECRET_KEY.search(member.key):
            message = (
                f"{_shown_key(key)} is a secret, which does not belong in a configuration file (value not shown): set "
                "API_KEY and API_SECRET, or API_KEY_FILE and API_SECRET_FILE, in the environment"
            )
            self._fault(member, "", message)  # a name with a colon behind it reads like a value to every redactor
            return
        self._fault(member, _shown_key(key), f"unknown key{_nearest_key(key)}")

    def _unique(self, members: Iterable[Member], prefix: str) -> Iterator[Member]:
        seen: dict[str, Member] = {}
        for member in members:
            first = seen.setdefault(member.key, member)
            if first is not member:
                self._fault(member, _shown_key(prefix + member.key), f"given twice, first on line {first.line}")
            yield member

    def _fault(self, place: Member | Value, what: str, message: str) -> None:
        self._faults.append(Fault(what, message, self._path, place.line, place.column))


_KEY_SHOWN_MAX: Final = 60


def _shown_key(key: str) -> str:
    """A key of a file for a message: bounded, and without control characters."""
    if len(key) > _KEY_SHOWN_MAX:
        return f"a key of {len(key)} characters"
    return key if key.isprintable() else json.dumps(key)


def _nearest_key(key: str) -> str:
    name = key.rpartition(".")[2].lower().replace("-", "_")
    same_name = [row.key for row in SETTINGS.values() if row.name == name]
    return f': did you mean "{same_name[0]}"?' if same_name else did_you_mean(key, list(SETTINGS))


def _resolve(givens: Iterable[Given], faults: Iterable[Fault]) -> Loaded:
    """Reads every given value, later ones winning, and checks the result as a whole."""
    found = list(faults)
    values: dict[str, object] = {}
    sources: dict[str, Source] = dict.fromkeys(SETTINGS, _DEFAULT)
    broken: set[str] = set()
    for given in givens:
        key = given.setting.key
        sources[key] = given.source
        try:
            values[key] = _read(given.setting, given.value)
        except ValueError as error:
            broken.add(key)
            found.append(given.source.fault(key, f"{given.value.shown()} {error} ({given.setting.allowed})"))
    settings = _build(values)
    for keys, message in _contradictions(settings):
        if not broken.intersection(keys):
            blamed = max(keys, key=lambda key: sources[key].origin)
            found.append(sources[blamed].fault(blamed, message))
    if found:
        raise ConfigError(found)
    return Loaded(settings, sources)


def _read(setting: Setting, value: Value) -> object:
    if value.form is Form.NULL or (value.form is Form.BARE and setting.nullable and value.text == "null"):
        if not setting.nullable:
            raise ValueError(f"is not {setting.kind.noun}")
        return None
    if value.form is not Form.BARE and value.form not in setting.kind.forms:
        raise ValueError(f"is not {setting.kind.noun}")
    return setting.kind.read(value.text)


def _build(values: Mapping[str, object]) -> Settings:
    sections = {}
    for section in dataclasses.fields(Settings):
        rows = (SETTINGS[key] for key in values)
        given = {row.attribute: values[row.key] for row in rows if row.section == section.name}
        sections[section.name] = dataclasses.replace(getattr(Settings(), section.name), **given)
    return Settings(**sections)


# ---- What does not fit together ------------------------------------------------------------------------------


def _contradictions(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    """Keys that contradict one another, and the message. The key given last is the one blamed."""
    yield from _exchange_contradictions(settings)
    yield from _strategy_contradictions(settings)
    yield from _risk_contradictions(settings.risk)
    host = settings.host
    if host.cpu is not None and host.wait is not Wait.SPIN:
        yield ("host.cpu", "host.wait"), f"a core is pinned only with host.wait spin; host.wait is {host.wait}"


def _exchange_contradictions(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    exchange = settings.exchange
    if exchange.endpoint is not None and exchange.mode is not Mode.TESTNET:
        yield ("exchange.endpoint", "exchange.mode"), f"an endpoint goes with testnet only; the mode is {exchange.mode}"


def _strategy_contradictions(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    strategy, risk = settings.strategy, settings.risk
    if strategy.min_spread_bps > strategy.max_spread_bps:
        yield (
            ("strategy.min_spread_bps", "strategy.max_spread_bps"),
            f"the narrowest width, strategy.min_spread_bps {show_real(strategy.min_spread_bps)}, is over the widest, "
            f"strategy.max_spread_bps {show_real(strategy.max_spread_bps)}",
        )
    if strategy.layers > risk.open_orders_max_per_side:
        yield (
            ("strategy.layers", "risk.open_orders_max_per_side"),
            f"strategy.layers {strategy.layers} is over risk.open_orders_max_per_side {risk.open_orders_max_per_side}",
        )
    if risk.order_qty_max_e8 is not None and strategy.order_qty_e8 > risk.order_qty_max_e8:
        yield (
            ("strategy.order_qty", "risk.order_qty_max"),
            f"strategy.order_qty {format_e8(strategy.order_qty_e8)} is over risk.order_qty_max "
            f"{format_e8(risk.order_qty_max_e8)}",
        )
    # Elsewhere the fee is known only once the exchange has been asked; the engine holds to it then.
    fee_bps = settings.demo.maker_fee_bps
    checked = settings.exchange.mode is Mode.DEMO and strategy.name == INVENTORY_SKEW
    if checked and strategy.min_spread_bps < 2 * fee_bps and not strategy.allow_negative_edge:
        yield (
            ("strategy.min_spread_bps", "demo.maker_fee_bps", "strategy.allow_negative_edge"),
            f"strategy.min_spread_bps {show_real(strategy.min_spread_bps)} is under twice demo.maker_fee_bps "
            f"{show_real(fee_bps)}: a round trip can lose; widen it or set strategy.allow_negative_edge to true",
        )


def _risk_contradictions(risk: RiskSettings) -> Iterator[tuple[tuple[str, ...], str]]:
    if risk.drawdown_halt_pct > risk.drawdown_kill_pct:
        yield (
            ("risk.drawdown_halt_pct", "risk.drawdown_kill_pct"),
            f"risk.drawdown_halt_pct {show_real(risk.drawdown_halt_pct)} is over risk.drawdown_kill_pct "
            f"{show_real(risk.drawdown_kill_pct)}: it could never halt",
        )
    if risk.loss_session_max_e8 > risk.loss_day_max_e8:
        yield (
            ("risk.loss_session_max", "risk.loss_day_max"),
            f"risk.loss_session_max {format_e8(risk.loss_session_max_e8)} is over risk.loss_day_max "
            f"{format_e8(risk.loss_day_max_e8)}: it could never act",
        )


# ---- The table for people ------------------------------------------------------------------------------------


def document(settings: Settings) -> str:
    """The settings as the text of a configuration file, every key included."""
    sections = []
    for section in SECTIONS:
        rows = [row for row in SETTINGS.values() if row.section == section]
        lines = ",\n".join(f'    "{row.name}": {row.show(row.of(settings))}' for row in rows)
        sections.append(f'  "{section}": {{\n{lines}\n  }}')
    return "{\n" + ",\n".join(sections) + "\n}\n"


def about(section: str) -> str:
    """What a section is for, in one sentence."""
    return (type(getattr(Settings(), section)).__doc__ or "").strip()


def markdown_table() -> str:
    """The table as Markdown, one table a section."""
    parts = []
    for section in dataclasses.fields(Settings):
        cells = [("key", "unit", "range", "default", "why", "set by"), ("---",) * 6]
        for row in (row for row in SETTINGS.values() if row.section == section.name):
            set_by = ", ".join(f"`{name}`" for name in (row.option or "--demo --testnet --live", row.env) if name)
            cells.append((f"`{row.key}`", row.unit or "-", row.range, f"`{row.show(row.default)}`", row.why, set_by))
        table = "\n".join(f"| {' | '.join(line)} |" for line in cells)
        parts.append(f"## {section.name}\n\n{about(section.name)}\n\n{table}")
    return "\n\n".join(parts) + "\n"
