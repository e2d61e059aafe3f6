"""Through a pooler, which shows by greeting its clients with a process number of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from supaqueue.errors import MigrationError
from supaqueue.maintain.migrate import Migrator
from tests.migrations.conftest import Folder

BACKEND_KEY_DATA = b"K\x00\x00\x00\x0c"
"""How the message begins that tells process number and secret."""


def forward(source: socket.socket, target: socket.socket, *, greeting: bool) -> None:
    """Pass everything on, with another process number in the greeting."""
    with suppress(OSError):
        while data := source.recv(65536):
            start = data.find(BACKEND_KEY_DATA) + len(BACKEND_KEY_DATA)
            if greeting and BACKEND_KEY_DATA in data:
                data, greeting = data[:start] + b"\x00\x00\x00\x01" + data[start + 4 :], False
            target.sendall(data)
    for side in (source, target):
        with suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)


def accept(listener: socket.socket, server: tuple[str, int]) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            backend = socket.create_connection(server)
            Thread(target=forward, args=(client, backend), kwargs={"greeting": False}, daemon=True).start()
            Thread(target=forward, args=(backend, client), kwargs={"greeting": True}, daemon=True).start()


@pytest.fixture
def pooled_url(database_url: str) -> Iterator[str]:
    facts: dict[str, Any] = conninfo_to_dict(database_url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = (facts["host"], int(facts["port"]))
        Thread(target=accept, args=(listener, server), daemon=True).start()
        yield make_conninfo(database_url, host="127.0.0.1", port=listener.getsockname()[1], sslmode="disable")
        listener.shutdown(socket.SHUT_RDWR)


def test_transactions_are_fine(pooled_url: str, folder: Folder) -> None:
    assert len(Migrator(pooled_url, files=folder.files).apply()) == len(list(folder.files))


def test_a_file_outside_a_transaction_is_refused(
    pooled_url: str, database: psycopg.Connection[Any], folder: Folder
) -> None:
    text = "-- supaqueue: no transaction\ncreate index concurrently notes_body on notes (body);\n"
    files = folder.write("migrations/007_notes_body.sql", text)
    with pytest.raises(MigrationError, match=r"007_notes_body\.sql.*pooler.*direct connection string"):
        Migrator(pooled_url, files=files).apply()
    assert database.execute("select to_regclass('notes_body')").fetchone() == (None,)
