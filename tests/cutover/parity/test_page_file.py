"""`--html FILE`: refused before anything is compared, written at once, and never half."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from supaqueue.cli import main
from supaqueue.cli.parity.page_file import PageFile
from supaqueue.cutover.parity.page import page_of
from supaqueue.errors import InvalidInput
from tests.cutover.commands import Said, Terminal
from tests.cutover.parity.test_check import some_jobs
from tests.cutover.world import World

Typed = Callable[..., Said]


def test_the_file_is_replaced_at_once_with_the_usual_mode(tmp_path: Path) -> None:
    path = tmp_path / "parity.html"
    path.write_text("before")
    with PageFile(path) as page:
        assert path.read_text() == "before"
        page.write(b"after")
    assert path.read_bytes() == b"after"
    assert os.listdir(tmp_path) == ["parity.html"]
    plain = tmp_path / "plain"
    plain.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_what_ends_before_it_is_written_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "parity.html"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), PageFile(path):
        raise KeyboardInterrupt
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["parity.html"]


def test_a_disk_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "parity.html"
    path.write_text("before")
    monkeypatch.setattr("supaqueue.cli.parity.page_file.os.fsync", full)
    with pytest.raises(OSError, match="No space left"), PageFile(path) as page:
        page.write(b"after")
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["parity.html"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link.html").symlink_to(tmp_path / "parity.html")
    with PageFile(tmp_path / "link.html") as page:
        page.write(b"after")
    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "parity.html").read_bytes() == b"after"


@pytest.mark.parametrize("path", ["none/parity.html", ".", "/dev/null", "/proc/parity.html"])
def test_where_no_file_can_be_it_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        PageFile(tmp_path / path)
    assert caught.value.field == "--html"


@pytest.fixture
def check(rollout: Terminal) -> Typed:
    """Types `supaqueue parity check`, in the environment of `rollout`."""

    def type_(*arguments: str) -> Said:
        rollout.capture.readouterr()
        rollout.monkeypatch.setattr("sys.argv", ["supaqueue", "parity", "check", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        captured = rollout.capture.readouterr()
        return Said(int(str(left.value.code)), captured.out, captured.err)

    return type_


def test_the_page_shows_the_report_that_is_printed(world: World, check: Typed, tmp_path: Path) -> None:
    some_jobs(world)
    path = tmp_path / "parity.html"
    said = check("--since", "1h", "--bound", "20", "--json", "--html", str(path))
    assert (said.code, said.err) == (0, f"page: {path}\n"), said.out[:5000]
    assert path.read_bytes() == page_of(json.loads(said.out))
    assert os.listdir(tmp_path).count("parity.html") == 1
    assert not list(tmp_path.glob(".parity-*"))


def test_a_place_that_takes_none_is_told_before_anything_is_asked(rollout: Terminal, check: Typed) -> None:
    rollout.lose_supabase()
    said = check("--html", "none/parity.html")
    assert (said.code, said.out) == (3, "")
    assert "--html" in said.err
    assert "No such file or directory" in said.err
    assert "Traceback" not in said.err
