"""What has to be done to bring a ledger up to this version's files, and when that is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from supaqueue.errors import MigrationError
from supaqueue.maintain.ledger import Ledger, Record
from supaqueue.maintain.sql_files import Kind, SqlFile
from supaqueue.version import __version__

State = Literal["applied", "pending", "changed", "altered", "unknown"]


@dataclass(frozen=True, slots=True)
class Step:
    """One file and where it stands.

    `state` is one of: `applied`; `pending` (not applied yet); `changed` (a function or the grants differ
    from what was applied, and will be applied again); `altered` (a migration differs from what was
    applied, which is refused); `unknown` (applied, but no file of this version; `file` is None).
    """

    name: str
    kind: Kind
    state: State
    file: SqlFile | None = field(default=None, repr=False, compare=False)

    @property
    def due(self) -> bool:
        """Whether `apply` runs this file: the grants always, since new objects bring default ones."""
        return self.state in ("pending", "changed") or (self.kind == "grants" and self.file is not None)


def compare(files: Iterable[SqlFile], ledger: Ledger) -> list[Step]:
    """Return one step a file, in order, then those of the ledger that no file stands for."""
    steps = [Step(file.name, file.kind, _state(file, ledger.get(file.name)), file) for file in files]
    names = {step.name for step in steps}
    missing = ((name, record) for name, record in sorted(ledger.items()) if name not in names)
    return steps + [Step(name, record.kind, "unknown") for name, record in missing]


def refuse_unsafe(steps: Iterable[Step], ledger: Ledger) -> None:
    """Raise `MigrationError` if these files must not be applied on top of that ledger.

    An unknown function alone is no reason: a later version may have dropped the file.
    """
    steps = list(steps)
    _refuse_newer(steps, ledger)
    altered = [step.name for step in steps if step.state == "altered"]
    if altered:
        raise MigrationError(
            f"{', '.join(altered)} is not the text that was applied: a released migration is never edited. "
            "Nothing was changed. Install an unmodified supaqueue, and put changes into a new migration."
        )


def _refuse_newer(steps: Iterable[Step], ledger: Ledger) -> None:
    # Older functions and grants would take away what a newer SDK is calling at this moment.
    newer = [name for name, record in ledger.items() if _release(record.sdk_version) > _release(__version__)]
    newer += [step.name for step in steps if step.state == "unknown" and step.kind == "migration"]
    if newer:
        raise MigrationError(
            f"The SQL is newer than this supaqueue {__version__} ({', '.join(sorted(set(newer))[:3])}). "
            "Nothing was changed. Upgrade first: pip install --upgrade supaqueue"
        )


def _state(file: SqlFile, record: Record | None) -> State:
    if record is None:
        return "pending"
    if record.checksum == file.checksum:
        return "applied"
    return "altered" if file.kind == "migration" else "changed"


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.split(r"[^\d.]", version)[0].split(".") if number)
