"""Files that tell whether their owner lives."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tork_core.errors import UsageError
from tork_core.interfaces.owner_files import create_locked, locked, prepare_folder


def test_an_owner_that_lives_is_told_from_one_that_died(tmp_path: Path) -> None:
    path = tmp_path / "owner"
    file = create_locked(path)
    with locked(path) as found:
        assert found is None
    os.close(file)
    with locked(path) as found:
        assert found is not None
        with locked(path) as second:
            assert second is None
    with locked(tmp_path / "nobody") as found:
        assert found is None


def test_who_was_taken_for_dead_at_its_start_makes_its_file_anew(tmp_path: Path) -> None:
    path = tmp_path / "owner"
    path.touch()
    with locked(path) as found:
        assert found is not None
        made: list[int] = []
        starting = threading.Thread(target=lambda: made.append(create_locked(path)))
        starting.start()
        path.unlink()
    starting.join(10)
    assert os.stat(path).st_ino == os.fstat(made[0]).st_ino
    os.close(made[0])


def test_a_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    prepare_folder(folder, mode=0o711, runtime="odd")
    assert folder.stat().st_mode & 0o777 == 0o711
    folder.chmod(0o777)
    with pytest.raises(UsageError, match="state folder of the odd runtime must be a folder of"):
        prepare_folder(folder, mode=0o711, runtime="odd")
    with pytest.raises(UsageError, match="cannot be made"):
        prepare_folder(Path("/dev/null/x"), mode=0o711, runtime="odd")
