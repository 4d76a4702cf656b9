"""The input log: writing what a run took in, and running it again."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from mmcore._native import ffi, lib
from mmcore.core.engine import Engine, EngineConfig
from mmcore.core.layout import RECORD, Records
from mmcore.errors import CoreError, UsageError

HEADER_BYTES: Final[int] = lib.MM_LOG_HEADER_BYTES
_FIRST_ACTION: Final[int] = lib.MM_KIND_PLACE


class ActionsDigest:
    """SHA-256 over the action records in order, each with its running number."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._count = 0

    def add(self, records: Records) -> None:
        """Takes the actions out of `records` (whole events of a log) and adds them."""
        actions = records[_is_action(records)].copy()
        actions["seq"] = np.arange(self._count, self._count + len(actions), dtype=np.uint64)
        self._count += len(actions)
        self._hash.update(actions.tobytes())

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def _is_action(records: Records) -> npt.NDArray[np.bool_]:
    """Continuation records have kinds of their own below the actions', so each record speaks for itself."""
    return np.asarray(records["kind"] >= _FIRST_ACTION)


def header(config: EngineConfig) -> bytes:
    """The first bytes of a log."""
    out = ffi.new("uint8_t[]", HEADER_BYTES)
    status = lib.mm_log_header_make(config.raw, out, HEADER_BYTES)
    if status < 0:
        raise CoreError(status, "log header")
    return bytes(ffi.buffer(out))


@dataclass(frozen=True, slots=True)
class Replay:
    """Result of running a log again. events: inputs; mismatch: first action that differs from the logged one, None
    = none."""

    events: int
    actions: int
    actions_digest: str
    mismatch: int | None
    build: str
    truncated: bool


def replay(path: Path) -> Replay:
    """Runs the engine over a log. Raises UsageError when the file is no log of this build's layout, or one of a
    strategy that is not the library's."""
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", "give a file written by --record") from None
    config, build = _read_header(path, data)
    body = data[HEADER_BYTES:]
    records = body[: len(body) // RECORD.itemsize * RECORD.itemsize].view(RECORD)
    result = _run(path, config, build, records)
    return dataclasses.replace(result, truncated=result.truncated or len(body) % RECORD.itemsize != 0)


def _read_header(path: Path, data: npt.NDArray[np.uint8]) -> tuple[EngineConfig, str]:
    made = ffi.new("mm_log_header *")
    status = lib.mm_log_header_read(ffi.from_buffer("uint8_t[]", data), len(data), made)
    if status == lib.MM_E_VERSION:
        raise UsageError(f"{path} was written by another version", "replay it with the version that recorded it")
    if status < 0:
        raise UsageError(f"{path} is not an input log", "give a file written by --record")
    if made.config.strategy == lib.MM_STRATEGY_CUSTOM:
        raise UsageError(f"{path} was recorded with a strategy of the embedding program's own",
                         "replay it in that program (mm_engine_strategy, mm_log_replay)")
    raw = ffi.new("mm_engine_config *", made.config)
    return EngineConfig(raw), bytes(ffi.string(made.build)).decode("ascii", "replace")


def _run(path: Path, config: EngineConfig, build: str, records: Records) -> Replay:
    engine = Engine(config)
    logged_count = int(np.count_nonzero(_is_action(records)))
    capacity = logged_count + 1024
    actions = np.zeros(capacity, dtype=RECORD)
    counts = ffi.new("size_t[3]")
    status = lib.mm_log_replay(
        engine.raw, ffi.from_buffer("mm_record[]", records), len(records),
        ffi.from_buffer("mm_record[]", actions, require_writable=True), capacity, counts, counts + 1, counts + 2)
    if status < 0:
        raise UsageError(f"{path} is damaged", "the records before the damage replay as recorded")
    made, consumed, mismatch = (int(counts[i]) for i in range(3))
    digest = ActionsDigest()
    # Actions made beyond the logged ones belong to a batch whose tail was not written.
    digest.add(actions[: min(made, logged_count)])
    headers = records[:consumed]
    events = int(np.count_nonzero((headers["count"] > 0) & ~_is_action(headers)))
    return Replay(events, made, digest.hexdigest(), None if mismatch >= 2**63 else mismatch, build,
                  consumed < len(records))
