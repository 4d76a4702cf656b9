"""Settings: what a file, the environment and the command line may say, and every message when they say it wrong."""

from __future__ import annotations

import dataclasses
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore import config, config_file
from mmcore.config import SETTINGS, Mode, Settings, Wait, given_option, given_variable, load
from mmcore.config_file import Form, Value
from mmcore.errors import ConfigError, UsageError
from mmcore.units import format_e8

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def faults_of(text: str, *overrides: config.Given) -> list[str]:
    """The lines that a file with this text gives, its name cut off; none if it is right."""
    Path("c.json").write_text(text, encoding="utf-8")
    try:
        load("c.json", overrides)
    except ConfigError as error:
        return [line.removeprefix("c.json:") for line in str(error).splitlines()]
    return []


def only_fault_of(section: str, text: str) -> str:
    """The one line for `{"section": {text}}`, without its position, which is known."""
    (line,) = faults_of(f'{{"{section}": {{{text}}}}}')
    place = f"1:{len(section) + 7 + text.index(':') + 2}: "
    assert line.startswith(place), line
    return line.removeprefix(place)


# ---- What is right -------------------------------------------------------------------------------------------


def test_without_a_file_every_value_is_the_default() -> None:
    loaded = load()
    assert loaded.settings == Settings()
    assert {str(source) for source in loaded.sources.values()} == {"default"}


def test_the_shipped_file_has_every_key_and_is_exactly_the_defaults() -> None:
    path = ROOT / "config" / "config.json"
    assert path.read_text(encoding="utf-8") == config.document(Settings())
    loaded = load(str(path))
    assert loaded.settings == Settings()
    assert set(loaded.sources) == set(SETTINGS)
    assert all(source.origin is config.Origin.FILE for source in loaded.sources.values())


def test_the_page_about_the_configuration_ends_with_the_table_in_the_code() -> None:
    page = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    assert page.endswith("\n\n" + config.markdown_table()), "make it anew: mmcore.config.markdown_table()"
    for key in SETTINGS:
        assert f"| `{key}` |" in page


def test_every_default_is_within_its_own_range() -> None:
    for setting in SETTINGS.values():
        text = setting.show(setting.default)
        bare = json.loads(text) if text.startswith('"') else text
        if text == "null":
            assert setting.nullable
        else:
            assert setting.kind.read(bare) == setting.default, setting.key


def test_the_defaults_that_the_design_names() -> None:
    settings = Settings()
    assert (settings.exchange.mode, settings.exchange.symbol) == (Mode.DEMO, "BTCUSDT")
    assert settings.strategy.order_qty_e8 == 100_000
    assert settings.strategy.max_position_e8 == 1_000_000
    assert (settings.risk.position_max_e8, settings.risk.position_notional_max_e8) == (5 * 10**8, 5000 * 10**8)
    assert (settings.risk.loss_session_max_e8, settings.risk.loss_day_max_e8) == (50 * 10**8, 100 * 10**8)
    assert (settings.risk.stale_book_ms, settings.risk.ticker_ahead_ms) == (1000, 300)
    assert (settings.risk.order_qty_max_e8, settings.risk.open_notional_max_e8) == (None, None)


def test_no_limit_can_be_turned_off() -> None:
    for setting in SETTINGS.values():
        if setting.section == "risk":
            with pytest.raises(ValueError, match="out of range"):
                setting.kind.read("0")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().risk.unknown_max = 5  # type: ignore[misc]


def test_a_small_decimal_is_read_to_the_last_digit() -> None:
    Path("c.json").write_text('{"strategy": {"order_qty": 0.00000001, "max_position": "123456.12345678"}}')
    strategy = load("c.json").settings.strategy
    assert (strategy.order_qty_e8, strategy.max_position_e8) == (1, 12_345_612_345_678)


@given(st.decimals("0.00000001", "1000000000", places=8))
def test_any_decimal_of_a_file_is_exact(value: Decimal) -> None:
    Path("c.json").write_text(f'{{"risk": {{"position_max": {value:f}}}}}')
    assert load("c.json").settings.risk.position_max_e8 == int(value * 10**8)


def test_a_symbol_and_a_level_may_be_in_any_case() -> None:
    loaded = load(None, [given_variable("exchange.symbol", "ethusdt"), given_variable("log.level", "debug")])
    assert (loaded.settings.exchange.symbol, loaded.settings.log.level) == ("ETHUSDT", "DEBUG")


