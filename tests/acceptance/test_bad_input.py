"""What users get wrong on the command line: one sentence with cause and next step, exit code 1, no change."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from supaqueue.devstack import Stack
from supaqueue.devstack.ports import choose
from supaqueue.maintain.migrate import Migrator
from tests.forked import typed

HANDLERS = """
from supaqueue import Registry

registry = Registry()
other = 1

@registry.task("greet")
def greet(name: str) -> str:
    return name
"""


@pytest.fixture(scope="module")
def bare_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that nobody has migrated."""
    with Stack(tmp_path_factory.mktemp("bare") / "stack", durable=False) as stack:
        yield stack
    stack.remove()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "handlers.py").write_text(HANDLERS)
    (tmp_path / "exits.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "tells.py").write_text(
        "import os\nraise RuntimeError('key: ' + os.environ['SUPABASE_SERVICE_ROLE_KEY'] + '\\nand more')\n"
    )
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    return tmp_path


def supaqueue(folder: Path, *arguments: str, **environ: str | None) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SUPA")}
    given = {name: value for name, value in environ.items() if value is not None}
    return typed(*arguments, env=clean | given, cwd=folder)


def worker(folder: Path, stack: Stack | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {name: stack.env()[name] for name in ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY")} if stack else {}
    return supaqueue(folder, "worker", "handlers:registry", **(env | environ))


def assert_one_clear_error(done: subprocess.CompletedProcess[str], *said: str) -> None:
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    for words in said:
        assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_no_settings(folder: Path) -> None:
    assert_one_clear_error(worker(folder), "SUPABASE_URL")


def test_no_key(folder: Path, stack18: Stack) -> None:
    done = worker(folder, SUPABASE_URL=stack18.url)
    assert_one_clear_error(done, "SUPABASE_SERVICE_ROLE_KEY", "SUPAQUEUE_TOKEN")


def test_wrong_key(folder: Path, stack18: Stack) -> None:
    wrong = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2VjcmV0LXNpZ25hdHVyZQ"
    done = worker(folder, stack18, SUPABASE_SERVICE_ROLE_KEY=wrong)
    assert_one_clear_error(done, "SUPABASE_SERVICE_ROLE_KEY")
    assert "c2VjcmV0" not in done.stderr


def test_key_that_may_not(folder: Path, stack18: Stack) -> None:
    done = worker(folder, stack18, SUPABASE_SERVICE_ROLE_KEY=stack18.anon_key)
    assert_one_clear_error(done, "register_worker_v1")


@pytest.mark.slow
def test_unreachable_url(folder: Path, stack18: Stack) -> None:
    done = worker(folder, stack18, SUPABASE_URL=f"http://127.0.0.1:{choose(None)}")
    assert_one_clear_error(done, "SUPABASE_URL", "127.0.0.1")


def test_url_without_rest_v1(folder: Path, stack18: Stack) -> None:
    done = worker(folder, stack18, SUPABASE_URL=f"{stack18.url}/elsewhere")
    assert_one_clear_error(done, "SUPABASE_URL")


def test_missing_migration(folder: Path, bare_stack: Stack) -> None:
    assert_one_clear_error(worker(folder, bare_stack), "supaqueue migrate")


def test_sdk_newer_than_the_sql(folder: Path, own_stack: Stack) -> None:
    with psycopg.connect(own_stack.database_url, autocommit=True) as connection:
        connection.execute(
            "create or replace function contract_version_v1() returns jsonb"
            " language sql stable security definer set search_path from current"
            " return jsonb_build_object('newest', 0, 'oldest', 0)"
        )
        done = worker(folder, own_stack)
        assert_one_clear_error(done, "contract version 1", "0 to 0", "supaqueue migrate")
        assert connection.execute("select count(*) from job_workers").fetchone() == (0,)
    Migrator(own_stack.database_url).apply()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("handlers", "MODULE:REGISTRY"),
        ("nowhere:registry", "nowhere"),
        ("broken:registry", "nothing_of_that_name"),
        ("exits:registry", "SystemExit"),
        ("tells:registry", "RuntimeError: key: [redacted] (/"),
        ("handlers:missing", "'missing'"),
        ("handlers:other", "'other'"),
    ],
)
def test_module_path_that_does_not_import(folder: Path, stack18: Stack, path: str, said: str) -> None:
    env = {name: stack18.env()[name] for name in ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY")}
    assert_one_clear_error(supaqueue(folder, "worker", path, **env), said)


def test_unknown_database(folder: Path) -> None:
    done = supaqueue(folder, "migrate", SUPABASE_DB_URL=f"postgresql://me:secret@127.0.0.1:{choose(None)}/x")
    assert_one_clear_error(done, "127.0.0.1")
    assert "secret" not in done.stderr


def test_no_database_url(folder: Path) -> None:
    assert_one_clear_error(supaqueue(folder, "migrate"), "SUPABASE_DB_URL")
