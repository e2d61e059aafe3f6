"""The flags as they were last read, in a file: what a process that starts while Supabase is down goes by."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from supaqueue.contract.feature_flag import FeatureFlags, flags_json, read_flags
from supaqueue.contract.json_value import encode

FILE = "flags.json"


@dataclass(frozen=True, slots=True)
class Kept:
    """Flags, and how long ago they were kept, by this machine's clock."""

    flags: FeatureFlags
    age_seconds: float


class KeptFlags:
    """A file that several processes of one machine replace, never by flags that are older.

    Args:
        folder: the spool's; made if it is not there.
        source: which queue the flags are of, for example its URL and schema: those of another are not used.
        now: the time in seconds.
    """

    def __init__(self, folder: Path, source: str, *, now: Callable[[], float] = time.time) -> None:
        self.path = folder / FILE
        self._source = source
        self._now = now

    def read(self) -> Kept | None:
        """Return what is kept; None if nothing is, or nothing that can be read, or another queue's."""
        try:
            kept = json.loads(self.path.read_bytes())
            if kept["source"] != self._source:
                return None
            return Kept(read_flags(kept["flags"]), max(0.0, self._now() - float(kept["kept_at"])))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, flags: FeatureFlags) -> None:
        """Keep flags, unless later ones are kept already.

        Raises:
            OSError: they could not be written; what was kept before still is.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            kept = self.read()
            if kept is None or kept.flags.read_at <= flags.read_at:
                self._replace(flags)

    def _replace(self, flags: FeatureFlags) -> None:
        kept = {"source": self._source, "kept_at": self._now(), "flags": flags_json(flags)}
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{FILE}-")  # made with mode 0600
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(encode(kept))
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
