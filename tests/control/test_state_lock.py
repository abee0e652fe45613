"""One gateway per state directory."""

import os
from pathlib import Path

import pytest

from fastgate.errors import StartError, StateInUse
from fastgate.state_lock import StateLock


def test_a_second_gateway_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    directory = str(tmp_path / "a" / "state")
    with StateLock(directory):
        with pytest.raises(StateInUse, match=rf"in use by another gateway \(process {os.getpid()}\)"):
            StateLock(directory)
        # The refusal must not have given the lock away.
        with pytest.raises(StateInUse):
            StateLock(directory)
    StateLock(directory).release()


def test_a_directory_that_cant_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="can't be used"):
        StateLock(str(tmp_path / "file" / "state"))
