"""What all tests share: the recordings, and properties that draw the same examples in every run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# Deterministic: a failure on one machine is a failure on all. No deadline, since machines differ in speed.
settings.register_profile(
    "mmcore", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("mmcore")


@pytest.fixture(scope="session", autouse=True)
def _state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Bots keep their state here, and so do those that tests start as processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real recordings: MMCORE_DATA, by default ../shared/data beside the checkout.

    Without it the test is skipped; where MMCORE_REQUIRE_DATA=1 is set it fails.
    """
    folder = Path(os.environ.get("MMCORE_DATA") or ROOT / ".." / "shared" / "data").resolve()
    if (folder / "expected.jsonl").is_file():
        return folder
    reason = f"no recordings in {folder} (set MMCORE_DATA)"
    if os.environ.get("MMCORE_REQUIRE_DATA") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
