"""Settles records in doubt: beside a worker or a relay, or in the application that keeps them."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from supaqueue.answer import AbandonAnswer
from supaqueue.client import Queue
from supaqueue.client.records import Records, RecordsFailed
from supaqueue.client.undoing import Abandons
from supaqueue.contract import ReadFeatureFlags
from supaqueue.errors import CallError, ConfigurationError
from supaqueue.settings import DOTENV, read_variables
from supaqueue.transport import Transport
from supaqueue.worker import Companion
from supaqueue.worker.attribute import import_attribute

_log = logging.getLogger(__name__)

SETTLE = "SUPAQUEUE_SETTLE"
PER_TURN = 1000
SECONDS = 5.0
"""Between two turns, about."""
SHORTEST_SECONDS = 1.0
"""After a turn that found as many as it may settle."""

_HOW = "write MODULE:ATTRIBUTE of a supaqueue.Records, for example myapp.runs:records"


class SettleLoop:
    """Settles records in doubt, from a thread of its own or in the caller's; a `Companion` of a worker.

    Any number may work at once: they do the same twice, at worst.

    Args:
        queue: a `Queue`, or a cutover's router; not closed here.
        records: the application's.
        done: told after every turn in which something was settled.
    """

    def __init__(
        self,
        queue: Abandons,
        records: Records,
        done: Callable[[Sequence[AbandonAnswer]], None] | None = None,
    ) -> None:
        self._queue = queue
        self._records = records
        self._done = done
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Run in a thread. It is a daemon: a process that leaves at once does not wait for it."""
        self._thread = threading.Thread(target=self.run, name="supaqueue-settle", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Ask it to stop, and wait for its thread, `timeout` seconds at most."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def run(self) -> None:
        """Take turns until `stop`; failures are waited out."""
        while not self._stopped.is_set():
            longest = SHORTEST_SECONDS if self._found_all_it_may() else SECONDS
            self._stopped.wait(random.uniform(longest / 2, longest))  # noqa: S311

    def turn(self) -> list[AbandonAnswer]:
        """Settle at most 1,000 records, and return what was found out of their jobs.

        Raises:
            CallError: nothing was found out.
            ConfigurationError: they are not this queue's alone to settle.
            RecordsFailed: one of the application's functions failed.
        """
        answers = self._records.settle(self._queue, PER_TURN)
        if answers and self._done is not None:
            self._done(answers)
        return answers

    def _found_all_it_may(self) -> bool:
        try:
            return len(self.turn()) == PER_TURN
        except (CallError, ConfigurationError, RecordsFailed) as failed:
            _log.warning("records were not settled (%s: %s)", type(failed).__name__, failed)
        except Exception:
            # Once it was asked to stop, what it works with may be closed under it.
            if not self._stopped.is_set():
                _log.exception("records were not settled")
        return False


class OnlyQueue:
    """Takes jobs back from Supabase, as long as no other queue can have them. Has what `Abandons` asks for.

    Args:
        transport: to Supabase; not closed here.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._queue = Queue(transport=transport)

    def abandon(self, job_ids: Iterable[str]) -> list[AbandonAnswer]:
        """Take jobs back.

        Raises:
            CallError: nothing was found out.
            ConfigurationError: a cutover is on: a legacy queue might run what was taken back here.
        """
        flags = self._transport.send(ReadFeatureFlags())
        if any(flag.stage != "complete" for flag in (flags.overall, *flags.types)):
            raise ConfigurationError(
                f"two queues are in use, and only a relay can ask both: set {SETTLE} for `supaqueue rollout"
                " relay` or `supaqueue worker --relay`, and leave out `--settle` here"
            )
        return self._queue.abandon(job_ids)


def settle(transport: Transport) -> Companion:
    """Return what settles the records that SUPAQUEUE_SETTLE names, beside a worker: `worker --settle`.

    Raises:
        ConfigurationError: nothing is named, or no records are there.
    """
    return SettleLoop(OnlyQueue(transport), open_records(settle_name()), log_settled)


def settle_name(
    given: str | None = None, environ: Mapping[str, str] | None = None, dotenv: Path | None = DOTENV
) -> str | None:
    """Return what names the records: `given`, else SUPAQUEUE_SETTLE; None if neither does.

    Raises:
        ConfigurationError: the `.env` file cannot be read.
    """
    return given or read_variables((SETTLE,), environ, dotenv).get(SETTLE)


def open_records(name: str | None) -> Records:
    """Import an application's records.

    Raises:
        ConfigurationError: nothing was named, or no records are there.
    """
    if not name:
        raise ConfigurationError(f"no records are named that could be settled: set {SETTLE}; {_HOW}")
    found = import_attribute(name, kind="records", example="myapp.runs:records")
    if not isinstance(found, Records):
        what = "nothing is" if found is None else "no Records are"
        raise ConfigurationError(f"{SETTLE}: {what} under {name!r}; {_HOW}")
    return found


def log_settled(answers: Sequence[AbandonAnswer]) -> None:
    """Say in the log what became of records."""
    kept = sum(answer.answer == "started" for answer in answers)
    _log.info("records in doubt: %d removed, %d kept", len(answers) - kept, kept)
