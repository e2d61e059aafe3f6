"""`supaqueue migrate` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from supaqueue.cli.migrate import app
from supaqueue.errors import ConfigurationError, SupaqueueError
from supaqueue.maintain.sql_files import SqlFiles

SHIPPED = [file.name for file in SqlFiles.shipped()]


def run(*arguments: str, url: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"SUPABASE_DB_URL": url, "COLUMNS": "200"})


def answer(*arguments: str, url: str | None = None) -> dict[str, Any]:
    result = run(*arguments, "--json", url=url)
    assert result.exit_code == 0, result.output
    value: dict[str, Any] = json.loads(result.stdout)
    return value


def names(rows: list[dict[str, str]]) -> list[str]:
    return [row["name"] for row in rows]


def test_plain_migrate_applies(database_url: str) -> None:
    assert names(answer(url=database_url)["applied"]) == SHIPPED
    assert names(answer("apply", url=database_url)["applied"]) == ["grants.sql"]
    assert {row["state"] for row in answer("status", url=database_url)["steps"]} == {"applied"}


def test_a_dry_run_shows_what_would_be_done(database_url: str) -> None:
    planned = answer("--dry-run", "--show-sql", url=database_url)["would_apply"]
    assert [row["sql"] for row in planned] == [file.sql for file in SqlFiles.shipped()]
    assert {row["state"] for row in answer("status", url=database_url)["steps"]} == {"pending"}
    shown = run("apply", "--dry-run", "--show-sql", url=database_url).stdout
    assert "001_supabase_job_queue.sql" in shown
    assert "create table jobs (" in shown


def test_tables_are_readable_and_another_schema_brings_a_reminder(database_url: str) -> None:
    applied = run("--schema", "queue", url=database_url)
    assert applied.exit_code == 0
    assert "001_supabase_job_queue.sql" in applied.stdout
    assert f"functions ({sum(name.startswith('functions/') for name in SHIPPED)})" in applied.stdout
    assert "Exposed schemas" in applied.stdout
    shown = run("status", "--schema", "queue", url=database_url).stdout
    migrations = sum(name.startswith("migrations/") for name in SHIPPED)
    assert shown.count("applied") == migrations + len(("functions", "grants.sql"))
    assert "Exposed schemas" not in run(url=database_url).stdout


def test_the_url_may_come_from_a_dotenv_file_or_an_option(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("status")
    assert isinstance(result.exception, ConfigurationError)
    assert "SUPABASE_DB_URL is not set" in str(result.exception)
    assert run("status", "--database-url", database_url).exit_code == 0
    (tmp_path / ".env").write_text(f"SUPABASE_DB_URL={database_url!r}\n")
    assert run("status").exit_code == 0


def test_export_needs_no_database(tmp_path: Path) -> None:
    files = answer("export", str(tmp_path))["files"]
    assert [Path(file).parent for file in files] == [tmp_path] * len(files)
    assert "up to date" in run("export", str(tmp_path)).stdout
    assert "supabase db push" in run("export", str(tmp_path), "--schema", "queue").stdout


@pytest.mark.parametrize(
    "arguments", [["--show-sql"], ["--schema", "queue", "status"], ["nonsense"], ["status", "--dry-run"]]
)
def test_options_that_would_have_no_effect_are_refused(arguments: list[str]) -> None:
    assert run(*arguments, url="postgresql://localhost:1/none").exit_code == 2


def test_errors_are_ours_and_carry_no_secret() -> None:
    result = run(url="postgresql://postgres:hunter2@127.0.0.1:1/postgres")
    assert isinstance(result.exception, SupaqueueError)
    assert "hunter2" not in str(result.exception) + result.output


def test_help_names_the_commands() -> None:
    shown = run("--help").stdout
    assert all(command in shown for command in ("apply", "status", "export"))
