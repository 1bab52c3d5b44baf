"""Where the configuration file is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tork_core.errors import UsageError
from tork_core.settings import find_file, resolve
from tork_core.settings.core import CORE_SECTIONS, BrokerChoice


def write(path: Path, broker: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[broker]\ntype = '{broker}'\n")


def test_the_first_place_that_has_a_file_wins(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "folder"
    folder.mkdir()
    places = [home / "tork" / "config.toml", home / "config.toml", folder / "config.toml"]
    for place in places:
        write(place, "x")
        found = find_file({"HOME": str(home)}, folder=folder)
        assert found is not None
        assert found.path == place


def test_the_variable_names_the_file_and_it_must_be_there(tmp_path: Path) -> None:
    write(tmp_path / "config.toml", "here")
    write(tmp_path / "mine.toml", "mine")
    found = find_file({"TORK_CONFIG": str(tmp_path / "mine.toml")}, folder=tmp_path)
    assert found is not None
    assert resolve(CORE_SECTIONS, environ={}, file=found)[BrokerChoice].type == "mine"
    with pytest.raises(UsageError, match=r"gone\.toml: No such file"):
        find_file({"TORK_CONFIG": str(tmp_path / "gone.toml")}, folder=tmp_path)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"[broker\n", "not TOML: .*line 1"),
        (b"a = 1\na = 2\n", "not TOML: Cannot overwrite a value .*line 2"),
        (b"\xff\xfe", "not UTF-8"),
        (b"a = " + b"[" * 5000, "not TOML"),
    ],
)
def test_a_file_that_is_no_toml_is_an_error_with_the_place(
    tmp_path: Path, data: bytes, error: str
) -> None:
    (tmp_path / "config.toml").write_bytes(data)
    with pytest.raises(UsageError, match=rf"config\.toml: {error}"):
        find_file({}, folder=tmp_path)


def test_a_byte_order_mark_is_fine(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbf[broker]\ntype = 'x'\n")
    found = find_file({}, folder=tmp_path)
    assert found is not None
    assert found.table == {"broker": {"type": "x"}}


def test_another_program_s_file_in_this_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("baseURL = 'https://example.org'\n[params]\na = 1\n")
    found = resolve(CORE_SECTIONS, environ={}, file=find_file({}, folder=tmp_path))
    assert found[BrokerChoice].type == "inmemory"
    assert len(found.notices) == 1
    assert "has no section of Tork's" in found.notices[0]


def test_a_file_that_was_named_must_make_sense(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[params]\na = 1\n")
    with pytest.raises(UsageError, match=r"unknown section \[params\]"):
        resolve(CORE_SECTIONS, environ={}, file=find_file({"TORK_CONFIG": str(path)}))
