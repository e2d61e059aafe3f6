"""What is broken on purpose in Supabase's workers, from when it is begun until it is ended.

A file in the demo's folder says that it is on, so that workers which run already can be broken at any stage.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, get_args

from supaqueue.cli.demo.cutover.witness import FOLDER, SYSTEM, append_line
from supaqueue.errors import ConfigurationError
from supaqueue.worker import Context

INJECT = "SUPAQUEUE_DEMO_INJECT"
Kind = Literal["errors", "latency", "backlog"]

ERROR_SHARE = 0.1
"""Of first attempts, in both systems: what is broken is told from what is not by how many there are."""
RATIO = 3
LATENCY_SECONDS = 1.0
STEP_SECONDS = 0.02
"""How often a handler that waits looks whether it should go on."""


class InjectedError(Exception):
    """The first attempt of a job fails, as it was told to; the second does not."""


@dataclass(frozen=True, slots=True)
class Injection:
    """One kind of fault.

    `errors`: one first attempt in ten fails in both systems, and three in ten in Supabase once it is on.
    `latency`: each run there takes a second longer. `backlog`: handlers there do not come to their end.
    """

    folder: Path
    kind: Kind

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self | None:
        """Return the one that this process is to have; None if none."""
        kind = environ.get(INJECT)
        return cls(Path(environ[FOLDER]), checked_kind(kind)) if kind else None

    def environment(self) -> dict[str, str]:
        """Return what workers of either system need to have it, beside their witness's."""
        return {INJECT: self.kind}

    @property
    def is_on(self) -> bool:
        """Whether it was begun, and has not been ended."""
        return self._file.exists()

    def begin(self) -> None:
        """Break what runs in Supabase from now on."""
        self._file.touch()

    def end(self) -> None:
        """Break nothing more; what is held up goes on."""
        self._file.unlink(missing_ok=True)

    def apply(
        self,
        context: Context,
        environ: Mapping[str, str] = os.environ,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Do to one run of a handler what is to be done to it, in the system that the environment names.

        Raises:
            InjectedError: this attempt is one of those that fail.
            asyncio.CancelledError: the run was told to stop while it was held up.
        """
        is_broken = environ[SYSTEM] == "supabase" and self.is_on
        if self.kind == "errors":
            self._fail_some(context, ERROR_SHARE * RATIO if is_broken else ERROR_SHARE)
        elif self.kind == "latency" and is_broken:
            self._note(context)
            for _ in range(round(LATENCY_SECONDS / STEP_SECONDS)):
                context.raise_if_cancelled()
                sleep(STEP_SECONDS)
        elif self.kind == "backlog" and is_broken:
            self._note(context)
            while self.is_on:
                context.raise_if_cancelled()
                sleep(STEP_SECONDS)

    def planted(self) -> list[float]:
        """Return when each fault struck a run, as Unix times; what fails in both systems alike is none."""
        if not self._planted.exists():
            return []
        return [json.loads(line)["at"] for line in self._planted.read_text().splitlines()]

    def _fail_some(self, context: Context, share: float) -> None:
        """Fail a first attempt whose job is in that share: the same jobs each time; a rerun agrees."""
        drawn = int.from_bytes(hashlib.sha256(context.job_id.encode()).digest()[:4]) / 2**32
        if context.attempt == 1 and drawn < share:
            if drawn >= ERROR_SHARE:
                self._note(context)
            raise InjectedError("told to fail once")

    def _note(self, context: Context) -> None:
        append_line(self._planted, {"job_id": context.job_id, "at": time.time()})

    @property
    def _file(self) -> Path:
        return self.folder / "injected"

    @property
    def _planted(self) -> Path:
        return self.folder / "planted.jsonl"


def checked_kind(text: str) -> Kind:
    """Return a kind of fault that there is.

    Raises:
        ConfigurationError: it is none.
    """
    for kind in get_args(Kind):
        if text == kind:
            return text  # type: ignore[return-value]  # it is one of them
    raise ConfigurationError(f"--inject {text!r}: write {', '.join(get_args(Kind))}")
