"""The SQL that this version ships: migrations, functions, grants."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from supaqueue.errors import ConfigurationError

Kind = Literal["migration", "function", "grants"]

NO_TRANSACTION = "-- supaqueue: no transaction"

_PACKAGE = Path(__file__).resolve().parent.parent
_COMMENT = re.compile(r"--[^\n]*")
_CREATE_TABLE = re.compile(
    r'\bcreate\s+(?:unlogged\s+)?table\s+(?:if\s+not\s+exists\s+)?"?([a-z_][a-z0-9_]*)"?', re.IGNORECASE
)
_END_OF_STATEMENT = re.compile(r";[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SqlFile:
    """One file, named by its path inside the folder, for example `functions/enqueue_jobs_v1.sql`."""

    name: str
    kind: Kind
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return sha256(self.sql.encode()).hexdigest()

    @property
    def tables(self) -> list[str]:
        """The names of the tables that this file creates."""
        return [name.lower() for name in _CREATE_TABLE.findall(_COMMENT.sub("", self.sql))]

    @property
    def in_transaction(self) -> bool:
        """False if the first line is the marker for `create index concurrently` and its like."""
        return self.sql.partition("\n")[0].strip() != NO_TRANSACTION

    @property
    def statements(self) -> list[str]:
        """The statements of a file without transaction; each ends with a semicolon at a line's end."""
        parts = _END_OF_STATEMENT.split(_COMMENT.sub("", self.sql))
        return [part.strip() for part in parts if part.strip()]


@dataclass(frozen=True, slots=True)
class SqlFiles:
    """A folder with `migrations/*.sql`, `functions/*.sql` and `grants.sql`, read when iterated."""

    root: Path

    @classmethod
    def shipped(cls) -> SqlFiles:
        """The folder inside the installed package or, in a checkout, the one beside the package.

        Raises:
            ConfigurationError: neither exists.
        """
        for root in (_PACKAGE / "sql", _PACKAGE.parent / "sql"):
            if (root / "migrations").is_dir():
                return cls(root)
        raise ConfigurationError("This installation has no SQL files: install supaqueue again.")

    def __iter__(self) -> Iterator[SqlFile]:
        """Every file, in the order in which they are applied."""
        yield from self._folder("migrations", "migration")
        yield from self._folder("functions", "function")
        yield self._file(self.root / "grants.sql", "grants")

    def _folder(self, folder: str, kind: Kind) -> Iterator[SqlFile]:
        for path in sorted((self.root / folder).glob("*.sql")):
            yield self._file(path, kind)

    def _file(self, path: Path, kind: Kind) -> SqlFile:
        return SqlFile(path.relative_to(self.root).as_posix(), kind, path.read_text(encoding="utf-8"))
