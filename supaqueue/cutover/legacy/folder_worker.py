"""The folder queue's own worker: takes files, asks the guard, runs handlers, moves files where they end."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from supaqueue.contract import PROBE_TYPE, TaskTypeOptions
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.guard import LOOK_AGAIN_SECONDS, Guard
from supaqueue.cutover.handler_run import Again, failed, run_handler
from supaqueue.cutover.legacy.entry import Ending
from supaqueue.cutover.legacy.folder import FolderBroker
from supaqueue.cutover.legacy.folder_claims import Claim, FolderClaims
from supaqueue.cutover.legacy.folder_files import FolderFiles, translated
from supaqueue.cutover.legacy.folder_message import FileName, FolderMessage, read_message
from supaqueue.cutover.marked_run import MarkedRun
from supaqueue.cutover.stamp import Stamp
from supaqueue.errors import InvalidInput
from supaqueue.worker.probe import served_handler
from supaqueue.worker.registry import Registry

_log = logging.getLogger(__name__)

RESCUE_SECONDS = 2.0
SETTLE_SECONDS = 5.0
"""How long something else may take to write a file that it puts into `pending/` before it is complete."""


class WorkerDied(Exception):
    """An attempt's worker died; never raised, but recorded as what the last attempt ended with."""


class FolderWorker:
    """Runs what waits in a folder, with the handlers of a registry; several processes may share a folder.

    Files of task types that the registry has not are left for other workers. A retry waits as the message
    says, else as its task type declares.

    Args:
        registry: the handlers.
        broker: the folder.
        guard: over the folder's index.
        concurrency: handlers that run at the same time.
        poll_seconds: how long a folder without due files is left alone.
        grace_seconds: how long handlers may go on after `stop`.

    Attributes:
        is_stopping: whether it was told to stop.
    """

    def __init__(
        self,
        registry: Registry,
        broker: FolderBroker,
        guard: Guard,
        *,
        concurrency: int = 4,
        poll_seconds: float = 0.2,
        grace_seconds: float = 20.0,
    ) -> None:
        self.registry = registry
        self.guard = guard
        self.concurrency = concurrency
        self.poll_seconds = poll_seconds
        self.grace_seconds = grace_seconds
        self._files: FolderFiles = broker.files
        self._clock: Callable[[], datetime] = broker.clock
        self._options = {one.task_type: one for one in registry.options}
        self.is_stopping = False
        self._idle = threading.Semaphore(concurrency)
        self._rescued_at = float("-inf")

    def stop(self) -> None:
        """Take nothing more; from any thread, or a signal's handler."""
        # An event has a lock, and the thread that a handler comes in may hold it.
        self.is_stopping = True

    def run(self) -> bool:
        """Run until `stop`.

        Returns:
            Whether every handler ended in time. What the others hold is found by another worker once this
            process ends.

        Raises:
            LegacyUnavailable: the folder cannot be used at the start.
        """
        with translated("run", "no"):
            self._files.sweep()
            claims = FolderClaims(self._files, self._clock)
        threads = ThreadPoolExecutor(self.concurrency, thread_name_prefix="supaqueue-folder")
        while not self.is_stopping:
            if not self._step(claims, threads):
                time.sleep(self.poll_seconds)
        threads.shutdown(wait=False)
        if not self._all_idle():
            return False
        claims.close()
        return True

    def _all_idle(self) -> bool:
        give_up_at = time.monotonic() + self.grace_seconds
        return all(
            self._idle.acquire(timeout=max(0.0, give_up_at - time.monotonic()))
            for _ in range(self.concurrency)
        )

    def _step(self, claims: FolderClaims, threads: ThreadPoolExecutor) -> bool:
        """Start one run; False if there is nothing to do now."""
        if not self._idle.acquire(timeout=self.poll_seconds):
            return True
        claim = None
        try:
            self._rescue(claims)
            claim = claims.next(self._serves)
        except OSError as error:
            _log.error("the legacy folder gave no answer: %s", error.strerror)
        if claim is None:
            self._idle.release()
            return False
        threads.submit(self._run, claims, claim)
        return True

    def _serves(self, path: Path) -> bool:
        if not path.is_file() or path.is_symlink():
            return False
        try:
            message = read_message(path.read_bytes(), FileName.of(path.name))
        except (InvalidInput, OSError):
            return True  # to be moved to failed/
        return served_handler(self.registry, message.job.task_type) is not None

    def _rescue(self, claims: FolderClaims) -> None:
        if time.monotonic() - self._rescued_at < RESCUE_SECONDS:
            return
        self._rescued_at = time.monotonic()
        for claim in claims.rescue():
            _log.warning("%s was held by a worker that died: it waits again", claim.name.rest)
            claims.put_back(claim, self._clock(), attempts=1)

    def _run(self, claims: FolderClaims, claim: Claim) -> None:
        try:
            self._run_claim(claims, claim)
        except Exception:
            _log.exception("%s was not brought to its end, and waits again", claim.name.rest)
            with suppress(OSError):  # then it stays with this worker, and is found once that has ended
                self._again(claims, claim, Again(LOOK_AGAIN_SECONDS, spends_attempt=False))
        finally:
            self._idle.release()

    def _run_claim(self, claims: FolderClaims, claim: Claim) -> None:
        try:
            message = read_message(claim.path.read_bytes(), claim.name)
        except (InvalidInput, OSError) as unreadable:
            self._refuse(claims, claim, unreadable)
            return
        admission = self.guard.admit(message.stamp, message.job.task_type, message.job.job_id)
        if admission.verdict == "hold":
            _log.info("%s is held: %s", claim.name.rest, admission.reason)
            self._again(claims, claim, Again(admission.seconds, spends_attempt=False))
        elif admission.run is None:
            self._drop(claims, claim, message, admission.reason)
        else:
            with admission.run as run:
                self._run_message(claims, claim, message, run)

    def _run_message(
        self, claims: FolderClaims, claim: Claim, message: FolderMessage, run: MarkedRun
    ) -> None:
        job = message.job
        declared: TaskTypeOptions | None = self._options.get(job.task_type)
        task = message.claimed(claim.name.attempt, declared, self._clock())
        if task.attempt > task.max_attempts:
            died = WorkerDied("the worker that made the last attempt died")
            came: Ending | Again = failed(died, task.max_attempts)
        else:
            handler = served_handler(self.registry, job.task_type)
            assert handler is not None, "taken, although no handler is there"
            backoff = job.backoff or (declared.backoff if declared else None)
            came = run_handler(handler, task, run, worker_id=claims.worker_id, backoff=backoff)
        if isinstance(came, Again):
            run.free(has_failed=came.spends_attempt)
            self._again(claims, claim, came)
        elif run.finish(came) != "recorded":
            self._again(claims, claim, Again(run.lease_seconds, spends_attempt=False))
        elif job.task_type == PROBE_TYPE:
            claim.path.unlink()  # one a minute, and nobody looks for it in done/
        else:
            self._end(claims, claim, came)

    def _again(self, claims: FolderClaims, claim: Claim, again: Again) -> None:
        due_at = self._clock() + timedelta(seconds=again.seconds)
        claims.put_back(claim, due_at, attempts=int(again.spends_attempt))

    def _end(self, claims: FolderClaims, claim: Claim, ending: Ending) -> None:
        if ending.status == "failed":
            self._fail(claims, claim, json.dumps(ending.error))
        else:
            claims.move(claim, self._files.done)

    def _fail(self, claims: FolderClaims, claim: Claim, reason: str) -> None:
        # The reason first: a file in failed/ has one.
        self._files.put(self._files.failed, {f"{claim.name.rest}.reason": reason}, durable=False)
        claims.move(claim, self._files.failed)

    def _refuse(self, claims: FolderClaims, claim: Claim, why: Exception) -> None:
        with suppress(OSError):
            if time.time() - claim.path.stat().st_mtime < SETTLE_SECONDS:
                self._again(claims, claim, Again(SETTLE_SECONDS, spends_attempt=False))
                return
        text = str(why) if isinstance(why, InvalidInput) else f"cannot be read ({type(why).__name__})"
        _log.error("%s is no message, and goes to failed/: %s", claim.name.rest, text)
        self._fail(claims, claim, json.dumps({"type": "Malformed", "message": text}))

    def _drop(self, claims: FolderClaims, claim: Claim, message: FolderMessage, reason: str) -> None:
        """Put a copy that must not run to where the job's other file went, if it ended here."""
        stamp = Stamp(message.job.job_id) if message.stamp is None else Stamp.from_json(message.stamp)
        try:
            (entry,) = self.guard.index.get([stamp.job_id])
        except LegacyUnavailable as silent:
            _log.warning("%s waits again: %s", claim.name.rest, silent)
            self._again(claims, claim, Again(LOOK_AGAIN_SECONDS, spends_attempt=False))
            return
        _log.info("%s is dropped: %s", claim.name.rest, reason)
        if entry is not None and entry.ending is not None and entry.epoch == stamp.epoch:
            self._end(claims, claim, entry.ending)
        else:
            claim.path.unlink()


def run_folder_worker(worker: FolderWorker) -> int:
    """Run a worker as the main thing of a process until SIGTERM or SIGINT; a second signal leaves at once.

    Returns:
        The process' exit code, 0. Does not return if handlers outlive their grace time: the process ends, and
        another worker finds what they hold.
    """

    def on_signal(*_: object) -> None:
        if worker.is_stopping:
            os._exit(130)
        worker.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    if not worker.run():
        os._exit(1)
    return 0
