"""The flags, at hand: at most two seconds old while the database answers, the last known while it does not.

What old flags may decide. For an id that the router minted, an owner is chosen once, so that `legacy` is
always safe; `supabase` is checked against the present flag by enqueue_jobs_v1. Not safe under old flags, and
the router's to refuse: a type that moves as a whole (`is_fresh`), and an id without a ticket for which the
flag says that the percent was never above 0. Flags that are older than `kept_seconds` decide nothing: legacy
may be switched off by now.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from supaqueue.contract.feature_flag import FeatureFlags, ReadFeatureFlags
from supaqueue.cutover.kept_flags import KeptFlags
from supaqueue.errors import CallError
from supaqueue.transport import Transport

FRESH_SECONDS = 2.0
REFRESH_SECONDS = 1.0
KEPT_SECONDS = 86_400.0
WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 1.0
FIRST_WAIT_SECONDS = 2.0
PAUSE_SECONDS = 1.0
KEEP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class KnownFlags:
    """Flags, and how old they are; `is_fresh` only if this process read them within two seconds."""

    flags: FeatureFlags
    age_seconds: float
    is_fresh: bool


@dataclass(frozen=True, slots=True)
class _Held:
    flags: FeatureFlags
    read_at: float
    is_own: bool


class Rollout:
    """Holds the flags. Safe to share between threads; only one read is under way at a time.

    Args:
        transport: what reads them; it may take its time, since nobody waits for it but at the first read.
        kept: where they outlive the process; None keeps them nowhere.
        clock: monotonic seconds.
        kept_seconds: flags older than this are as good as none.
        first_wait_seconds: how long to wait for an answer while nothing at all is known.
    """

    def __init__(
        self,
        transport: Transport,
        kept: KeptFlags | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        kept_seconds: float = KEPT_SECONDS,
        first_wait_seconds: float = FIRST_WAIT_SECONDS,
    ) -> None:
        self.problem: str | None = None
        self.keeping_problem: str | None = None
        self._transport = transport
        self._kept = kept
        self._clock = clock
        self._kept_seconds = kept_seconds
        self._first_wait_seconds = first_wait_seconds
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._reader: threading.Thread | None = None
        self._is_silent = False
        self._not_before = clock()
        self._usual_seconds = 0.0
        self._kept_flags: FeatureFlags | None = None
        self._kept_at = clock()
        self._held = self._from_disk()

    def at_hand(self) -> KnownFlags | None:
        """Return flags for which nothing is to be done; None if `current` has to be asked."""
        known = self._known()
        return known if known and known.is_fresh and known.age_seconds < REFRESH_SECONDS else None

    def current(self) -> KnownFlags | None:
        """Return the flags, or None if none are known. Waits for a read only if there are no fresh ones.

        The wait is short, and there is none while the database is known to be silent.
        """
        held = self._held
        if (at_hand := self.at_hand()) is not None:
            return at_hand
        known = self._known()
        reader = self._begin_read(held)
        if reader is not None and not (known and known.is_fresh) and not self._is_silent:
            self._wait_for(reader, is_known=known is not None)
        return self._known()

    def refresh(self) -> KnownFlags:
        """Read the flags now, and return them: after an answer that said they had changed.

        Raises:
            CallError: they could not be read.
        """
        asked_at = self._clock()
        with self._reading:
            if self._held is None or not self._held.is_own or self._held.read_at <= asked_at:
                self._read()
        known = self._known()
        assert known is not None
        return known

    def _known(self) -> KnownFlags | None:
        held = self._held
        if held is None:
            return None
        age = self._clock() - held.read_at
        if age > self._kept_seconds:
            return None
        return KnownFlags(held.flags, age, held.is_own and age <= FRESH_SECONDS)

    def _from_disk(self) -> _Held | None:
        kept = self._kept.read() if self._kept else None
        return _Held(kept.flags, self._clock() - kept.age_seconds, is_own=False) if kept else None

    def _begin_read(self, seen: _Held | None) -> threading.Thread | None:
        """The read under way, begun if none is; None if the last one failed or came a moment ago."""
        with self._lock:
            if self._reader is not None and self._reader.is_alive():  # after a fork it is not
                return self._reader
            if self._held is not seen or self._clock() < self._not_before:
                return None
            self._reader = threading.Thread(target=self._read_aside, name="supaqueue-flags", daemon=True)
            self._reader.start()
            return self._reader

    def _wait_for(self, reader: threading.Thread, *, is_known: bool) -> None:
        usual = min(max(WAIT_SECONDS, 3 * self._usual_seconds), LONGEST_WAIT_SECONDS)
        reader.join(usual if is_known else self._first_wait_seconds)
        if reader.is_alive():
            self._is_silent = True

    def _read_aside(self) -> None:
        with self._reading:
            try:
                self._read()
            except CallError:
                return  # `problem` says which

    def _read(self) -> None:
        began = self._clock()
        try:
            flags = self._transport.send(ReadFeatureFlags())
        except BaseException as error:
            self.problem = type(error).__name__
            self._is_silent = True
            self._not_before = self._clock() + PAUSE_SECONDS
            raise
        self._held = _Held(flags, began, is_own=True)
        self._usual_seconds = self._clock() - began
        self.problem, self._is_silent = None, False
        self._keep(flags)

    def _keep(self, flags: FeatureFlags) -> None:
        """Keep the flags if they have changed, and now and then, so that the file tells their age."""
        if self._kept is None or (
            _is_same(flags, self._kept_flags) and self._clock() - self._kept_at < KEEP_SECONDS
        ):
            return
        try:
            self._kept.write(flags)
        except OSError as error:
            self.keeping_problem = type(error).__name__  # the spool beside it will say more
            return
        self._kept_flags, self._kept_at, self.keeping_problem = flags, self._clock(), None


def _is_same(one: FeatureFlags, other: FeatureFlags | None) -> bool:
    return other is not None and (one.overall, one.types, one.salt) == (
        other.overall,
        other.types,
        other.salt,
    )
