"""`supaqueue dev`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dotenv import dotenv_values
from typer.testing import CliRunner

from supaqueue.cli.dev import app
from supaqueue.devstack import Stack
from supaqueue.errors import DevStackError
from tests.devstack.conftest import MakeStack
from tests.devstack.probes import call

NAMES = [
    "SUPABASE_URL",
    "SUPABASE_ANON_KEY",
    "SUPABASE_SERVICE_ROLE_KEY",
    "SUPABASE_DB_URL",
    "SUPAQUEUE_WORKER_TOKEN",
    "SUPAQUEUE_PRODUCER_TOKEN",
]


def test_up_env_status_down(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack()
    folder = ["--directory", str(stack.directory)]
    up = CliRunner().invoke(app, ["up", *folder])
    assert up.exit_code == 0, up.output
    env = CliRunner().invoke(app, ["env", *folder])
    assert env.stdout == up.stdout

    (tmp_path / ".env").write_text(env.stdout)
    values = dotenv_values(tmp_path / ".env")
    assert list(values) == NAMES
    assert values == stack.env()
    assert call(stack, "/rest/v1/", key=values["SUPABASE_ANON_KEY"]).status_code == 200

    status = CliRunner().invoke(app, ["status", *folder])
    assert status.exit_code == 0
    assert status.stdout.count("running") == 3

    assert CliRunner().invoke(app, ["down", *folder]).exit_code == 0
    status = CliRunner().invoke(app, ["status", *folder])
    assert (status.exit_code, status.stdout.count("stopped")) == (1, 3)


def test_status_as_json_holds_no_secret(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.up()
    result = CliRunner().invoke(app, ["status", "--json", "--directory", str(stack.directory)])
    status = json.loads(result.stdout)
    assert status["running"] is True
    assert status["url"] == stack.url
    assert [process["name"] for process in status["processes"]] == ["postgres", "postgrest", "gateway"]
    password = stack.database_url.split(":")[2].split("@")[0]
    assert password not in result.stdout
    assert stack.anon_key not in result.stdout


def test_down_can_delete_the_data(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.up()
    result = CliRunner().invoke(app, ["down", "--delete-data", "--directory", str(stack.directory)])
    assert result.exit_code == 0
    assert not stack.directory.exists()


def test_what_a_user_can_cause_is_a_stack_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["env", "--directory", str(tmp_path / "none")])
    assert isinstance(result.exception, DevStackError)
    assert "\n" not in str(result.exception)


def test_the_default_folder_is_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Stack().directory == tmp_path / ".supaqueue"
