"""The guard in Celery workers: a base class for existing tasks, and a registry's handlers as tasks.

A message without a stamp runs as ever, and is counted. What is held goes back to the broker as the same task
with an ETA, its retries as they were.
"""

from __future__ import annotations

import logging
from typing import Any, ClassVar, NoReturn

from celery import Celery, Task
from celery.exceptions import Ignore, Reject, Retry

from supaqueue.contract import ClaimedTask, Json, TaskTypeOptions
from supaqueue.cutover.guard import Guard
from supaqueue.cutover.handler_run import Again, completed, failed, run_handler
from supaqueue.cutover.legacy.celery_stamp import HEADER, payload_of, stamp_of
from supaqueue.cutover.legacy.celery_unstamped import job_id_of
from supaqueue.cutover.legacy.entry import Ending
from supaqueue.cutover.marked_run import MarkedRun
from supaqueue.cutover.recorded_ending import recorded_ending
from supaqueue.cutover.stamp import Stamp
from supaqueue.worker import Registry
from supaqueue.worker.probe import served_handler, served_types
from supaqueue.worker.registry import Handler

_log = logging.getLogger(__name__)

DEFAULT_ATTEMPTS = 5


class HandlerFailed(Exception):
    """How a job failed, as Celery records it: the error's type and message."""


