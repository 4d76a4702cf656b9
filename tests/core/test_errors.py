"""The tree of errors and the exit codes."""

from __future__ import annotations

import itertools

import pytest

import mmcore
from mmcore import errors
from mmcore.errors import ConfigError, ExitCode, Fault, MmcoreError

CASES: list[tuple[MmcoreError, int, str]] = [
    (errors.UsageError("what", "hint"), 2, "what"),
    (errors.ConfigError([Fault("a.b", "is odd")]), 2, "a.b: is odd"),
    (errors.CredentialsError("none"), 4, "none"),
    (errors.ClockError("6 s off"), 4, "6 s off"),
    (errors.UnreachableError("no answer"), 3, "no answer"),
    (errors.ExchangeError(-1121, "Invalid symbol."), 1, "the exchange refused: Invalid symbol. (code -1121)"),
    (errors.ExchangeError(-2015, "Invalid API-key."), 4, "the exchange refused: Invalid API-key. (code -2015)"),
    (errors.ExchangeError(-1021, "Timestamp."), 4, "the exchange refused: Timestamp. (code -1021)"),
    (errors.StrategyError("no class X"), 2, "no class X"),
    (errors.CoreError(-3, "mm_book_init: overflow"), 1, "mm_book_init: overflow (status -3)"),
]


@pytest.mark.parametrize(("error", "code", "text"), CASES, ids=lambda case: type(case).__name__)
def test_an_error_has_its_exit_code_and_its_text(error: MmcoreError, code: int, text: str) -> None:
    assert (error.exit_code, str(error)) == (code, text)


def test_every_error_of_the_module_is_in_the_tree_and_in_the_cases() -> None:
    found = {
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)
    } - {MmcoreError}
    assert found == {type(error) for error, _, _ in CASES}
    assert all(issubclass(kind, MmcoreError) for kind in found)


def test_of_two_exit_codes_the_one_that_matters_more_is_told() -> None:
    precedence = [6, 5, 4, 3, 1, 0]
    for one, other in itertools.product(precedence, repeat=2):
        worst = ExitCode.worst([ExitCode(one), ExitCode(other)])
        assert worst == min(one, other, key=precedence.index)
    assert ExitCode.worst([]) is ExitCode.DONE


def test_every_exit_code_has_a_meaning() -> None:
    assert [code.value for code in ExitCode] == list(range(7))
    assert len({code.meaning for code in ExitCode}) == 7


def test_faults_are_told_in_the_order_of_the_file_and_then_the_others() -> None:
    in_file = [Fault("b", "is bad", "f", 2, 5), Fault("a", "is bad", "f", 2, 1), Fault("", "no", "f")]
    faults = [Fault("--x", "is bad"), *in_file]
    assert str(ConfigError(faults)).splitlines() == ["f: no", "f:2:1: a: is bad", "f:2:5: b: is bad", "--x: is bad"]


def test_an_error_without_faults_or_a_failure_without_failure_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one fault"):
        ConfigError([])
    with pytest.raises(ValueError, match="not a failure"):
        errors.CoreError(0, "fine")


def test_a_near_word_is_offered_and_a_far_one_is_not() -> None:
    assert errors.did_you_mean("replya", ["run", "replay"]) == ': did you mean "replay"?'
    assert errors.did_you_mean("zzz", ["run", "replay"]) == ""


def test_the_package_gives_its_public_names_only_when_asked() -> None:
    assert mmcore.ExitCode is ExitCode
    assert "ExitCode" in dir(mmcore)
    assert mmcore.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mmcore.nothing  # noqa: B018 - the access is what is tested