@pytest.mark.parametrize("name", ["inventory_skew", "avellaneda_stoikov", "examples/my.py:Mine", "my.own.module:Mine"])
def test_a_strategy_is_built_in_or_a_class_in_a_file_or_a_module(name: str) -> None:
    assert load(None, [given_option("strategy.name", "--strategy.name", name)]).settings.strategy.name == name


@pytest.mark.parametrize(
    "url", ["https://testnet.example", "https://10.0.0.1:8443", "http://127.0.0.1:80", "http://[::1]:9", "http://localhost"]
)
def test_an_endpoint_is_https_or_loopback(url: str) -> None:
    mode = given_option("exchange.mode", "--testnet", "testnet")
    endpoint = given_option("exchange.endpoint", "--endpoint", f"{url}/")
    assert load(None, [mode, endpoint]).settings.exchange.endpoint == url


def test_a_settings_document_reads_back_as_the_same_settings() -> None:
    changed = dataclasses.replace(
        Settings(),
        strategy=dataclasses.replace(Settings().strategy, order_qty_e8=1, skew=0.1, name="a.py:B"),
        host=dataclasses.replace(Settings().host, wait=Wait.SPIN, cpu=1, record=Path('a "b"\\c')),
        inventory=dataclasses.replace(Settings().inventory, target_e8=0),
    )
    Path("c.json").write_text(config.document(changed))
    assert load("c.json").settings == changed


# ---- Where values come from ----------------------------------------------------------------------------------


def test_the_file_in_config_is_read_from_the_working_directory_if_it_is_there() -> None:
    Path("config").mkdir()
    Path("config/config.json").write_text('{"demo": {"seed": 7}}')
    loaded = load()
    assert loaded.settings.demo.seed == 7
    assert str(loaded.sources["demo.seed"]) == "config/config.json:1"


def test_a_named_file_replaces_the_one_in_config_and_is_not_laid_over_it() -> None:
    Path("config").mkdir()
    Path("config/config.json").write_text('{"exchange": {"symbol": "ETHUSDT"}}')
    Path("c.json").write_text('{"demo": {"seed": 7}}')
    settings = load("c.json").settings
    assert (settings.exchange.symbol, settings.demo.seed) == ("BTCUSDT", 7)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file() -> None:
    Path("c.json").write_text('{\n"exchange": {"symbol": "AAAUSDT"}, "log": {"level": "ERROR"},\n"demo": {"seed": 3}}')
    loaded = load(
        "c.json",
        [
            given_option("exchange.symbol", "--symbol", "CCCUSDT"),
            given_variable("exchange.symbol", "BBBUSDT"),
            given_variable("log.level", "DEBUG"),
        ],
    )
    assert (loaded.settings.exchange.symbol, loaded.settings.log.level) == ("CCCUSDT", "DEBUG")
    told = [str(loaded.sources[key]) for key in ("exchange.symbol", "log.level", "demo.seed", "log.format")]
    assert told == ["command line", "env LOG_LEVEL", "c.json:3", "default"]


def test_a_wrong_value_is_a_fault_even_where_another_source_wins() -> None:
    override = given_option("strategy.layers", "--strategy.layers", "3")
    assert faults_of('{"strategy": {"layers": 99}}', override) == [
        f"1:25: strategy.layers: 99 is out of range {LAYERS}"
    ]


def test_every_value_is_told_with_its_source() -> None:
    Path("c.json").write_text('{"strategy": {"order_qty": 0.0050}}')
    lines = load("c.json", [given_option("host.wait", "--host.wait", "yield")]).lines()
    assert [line.split()[0] for line in lines] == list(SETTINGS)
    assert re.sub(" +", " ", lines[list(SETTINGS).index("strategy.order_qty")]) == "strategy.order_qty 0.005 c.json:1"
    assert re.sub(" +", " ", lines[list(SETTINGS).index("host.wait")]) == 'host.wait "yield" command line'


# ---- Each message --------------------------------------------------------------------------------------------

