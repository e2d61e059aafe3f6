"""What the producers are told, and what they tell: two kinds of small files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from supaqueue.cli.demo.cutover.witness import append_line
from supaqueue.cutover.legacy.entry import Owner

ORDER = "order.json"


@dataclass(frozen=True, slots=True)
class Order:
    """Which stage it is.

    Attributes:
        stage: its number, from 0.
        version: of the flag by which the stage's jobs are placed; None while that is being changed.
        stop: no more jobs.
        later_seconds: how long the last job of each batch is to wait until it is due; None: not at all.
        is_slow: whether producers take slow turns.
    """

    stage: int
    version: int | None = None
    stop: bool = False
    later_seconds: float | None = None
    is_slow: bool = False

    def give(self, folder: Path) -> None:
        """Tell the producers."""
        new = folder / f"{ORDER}.new"
        new.write_text(json.dumps(asdict(self)))
        os.replace(new, folder / ORDER)


def read_order(folder: Path) -> Order:
    """Return what is ordered now."""
    return Order(**json.loads((folder / ORDER).read_text()))


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job that a producer was told is accepted.

    Attributes:
        owner: which system runs it, as the router answered.
        is_settled: one and the same flag stood at the stage's version before and after the call.
    """

    job_id: str
    path: str
    owner: Owner
    stage: int
    is_settled: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What one turn of a producer came to. `unread`: accepted jobs that could not be read back."""

    accepted: tuple[Accepted, ...] = ()
    stage: int = 0
    reads: int = 0
    unread: int = 0
    read_fallbacks: int = 0
    repeats: int = 0


@dataclass(slots=True)
class Tellings:
    """What all producers have told so far; `read` goes on where the last one ended."""

    folder: Path
    told: list[Told] = field(default_factory=list)
    accepted: dict[str, Accepted] = field(default_factory=dict)
    _places: dict[Path, int] = field(default_factory=dict)

    def read(self) -> None:
        """Take in what is new."""
        for path in sorted(self.folder.glob("producer-*.jsonl")):
            for told in self._new(path):
                self.told.append(told)
                self.accepted.update((one.job_id, one) for one in told.accepted)

    def settled(self, stage: int) -> int:
        """Count the jobs that were placed by the flag of a stage."""
        return sum(one.is_settled and one.stage == stage for one in self.accepted.values())

    def _new(self, path: Path) -> Iterator[Told]:
        with path.open("rb") as lines:
            lines.seek(self._places.get(path, 0))
            for line in lines:
                if line.endswith(b"\n"):
                    self._places[path] = self._places.get(path, 0) + len(line)
                    content = json.loads(line)
                    accepted = tuple(Accepted(**one) for one in content.pop("accepted"))
                    yield Told(accepted, **content)


def tell(folder: Path, producer: int, told: Told) -> None:
    """Tell of one turn."""
    append_line(folder / f"producer-{producer}.jsonl", asdict(told))
