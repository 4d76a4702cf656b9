"""Starts venues and bots for the tests of this folder, and leaves none of them behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import Stage, Together


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Where a test starts its processes; they are gone after it."""
    made = Stage(tmp_path)
    yield made
    made.clear()


@pytest.fixture(scope="module")
def together(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Together]:
    """Runs all of the module's SCENARIOS at once; `together.of(scenario)` is what one of them gave."""
    made = Together(request.module.SCENARIOS, tmp_path_factory.mktemp("together"))
    yield made
    made.clear()
