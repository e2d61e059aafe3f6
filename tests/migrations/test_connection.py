"""What the user is told when there is no usable connection; a password never."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
from psycopg.conninfo import make_conninfo

from supaqueue.errors import ConfigurationError, MigrationError
from supaqueue.maintain import connection
from supaqueue.maintain.migrate import Migrator

MALFORMED = [
    "",
    "https://project.supabase.co",
    "postgresql://postgres:hun@ter2@localhost/postgres",
    "postgresql://postgres:hun/ter2@localhost/postgres",
    "postgresql://postgres:123/ter2@localhost/postgres",
    "postgresql://postgres:hun@ter2:77@localhost/postgres",
    "postgresql://postgres:hun@ter2/5@localhost/postgres",
    "postgresql://postgres:hunter2@localhost:port/postgres",
    "postgresql://postgres:hunter2@localhost/postgres?nonsense=1",
]


@pytest.mark.parametrize("url", MALFORMED)
def test_a_malformed_connection_string_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match="percent-encoded") as caught:
        Migrator(url).apply()
    assert "hun" not in str(caught.value)
    assert "ter2" not in str(caught.value)


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(MigrationError) as caught:
            Migrator(f"postgresql://postgres:hunter2@127.0.0.1:{port}/postgres").status()
    message = str(caught.value)
    assert f"127.0.0.1, port {port}: Connection refused" in message
    assert "hunter2" not in message
    assert "\n" not in message


def test_an_unknown_host() -> None:
    with pytest.raises(MigrationError, match=r"at nowhere\.invalid, port 5432"):
        Migrator("postgresql://postgres:hunter2@nowhere.invalid/postgres").plan()


def test_a_wrong_password(database_url: str) -> None:
    with pytest.raises(MigrationError, match="password authentication failed for user") as caught:
        Migrator(make_conninfo(database_url, password="hunter2")).apply()
    assert "hunter2" not in str(caught.value)


def test_a_database_that_does_not_exist(database_url: str) -> None:
    with pytest.raises(MigrationError, match='database "nowhere" does not exist'):
        Migrator(make_conninfo(database_url, dbname="nowhere")).apply()


def test_an_old_postgres_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MINIMUM_VERSION", 99)
    with pytest.raises(
        MigrationError, match=r"^Postgres 1\d is too old: supaqueue needs Postgres 99 or newer\.$"
    ):
        Migrator(database_url).apply()


def test_without_psycopg_the_error_says_what_to_install() -> None:
    program = """
import sys
sys.modules["psycopg"] = None
import supaqueue.cli.migrate, supaqueue.maintain.export
from supaqueue.errors import ConfigurationError
try:
    import supaqueue.maintain.migrate
except ConfigurationError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'supaqueue[postgres]'" in done.stdout