LAYERS = "(quotes a side, 1 <= x <= 8; default 2)"
QTY = "(base asset, 0 < x <= 1000000000; default 0.001)"
SKEW = "(half widths, 0 <= x <= 10; default 0.5)"
BAD_VALUES = [
    ("strategy", '"order_qty": "lots"',
     f'strategy.order_qty: "lots" is not a decimal number like 12.5 {QTY}'),
    ("strategy", '"order_qty": 1e-3',
     f"strategy.order_qty: 1e-3 is not a decimal number like 12.5 {QTY}"),
    ("strategy", '"order_qty": 0.123456789',
     f"strategy.order_qty: 0.123456789 has more than 8 decimals {QTY}"),
    ("strategy", '"order_qty": -1',
     f"strategy.order_qty: -1 is out of range {QTY}"),
    ("strategy", '"order_qty": true',
     f"strategy.order_qty: true is not a decimal number {QTY}"),
    ("risk", '"order_notional_max": 99999999999999999999',
     "risk.order_notional_max: 99999999999999999999 does not fit: the largest value is 92233720368.54775807 "
     "(quote asset, 0 < x <= 1000000000; default 1000)"),
    ("strategy", '"layers": 2.0', f"strategy.layers: 2.0 is not a whole number {LAYERS}"),
    ("strategy", '"layers": "2"', f'strategy.layers: "2" is not a whole number {LAYERS}'),
    ("strategy", '"layers": null', f"strategy.layers: null is not a whole number {LAYERS}"),
    ("strategy", '"layers": [2]', f"strategy.layers: a list is not a whole number {LAYERS}"),
    ("strategy", '"layers": {"x": 2}',
     f"strategy.layers: an object is not a whole number {LAYERS}"),
    ("strategy", '"skew": NaN', f"strategy.skew: NaN is not a number {SKEW}"),
    ("strategy", '"skew": -Infinity', f"strategy.skew: -Infinity is not a number {SKEW}"),
    ("strategy", '"skew": 1e999', f"strategy.skew: 1e999 is out of range {SKEW}"),
    ("strategy", '"skew": 10.1', f"strategy.skew: 10.1 is out of range {SKEW}"),
    ("strategy", '"kappa": 0', "strategy.kappa: 0 is out of range (1/quote asset, 0 < x <= 1000000; default 1.5)"),
    ("strategy", '"allow_negative_edge": 1',
     "strategy.allow_negative_edge: 1 is not true or false (true or false; default false)"),
    ("strategy", '"name": "inventroy_skew"',
     'strategy.name: "inventroy_skew" is not a strategy: did you mean "inventory_skew"? (inventory_skew, '
     'avellaneda_stoikov, FILE.py:Class or MODULE:Class; default "inventory_skew")'),
    ("exchange", '"mode": "dmeo"',
     'exchange.mode: "dmeo" is not allowed: did you mean "demo"? (one of demo, testnet, live; default "demo")'),
    ("exchange", '"symbol": "BTC/USDT"',
     'exchange.symbol: "BTC/USDT" is not allowed (5 to 20 characters A-Z 0-9; default "BTCUSDT")'),
    ("book", '"snapshot_levels": 200',
     "book.snapshot_levels: 200 is not allowed (levels a side, one of 100, 500, 1000, 5000; default 5000)"),
    ("account", '"tag": "A-1"', 'account.tag: "A-1" is not allowed (1 or 2 characters A-Z a-z 0-9; default "A1")'),
    ("log", '"file": ""', 'log.file: "" is not a path (a path, or null; default null)'),
    ("log", '"file": "a\\u0000b"', 'log.file: "a\\u0000b" is not a path (a path, or null; default null)'),
    ("log", '"file": "\\ud800"', 'log.file: "\\ud800" is not a path (a path, or null; default null)'),
]


@pytest.mark.parametrize(("section", "text", "message"), BAD_VALUES, ids=[text for _, text, _ in BAD_VALUES])
def test_a_wrong_value_is_told_with_unit_range_and_default(section: str, text: str, message: str) -> None:
    assert only_fault_of(section, text) == message


ENDPOINT = "(https://HOST[:PORT], or http://HOST[:PORT] with a loopback host, or null; default null)"


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://example.com", "sends orders unencrypted to another machine"),
        ("http://127.0.0.1.evil.com", "sends orders unencrypted to another machine"),
        ("ws://127.0.0.1:1", "is not an address"),
        ("example.com", "is not an address"),
        ("https://", "is not an address"),
        ("https://a:b@example.com", "is not an address"),
        ("https://example.com/api", "is not an address"),
        ("https://example.com?x=1", "is not an address"),
        ("https://example.com:99999", "is not an address"),
        ("https://example.com:0", "is not an address"),
    ],
)
def test_an_endpoint_that_is_none_is_refused(url: str, what: str) -> None:
    assert only_fault_of("exchange", f'"endpoint": "{url}"') == f'exchange.endpoint: "{url}" {what} {ENDPOINT}'