class GuardedTask(Task):  # type: ignore[misc]  # Celery has no types
    """The base of tasks that ask the guard; made by `guarded_task`.

    A task that retries itself, or is retried by `autoretry_for`, has not ended; one that raises anything else
    has. Called as a function, or eagerly, it asks nobody.
    """

    abstract = True
    guard: ClassVar[Guard]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the message that the worker has at hand, if the guard lets it."""
        request = self.request
        if request.called_directly or request.is_eager or getattr(request, "is_guarded", False):
            return super().__call__(*args, **kwargs)
        request.is_guarded = True  # a task that calls itself as a function is the same run
        admission = self.guard.admit((request.headers or {}).get(HEADER), self.name, self._unstamped_id())
        if admission.run is None:
            _log.info("task %s[%s]: %s, %s", self.name, request.id, admission.verdict, admission.reason)
        if admission.verdict == "drop":
            return self._told_again(recorded_ending(self.guard, self._stamp()))
        if admission.run is None:
            self._hold(admission.seconds)
        with admission.run as run:
            return self._run_marked(run, args, kwargs)

    def _stamp(self) -> Stamp:
        return stamp_of(self.request.headers) or Stamp(self._unstamped_id())

    def _unstamped_id(self) -> str:
        request = self.request
        return job_id_of(request.id, request.args or (), request.kwargs or {})

    def _told_again(self, ending: Ending | None) -> Any:
        # A worker that died after its end was recorded has told nobody who waits for the task's result.
        if ending is None:
            raise Ignore
        return self._told(ending)

    def _told(self, ending: Ending) -> Any:
        if ending.status == "cancelled":
            self._cancelled(ending)
        if ending.status == "failed":
            raise HandlerFailed(_text(ending.error))
        return ending.result

    def _cancelled(self, ending: Ending) -> NoReturn:
        self.backend.mark_as_revoked(
            self.request.id,
            _text(ending.error),
            request=self.request,
            store_result=not self.request.ignore_result,
        )
        raise Ignore

    def _run_marked(self, run: MarkedRun, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        attempt = self.request.retries + 1
        try:
            result = self.run(*args, **kwargs)
        except Retry:
            run.free(has_failed=True)
            raise
        except Ignore:
            self._finish(run, completed(None, attempt))
            raise
        except Reject as rejected:
            self._rejected(run, rejected, attempt)
        except Exception as raised:
            self._finish(run, failed(raised, attempt))
            raise
        self._finish(run, completed(result, attempt))
        return result

    def _rejected(self, run: MarkedRun, rejected: Reject, attempt: int) -> NoReturn:
        # `Task.retry` rejects for good what it could not send again: it was away, the job is not over.
        if not rejected.requeue and not isinstance(rejected.reason, Exception):
            self._finish(run, failed(rejected, attempt))
            raise rejected
        run.free()
        raise Reject(rejected.reason, requeue=True) from rejected

    def _finish(self, run: MarkedRun, ending: Ending) -> None:
        if run.finish(ending) != "recorded":
            self._hold(run.lease_seconds)

    def _hold(self, seconds: float) -> NoReturn:
        self._send_again(seconds, self.request.retries)
        raise Ignore

    def _send_again(self, seconds: float, retries: int) -> None:
        try:
            self.signature_from_request(countdown=seconds, retries=retries).apply_async()
        except Exception as failure:
            raise Reject(failure, requeue=True) from failure


class RegistryTask(GuardedTask):
    """A registry's handler as a Celery task; made by `celery_tasks`."""

    abstract = True
    acks_late = True
    reject_on_worker_lost = True
    handler: Handler
    options: TaskTypeOptions

    def run(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse to be called as a function: it has no message then, and so no context."""
        raise TypeError(f"{self.name} is a supaqueue handler: call the function that was registered")

    def _run_marked(self, run: MarkedRun, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        came = run_handler(
            self.handler,
            self._claimed(args, kwargs),
            run,
            worker_id=str(self.request.hostname),
            backoff=self.options.backoff,
        )
        if isinstance(came, Again):
            run.free(has_failed=came.spends_attempt)
            self._again(came)
        self._finish(run, came)
        return self._told(came)

    def _again(self, again: Again) -> NoReturn:
        if not again.spends_attempt:
            self._hold(again.seconds)
        self._send_again(again.seconds, self.request.retries + 1)
        raise Retry(exc=HandlerFailed(_text(again.error)), when=again.seconds)

    def _claimed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ClaimedTask:
        request = self.request
        return ClaimedTask(
            job_id=self._stamp().job_id,
            task_number=1,
            queue=str((request.delivery_info or {}).get("routing_key", "")),
            task_type=self.name,
            payload=payload_of(args, kwargs),
            lease_token=1,
            attempt=request.retries + 1,
            max_attempts=self.options.max_attempts or DEFAULT_ATTEMPTS,
            waited_seconds=0.0,
            timeout_seconds=self.options.timeout_seconds,
        )


def guarded_task(guard: Guard) -> type[GuardedTask]:
    """Return a base class for tasks that are there already; they keep their signature, bound or not.

    >>> Guarded = guarded_task(guard)                                                # doctest: +SKIP
    >>> @app.task(base=Guarded, bind=True, acks_late=True, reject_on_worker_lost=True)  # doctest: +SKIP
    ... def resize(self, path): ...

    `Celery(task_cls=Guarded)` makes it the base of all.
    """
    return type("GuardedTask", (GuardedTask,), {"guard": guard, "abstract": True})


def celery_tasks(app: Celery, registry: Registry, guard: Guard) -> dict[str, RegistryTask]:
    """Register every handler of a registry as a task of its type's name; returns the tasks by name.

    Among them is that of probes, which runs in workers without a registry too: give an empty one.

    Attempts, backoff and timeout are those that the registry declares for the type. A handler that asks for a
    retry is sent again with an ETA, one that ends as cancelled is `REVOKED` to Celery.
    """
    declared = {options.task_type: options for options in registry.options}
    tasks = {}
    for task_type in served_types(registry):
        attributes = {
            "name": task_type,
            "guard": guard,
            "handler": served_handler(registry, task_type),
            "options": declared.get(task_type) or TaskTypeOptions(task_type),
        }
        task_class = type("RegistryTask", (RegistryTask,), attributes)
        tasks[task_type] = app.register_task(task_class())
    return tasks


def _text(error: Json) -> str:
    if not isinstance(error, dict):
        return "cancelled"
    return f"{error.get('type')}: {error.get('message')}"
