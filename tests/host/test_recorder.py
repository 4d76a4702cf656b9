"""Where an input log may be written is found out before the exchange is asked anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmcore.config import ExchangeSettings, HostSettings, Mode, RunOptions, Settings
from mmcore.errors import UsageError
from mmcore.host import supervisor
from mmcore.host.recorder import check_recordable


def test_a_file_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    there, new = tmp_path / "there.log", tmp_path / "new.log"
    there.write_bytes(b"an older log")
    check_recordable(there)
    check_recordable(new)
    assert there.read_bytes() == b"an older log"
    assert not new.exists()


@pytest.mark.parametrize(("name", "reason"), [("no/out.log", "No such file or directory"), (".", "Is a directory"),
                                              ("file/out.log", "Not a directory")])
def test_a_file_that_cannot_be_written_is_a_usage_error(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError) as caught:
        check_recordable(tmp_path / name)
    assert str(caught.value) == f"--record {tmp_path / name}: {reason}"


def test_a_run_with_such_a_file_ends_before_credentials_and_contact(tmp_path: Path) -> None:
    settings = Settings(exchange=ExchangeSettings(mode=Mode.TESTNET, endpoint="http://127.0.0.1:9"),
                        host=HostSettings(record=tmp_path / "no" / "out.log"))
    with pytest.raises(UsageError, match="--record"):
        supervisor.run(settings, RunOptions(None, None, None, False))