SECTIONS = "exchange, account, book, inventory, strategy, signal, risk, reconcile, host, log, demo"
UNKNOWN = [
    ('{"strategy": {"layrs": 3}}', '1:15: strategy.layrs: unknown key: did you mean "strategy.layers"?'),
    ('{"strategy": {"min-spread": 3}}', '1:15: strategy.min-spread: unknown key: did you mean "strategy.min_spread"?'),
    ('{"strategy": {"symbol": "X"}}', '1:15: strategy.symbol: unknown key: did you mean "exchange.symbol"?'),
    ('{"symbol": "ETHUSDT"}', '1:2: symbol: unknown key: did you mean "exchange.symbol"?'),
    ('{"zzzzzz": 1}', "1:2: zzzzzz: unknown key"),
    ('{"risk": {"max": 3}}', '1:11: risk.max: unknown key: did you mean "risk.unknown_max"?'),
    ('{"risk": {"position": 3}}', '1:11: risk.position: unknown key: did you mean "risk.position_max"?'),
    ('{"a\\u001bb": 1}', '1:2: "a\\u001bb": unknown key'),
    (f'{{"{"k" * 70}": 1}}', "1:2: a key of 70 characters: unknown key"),
    ('{"stratgey": {"layers": 3}}',
     f'1:2: stratgey: unknown section: did you mean "strategy"? (sections: {SECTIONS})'),
    ('{"host": 5}', "1:10: host: 5 is not an object of settings"),
    ('{"host": null}', "1:10: host: null is not an object of settings"),
    ('{"demo": {"seed": 1,\n "seed": 2}}', "2:2: demo.seed: given twice, first on line 1"),
    ('{"demo": {},\n\n  "demo": {}}', "3:3: demo: given twice, first on line 1"),
]


@pytest.mark.parametrize(("text", "message"), UNKNOWN, ids=[message[:40] for _, message in UNKNOWN])
def test_what_is_unknown_or_given_twice_is_an_error(text: str, message: str) -> None:
    assert faults_of(text) == [message]


NOT_JSON = [
    ("", "1:1: not valid JSON: unexpected end of the file"),
    ("{", "1:2: not valid JSON: expected a key in double quotes"),
    ('{"demo"', "1:8: not valid JSON: expected ':' after the key"),
    ('{"demo": {}', "1:12: not valid JSON: expected ',' or '}'"),
    ('{"demo": {"seed": 1,}}', "1:21: not valid JSON: expected a key in double quotes"),
    ("{demo: 1}", "1:2: not valid JSON: expected a key in double quotes"),
    ('{"demo":\n  {"seed": abc}}', "2:12: not valid JSON: expecting value"),
    ('{"demo": {"seed": 01}}', "1:20: not valid JSON: expected ',' or '}'"),
    ('{"demo": {"seed": .5}}', "1:19: not valid JSON: expecting value"),
    ('{"log": {"file": "a\nb"}}', "1:20: not valid JSON: invalid control character"),
    ('{"log": {"file": "a}}', "1:18: not valid JSON: unterminated string starting"),
    ("{} {}", "1:4: not valid JSON: expected the end of the file"),
    ('{"a": [1 2]}', "1:10: not valid JSON: expected ',' or ']'"),
    ("[" * 100_000, "1:10: not valid JSON: nested too deeply"),
    ("[]", f"1:1: a list is not an object of sections ({SECTIONS})"),
    (" 7", f"1:2: 7 is not an object of sections ({SECTIONS})"),
    ("symbol: BTCUSDT", "1:1: not valid JSON: expecting value"),
]


@pytest.mark.parametrize(("text", "message"), NOT_JSON, ids=[message[:50] for _, message in NOT_JSON])
def test_what_is_not_a_json_object_is_told_with_its_place(text: str, message: str) -> None:
    assert faults_of(text) == [message]


def test_a_file_that_is_not_text_or_too_large_is_refused() -> None:
    Path("c.json").write_bytes(b'{\n"demo": "\xff"}')
    with pytest.raises(ConfigError, match=r"^c\.json:2:1: is not UTF-8 text$"):
        load("c.json")
    Path("c.json").write_bytes(b" " * (config_file.FILE_BYTES_MAX + 1))
    with pytest.raises(ConfigError, match=r"^c\.json: larger than 262144 bytes$"):
        load("c.json")


