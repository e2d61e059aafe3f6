"""A way to Postgres that can be shut: connections stand, and nothing comes through any more."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from supaqueue.devstack import Stack
from supaqueue.settings import DatabaseSettings


class Valve:
    """Passes bytes on to a stack's Postgres while it is open."""

    def __init__(self, stack: Stack) -> None:
        facts: dict[str, Any] = conninfo_to_dict(stack.database_url)
        self._server = (facts["host"], int(facts["port"]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._flow = threading.Event()
        self._flow.set()
        self._sockets: list[socket.socket] = []
        port = self._listener.getsockname()[1]
        self.settings = DatabaseSettings(
            make_conninfo(stack.database_url, host="127.0.0.1", port=port, sslmode="disable")
        )

    def shut(self) -> None:
        """Let nothing through, in either direction."""
        self._flow.clear()

    def open(self) -> None:
        """Let everything through again, with what was held back."""
        self._flow.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flow.set()
        for one in [self._listener, *self._sockets]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flow.wait()
                target.sendall(data)
        for side in (source, target):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
