"""Outputs stand under their final name whole or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from nertune.errors import OutputError
from nertune.files import make_folder, whole_file, whole_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(path: Path, text: str) -> None:
    with whole_file(path) as handle:
        handle.write(text)


def fill(folder: Path, name: str, text: str = "new") -> None:
    with whole_folder(folder) as staging:
        (staging / name).write_text(text)


@pytest.fixture
def no_folder(tmp_path: Path) -> Path:
    """A file where a folder is needed."""
    path = tmp_path / "file"
    path.write_text("old")
    return path


def test_a_file_appears_whole_with_its_parents(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "out.txt"
    with whole_file(path) as handle:
        handle.write("héllo\n")
        assert not path.exists()
    assert path.read_bytes() == "héllo\n".encode()
    assert names(path.parent) == ["out.txt"]


def test_a_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write(tmp_path / "whole", "")
    fill(tmp_path / "folder", "x")
    (tmp_path / "plain folder").mkdir()
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names(tmp_path)}
    assert modes["whole"] == modes["plain"]
    assert modes["folder"] == modes["plain folder"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_raises_leaves_no_file(tmp_path: Path, error: type[BaseException]) -> None:
    def interrupted() -> None:
        with whole_file(tmp_path / "out.txt") as handle:
            handle.write("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert names(tmp_path) == []


def test_a_block_that_raises_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    write(path, "old")

    def interrupted() -> None:
        with whole_file(path) as handle:
            handle.write("half")
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        interrupted()
    assert path.read_text() == "old"
    write(path, "new")
    assert path.read_text() == "new"
    assert names(tmp_path) == ["out.txt"]


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    def run_out_of_space() -> None:
        with whole_file(tmp_path / "out.txt"):
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"out\.txt: cannot be written \(No space left"):
        run_out_of_space()
    assert names(tmp_path) == []


def test_a_file_below_a_file_cannot_be_written(no_folder: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be written .* choose another place with --out"):
        write(no_folder / "out.txt", "")
    with pytest.raises(OutputError):
        write(no_folder / "deeper" / "out.txt", "")
    assert no_folder.read_text() == "old"


def test_a_file_does_not_replace_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="it is a folder, a file was expected"):
        write(tmp_path / "folder", "")
    assert names(tmp_path) == ["folder"]


def test_a_folder_appears_whole_with_its_parents(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "bundle"
    with whole_folder(folder) as staging:
        (staging / "one").write_text("1")
        assert not folder.exists()
    assert names(folder) == ["one"]
    assert names(folder.parent) == ["bundle"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    fill(tmp_path / "bundle", "old")
    fill(tmp_path / "bundle", "new")
    assert names(tmp_path / "bundle") == ["new"]
    assert names(tmp_path) == ["bundle"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_raises_keeps_the_old_folder(
    tmp_path: Path, error: type[BaseException]
) -> None:
    fill(tmp_path / "bundle", "old")

    def interrupted() -> None:
        with whole_folder(tmp_path / "bundle") as staging:
            (staging / "half").write_text("")
            raise error

    with pytest.raises(error):
        interrupted()
    assert names(tmp_path / "bundle") == ["old"]
    assert names(tmp_path) == ["bundle"]


def test_a_folder_that_cannot_be_moved_into_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "bundle", "old")
    replace = os.replace

    def failing(source: Path, target: Path) -> None:
        if names(source) == ["new"]:
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OutputError, match="Input/output error"):
        fill(tmp_path / "bundle", "new")
    assert names(tmp_path / "bundle") == ["old"]
    assert names(tmp_path) == ["bundle"]


def test_a_folder_does_not_replace_a_file(no_folder: Path) -> None:
    with pytest.raises(OutputError, match="it is a file, a folder was expected"):
        fill(no_folder, "x")
    with pytest.raises(OutputError, match="cannot be written"):
        fill(no_folder / "bundle", "x")
    assert no_folder.read_text() == "old"
    assert names(no_folder.parent) == ["file"]


def test_a_link_to_a_folder_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    fill(tmp_path / "target", "old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    fill(tmp_path / "link", "new")
    assert names(tmp_path / "link") == ["new"]
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path / "target") == ["new"]


def test_a_link_to_a_file_stays_and_its_target_is_written(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "deep" / "target"
    link.symlink_to(target)
    for text in ("first", "second"):
        with whole_file(link) as handle:
            handle.write(text)
        assert link.is_symlink()
        assert target.read_text() == text


def test_a_pipe_is_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OutputError, match="leave --out out and redirect"), whole_file(pipe):
        pass
    assert pipe.is_fifo()


def test_a_folder_is_made_and_proved_writable(tmp_path: Path, no_folder: Path) -> None:
    assert make_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert names(make_folder(tmp_path / "a" / "b")) == []
    for path in (no_folder, no_folder / "deeper"):
        with pytest.raises(OutputError, match="cannot be written"):
            make_folder(path)


def test_where_standard_output_goes_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("old\n")
    code = (
        "from pathlib import Path; from nertune.files import whole_file\n"
        "with whole_file(Path('/dev/stdout')) as handle: handle.write('new')"
    )
    with path.open("a") as log:
        ended = subprocess.run(
            [sys.executable, "-c", code], stdout=log, stderr=subprocess.PIPE, check=False
        )
    assert b"leave --out out and redirect" in ended.stderr
    assert path.read_text() == "old\n"