def test_a_byte_order_mark_is_read_past() -> None:
    Path("c.json").write_bytes(b'\xef\xbb\xbf{"demo": {"seed": 4}}')
    assert load("c.json").settings.demo.seed == 4


def test_a_named_file_that_is_missing_is_an_error_and_not_the_defaults() -> None:
    with pytest.raises(UsageError, match=r"^configuration file nope\.json: No such file or directory$"):
        load("nope.json")
    with pytest.raises(UsageError, match=r"^configuration file \.: Is a directory$"):
        load(".")
    with pytest.raises(UsageError, match=r"is not a path$"):
        load("a\0b")


CONTRADICTIONS = [
    ('{"strategy": {"min_spread_bps": 200}}',
     "1:33: strategy.min_spread_bps: the narrowest width, strategy.min_spread_bps 200, is over the widest, "
     "strategy.max_spread_bps 100"),
    ('{"strategy": {"layers": 5}}', "1:25: strategy.layers: strategy.layers 5 is over risk.open_orders_max_per_side 4"),
    ('{"risk": {"open_orders_max_per_side": 1}}',
     "1:39: risk.open_orders_max_per_side: strategy.layers 2 is over risk.open_orders_max_per_side 1"),
    ('{"risk": {"order_qty_max": 0.0005}}',
     "1:28: risk.order_qty_max: strategy.order_qty 0.001 is over risk.order_qty_max 0.0005"),
    ('{"strategy": {"min_spread_bps": 19.9}}',
     "1:33: strategy.min_spread_bps: strategy.min_spread_bps 19.9 is under twice demo.maker_fee_bps 10: a round trip "
     "can lose; widen it or set strategy.allow_negative_edge to true"),
    ('{"demo": {"maker_fee_bps": 12.5}}',
     "1:28: demo.maker_fee_bps: strategy.min_spread_bps 20 is under twice demo.maker_fee_bps 12.5: a round trip can "
     "lose; widen it or set strategy.allow_negative_edge to true"),
    ('{"exchange": {"endpoint": "https://a.example"}}',
     "1:27: exchange.endpoint: an endpoint goes with testnet only; the mode is demo"),
    ('{"risk": {"drawdown_halt_pct": 5}}',
     "1:32: risk.drawdown_halt_pct: risk.drawdown_halt_pct 5 is over risk.drawdown_kill_pct 4: it could never halt"),
    ('{"risk": {"loss_day_max": 49}}',
     "1:27: risk.loss_day_max: risk.loss_session_max 50 is over risk.loss_day_max 49: it could never act"),
    ('{"host": {"cpu": 1}}', "1:18: host.cpu: a core is pinned only with host.wait spin; host.wait is block"),
]


@pytest.mark.parametrize(("text", "message"), CONTRADICTIONS, ids=[text for text, _ in CONTRADICTIONS])
def test_settings_that_contradict_one_another_are_told_at_the_one_that_was_given(text: str, message: str) -> None:
    assert faults_of(text) == [message]


@pytest.mark.parametrize(
    "text",
    [
        '{"strategy": {"min_spread_bps": 5, "allow_negative_edge": true}}',
        '{"strategy": {"min_spread_bps": 5, "name": "avellaneda_stoikov"}}',
        '{"strategy": {"min_spread_bps": 5}, "exchange": {"mode": "testnet"}}',
        '{"strategy": {"layers": 5}, "risk": {"open_orders_max_per_side": 5}}',
        '{"host": {"cpu": 1, "wait": "spin"}}',
    ],
)
def test_settings_that_fit_together_are_accepted(text: str) -> None:
    assert faults_of(text) == []


def test_a_contradiction_of_the_command_line_is_told_of_the_option() -> None:
    with pytest.raises(ConfigError, match=r"^--strategy\.layers: strategy\.layers 5 is over"):
        load(None, [given_option("strategy.layers", "--strategy.layers", "5")])


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    first = '{"strategy": {"layers": 99, "layrs": 1, "skew": NaN},'
    text = first + '\n"risk": {"unknown_max": true}, "strategy": {}, "x": 1}'
    overrides = [given_variable("log.level", "loud"), given_option("demo.seed", "--seed", "-1")]
    told = faults_of(text, *overrides)
    assert [line.split(": ")[:2] for line in told] == [
        ["1:25", "strategy.layers"],
        ["1:29", "strategy.layrs"],
        ["1:49", "strategy.skew"],
        ["2:25", "risk.unknown_max"],
        ["2:32", "strategy"],
        ["2:48", "x"],
        ["LOG_LEVEL (environment)", '"loud" is not allowed (one of DEBUG, INFO, WARNING, ERROR; default "INFO")'],
        ["--seed", "-1 is out of range (0 <= x <= 9223372036854775807; default 1)"],
    ]


# ---- Secrets -------------------------------------------------------------------------------------------------

SECRET = "hunter2-correct-horse"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"api_key": "{SECRET}"}}',
        f'{{"api-secrt": "{SECRET}"}}',
        f'{{"exchange": {{"api_secret": "{SECRET}"}}}}',
        f'{{"exchange": {{"apiKey": ["{SECRET}"]}}}}',
        f'{{"keys": {{"secret": "{SECRET}"}}}}',
        f'{{"account": {{"password": {{"is": "{SECRET}"}}}}}}',
        f'{{"private_key": "{SECRET}", "demo": {{"sed": "{SECRET}"}}}}',
        f'{{"log": {{"token": "{SECRET}}}}}',
    ],
)
def test_a_secret_in_a_file_is_an_error_that_never_shows_it(text: str) -> None:
    told = faults_of(text)
    assert told
    assert SECRET not in "\n".join(told)


def test_the_message_about_a_secret_says_where_secrets_belong() -> None:
    assert faults_of('{"exchange": {"api_secret": "x"}}') == [
        "1:15: exchange.api_secret is a secret, which does not belong in a configuration file (value not shown): set "
        "API_KEY and API_SECRET, or API_KEY_FILE and API_SECRET_FILE, in the environment"
    ]


def test_a_value_as_long_as_a_key_is_not_shown_even_under_a_known_name() -> None:
    key = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
    assert only_fault_of("exchange", f'"symbol": "{key}"') == (
        'exchange.symbol: a value of 64 characters is not allowed (5 to 20 characters A-Z 0-9; default "BTCUSDT")'
    )


# ---- The reader of JSON --------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


def plain(value: Value) -> Any:
    """A read value as the standard library gives it; lists are not kept."""
    if value.form is Form.OBJECT:
        return {member.key: plain(member.value) for member in value.members}
    if value.form is Form.LIST:
        return []
    return value.text if value.form is Form.TEXT else json.loads(value.text)


def without_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_lists(part) for key, part in value.items()}
    return [] if isinstance(value, list) else value


@given(json_values, st.sampled_from([None, 0, 1, 3]), st.booleans())
def test_any_json_is_read_as_the_standard_library_reads_it(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert plain(config_file.parse(text)) == without_lists(value)


@given(json_values.filter(lambda value: isinstance(value, dict)), st.sampled_from([None, 0, 2]))
def test_a_position_points_at_the_first_character_of_key_and_value(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    lines = text.split("\n")
    for member in config_file.parse(text).members:
        assert lines[member.line - 1][member.column - 1 :].startswith(json.dumps(member.key))
        started = lines[member.value.line - 1][member.value.column - 1 :]
        whole = json.dumps(value[member.key], indent=indent)
        assert started[:1] == whole[:1]


@given(st.text(alphabet='{}[]:,"\\ \n01.eE-+truefalsn', max_size=30))
def test_any_text_is_read_or_refused_as_the_standard_library_does(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError, match=": line "):
            config_file.parse(text)
    else:
        read = config_file.parse(text)
        if not isinstance(expected, dict | list):
            assert plain(read) == expected


# ---- Kinds ---------------------------------------------------------------------------------------------------


@given(st.text(max_size=80))
def test_any_word_for_any_setting_is_read_or_refused_with_a_message(word: str) -> None:
    for setting in SETTINGS.values():
        try:
            value = setting.kind.read(word)
        except ValueError as error:
            assert str(error).startswith(("is ", "has ", "does ", "sends "))  # noqa: PT017 - many kinds, one promise
        else:
            assert isinstance(setting.show(value), str)


@given(st.integers(1, 10**17))
def test_an_exact_value_shows_as_the_text_it_reads_from(value_e8: int) -> None:
    setting = SETTINGS["risk.position_max"]
    assert setting.show(value_e8) == format_e8(value_e8)
    assert setting.kind.read(setting.show(value_e8)) == value_e8
