"""A job to be: checked when it is made, so that whatever is refused is refused before any write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Self

from pydantic import SkipValidation

from supaqueue.backoff import Backoff, checked_backoff
from supaqueue.contract.attempts import (
    SHORTEST_SECONDS,
    backoff_row,
    checked_attempts,
    checked_seconds,
    checked_timeout,
)
from supaqueue.contract.json_value import Json, check_text, measured_json, without_none
from supaqueue.contract.moment import check_time
from supaqueue.contract.new_task import NewTask, OnFailure, bytes_of, checked_tasks
from supaqueue.errors import InvalidInput
from supaqueue.job_id import Ticket, check_job_id, job_id_from_key, new_job_id
from supaqueue.unique import Unique

MAX_TAGS = 100
HIGHEST_PRIORITY = 5
LONGEST_DELAY = timedelta(days=36_500).total_seconds()
_OPTIONS = frozenset(
    (
        "task_type",
        "payload",
        "queue",
        "job_id",
        "idempotency_key",
        "run_at",
        "delay",
        "max_attempts",
        "backoff",
        "timeout",
        "deadline",
        "tags",
        "tenant",
        "unique",
        "priority",
        "order_key",
        "order_on_failure",
        "tasks",
        "on_failure",
    )
)


@dataclass(frozen=True, slots=True, init=False)
class NewJob:
    """A job to enqueue. It has its id from the start, so that sending it again is safe.

    Args:
        task_type: which handler runs it.
        payload: plain JSON or a pydantic model.
        queue: where it waits.
        job_id: an id made by `new_job_id`; None makes one.
        idempotency_key: makes the id from task type and key: the same key again is the same job.
        run_at: when to run it, an aware time; by default at once.
        delay: how long to wait, in seconds or as a timedelta, by the database's clock; instead of `run_at`.
        max_attempts: 1 to 1,000; by default the task type's, else 5.
        backoff: how long each retry waits; seconds or a timedelta are a fixed delay; by default the task
            type's, else `Backoff()`.
        timeout: of one attempt, in seconds or as a timedelta, up to 30 days; by default the task type's, else
            none. An async handler is then cancelled, and the attempt counts as failed.
        deadline: no attempt begins after it, and a running one is ended: an aware time, or seconds or a
            timedelta counted from when it may first run; by default the task type's, else none.
        tags: to find it by; up to 100.
        tenant: whose it is, 1 to 200 characters: tenants are served in turn, and a cutover may route by it.
        unique: a key that one job of its type holds at a time, see `Unique`; refused while a legacy queue may
            own jobs of the type.
        priority: -5 to 5: of one queue, higher ones are claimed first.
        order_key: 1 to 200 characters: jobs of one queue and key run one at a time, in the order in which
            they were enqueued; refused while a legacy queue may own jobs of the type.
        order_on_failure: what a failure of this job does to those behind it: `block`, they wait until it is
            replayed or dropped, or the key released; `continue`, they go on. By default `block`, since order
            is what was asked for.
        tasks: up to 20,000 `NewTask`s, for a job made of several: payload, attempts, backoff and timeout are
            then theirs, and `task_type` is the name of the whole, which no handler runs. Refused while a
            legacy queue may own jobs of one of the types.
        on_failure: with `tasks`, what it means for the others if one fails or cancels itself: `"fail"`: what
            has not started is cancelled, and what runs is asked to stop; `"skip"`: what comes after it is
            cancelled, the rest goes on; `"continue"`: what comes after it runs, without its result.

    Raises:
        InvalidInput: naming the field.
    """

    job_id: str
    queue: str
    task_type: str
    payload: SkipValidation[Json] = field(repr=False)
    payload_bytes: int
    run_at: datetime | None
    delay_seconds: float | None
    max_attempts: int | None
    backoff: Backoff | None
    timeout_seconds: float | None
    deadline_at: datetime | None
    deadline_seconds: float | None
    tags: tuple[str, ...]
    tenant: str | None
    unique: Unique | None
    priority: int
    order_key: str | None
    order_on_failure: Literal["block", "continue"]
    tasks: tuple[NewTask, ...] = field(repr=False)
    on_failure: OnFailure | None
    owner: Literal["supabase", "legacy"] | None = field(compare=False)
    is_minted: bool = field(compare=False, repr=False)

    def __init__(
        self,
        task_type: str,
        payload: object = None,
        *,
        queue: str = "default",
        job_id: str | None = None,
        idempotency_key: str | None = None,
        run_at: datetime | None = None,
        delay: float | timedelta | None = None,
        max_attempts: int | None = None,
        backoff: Backoff | float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        deadline: datetime | float | timedelta | None = None,
        tags: Iterable[str] = (),
        tenant: str | None = None,
        unique: Unique | None = None,
        priority: int = 0,
        order_key: str | None = None,
        order_on_failure: Literal["block", "continue"] = "block",
        tasks: Iterable[NewTask | Mapping[str, Any]] = (),
        on_failure: OnFailure | None = None,
    ) -> None:
        if run_at is not None and delay is not None:
            raise InvalidInput("give either run_at or delay, not both", field="delay")
        several = checked_tasks(tasks, on_failure)
        if several:
            _check_nothing_for_one(payload, max_attempts, backoff, timeout, unique)
        checked_payload, payload_bytes = measured_json(payload, field="payload")
        checked = {
            "task_type": check_text(task_type, field="task_type"),
            "queue": check_text(queue, field="queue"),
            "job_id": _settled_id(task_type, job_id, idempotency_key),
            "payload": checked_payload,
            "payload_bytes": bytes_of(several) if several else payload_bytes,
            "run_at": check_time(run_at, field="run_at"),
            "delay_seconds": checked_seconds(delay, "delay", LONGEST_DELAY),
            "max_attempts": checked_attempts(max_attempts),
            "backoff": checked_backoff(backoff, field="backoff"),
            "timeout_seconds": checked_timeout(timeout),
            **_checked_deadline(deadline, run_at),
            "tags": _checked_tags(tags),
            "tenant": None if tenant is None else check_text(tenant, field="tenant"),
            "unique": _checked_unique(unique),
            "priority": _checked_priority(priority),
            **_checked_order(order_key, order_on_failure, unique, several),
            "tasks": several,
            "on_failure": on_failure,
            "owner": job_id.owner if isinstance(job_id, Ticket) else None,
            # Only this object knows the id: no other try of the job can have been placed elsewhere.
            "is_minted": job_id is None and idempotency_key is None,
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any], *, field: str = "job") -> Self:
        """Return the job that a mapping of the constructor's arguments describes.

        Raises:
            InvalidInput: an argument is unknown, missing or malformed; `field` stands before its name.
        """
        for name in options:
            if name not in _OPTIONS:
                raise InvalidInput("this version has no such option", field=f"{field}.{name}")
        if "task_type" not in options:
            raise InvalidInput("is missing", field=f"{field}.task_type")
        try:
            return cls(**options)
        except InvalidInput as error:
            raise error.inside(field) from None

    def row(self) -> dict[str, Json]:
        """Return what was asked for, as SQL takes it; what is not set is left out: alike jobs are alike.

        Who owns it is not among it.
        """
        row: dict[str, Json] = {
            "job_id": self.job_id,
            "queue": self.queue,
            "task_type": self.task_type,
            "payload": self.payload,
            "run_at": self.run_at.isoformat() if self.run_at else None,
            "delay_seconds": self.delay_seconds,
            "max_attempts": self.max_attempts,
            **backoff_row(self.backoff),
            "timeout_seconds": self.timeout_seconds,
            "deadline_at": self.deadline_at.isoformat() if self.deadline_at else None,
            "deadline_seconds": self.deadline_seconds,
            "tags": list(self.tags) or None,
            "tenant": self.tenant,
            **unique_row(self.unique),
            "priority": self.priority or None,
            "order_key": self.order_key,
            "order_on_failure": None if self.order_on_failure == "block" else self.order_on_failure,
            "tasks": [task.row() for task in self.tasks] or None,
            "on_failure": self.on_failure,
        }
        return without_none(row)

    def place(self, owner: Literal["supabase", "legacy"]) -> None:
        """Decide which system runs it, for good: whoever enqueues this object again presents that.

        Raises:
            InvalidInput: the other one was decided before.
        """
        if self.owner not in (None, owner):
            raise InvalidInput(f"was placed with {self.owner} before", field="owner")
        object.__setattr__(self, "owner", owner)

    def owned_by(self, owner: Literal["supabase", "legacy"]) -> Self:
        """Return this job as that system's, whatever was decided before; this object stays as it is."""
        owned = object.__new__(type(self))
        for name in self.__slots__:
            object.__setattr__(owned, name, getattr(self, name))
        object.__setattr__(owned, "owner", owner)
        return owned

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return the job that `row` describes, as `row()` gave it."""
        options = {name: value for name, value in row.items() if name in _OPTIONS}
        for name in ("run_at", "deadline_at"):
            if row.get(name) is not None:
                options[name.removesuffix("_at") if name == "deadline_at" else name] = datetime.fromisoformat(
                    row[name]
                )
        for name in ("delay", "timeout", "deadline"):
            if row.get(f"{name}_seconds") is not None:
                options[name] = row[f"{name}_seconds"]
        if row.get("retry_delay_seconds") is not None:
            options["backoff"] = Backoff(
                row["retry_delay_seconds"],
                row["retry_factor"],
                row["retry_max_delay_seconds"],
                row["retry_jitter"],
            )
        if row.get("unique_key") is not None:
            until = row.get("unique_until") or row["unique_seconds"]
            options["unique"] = Unique(row["unique_key"], until, row["unique_conflict"])
        if row.get("tasks") is not None:
            options["tasks"] = [NewTask.from_row(task) for task in row["tasks"]]
        job = cls(**options)
        if row.get("owner") is not None:
            job.place(row["owner"])
        return job

    def options_given(self) -> tuple[str, ...]:
        """Return the names of the options that were set, as the constructor has them."""
        given = {
            "queue": self.queue != "default",
            "run_at": self.run_at is not None,
            "delay": self.delay_seconds is not None,
            "max_attempts": self.max_attempts is not None,
            "backoff": self.backoff is not None,
            "timeout": self.timeout_seconds is not None,
            "deadline": self.deadline_at is not None or self.deadline_seconds is not None,
            "tags": bool(self.tags),
            "tenant": self.tenant is not None,
            "unique": self.unique is not None,
            "priority": self.priority != 0,
            "order_key": self.order_key is not None,
            "order_on_failure": self.order_on_failure != "block",
            "tasks": bool(self.tasks),
        }
        return tuple(name for name, is_given in given.items() if is_given)


def _settled_id(task_type: str, job_id: str | None, idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return new_job_id() if job_id is None else check_job_id(job_id)
    if job_id is not None:
        raise InvalidInput("give either job_id or idempotency_key, not both", field="idempotency_key")
    key = check_text(idempotency_key, field="idempotency_key", max_length=1000)
    return job_id_from_key(task_type, key)


def _check_nothing_for_one(
    payload: object, max_attempts: object, backoff: object, timeout: object, unique: object
) -> None:
    """Refuse, beside several tasks, what says how a single one is run."""
    given = {"payload": payload, "max_attempts": max_attempts, "backoff": backoff, "timeout": timeout}
    for name, value in given.items():
        if value is not None:
            raise InvalidInput("give it to the tasks, not to a job of several", field=name)
    if isinstance(unique, Unique) and unique.on_conflict != "reject":
        raise InvalidInput("must be reject for a job of several tasks", field="unique.on_conflict")


def unique_row(unique: Unique | None) -> dict[str, Json]:
    """Return how a job is unique as SQL takes it."""
    if unique is None:
        return {}
    held: dict[str, Json] = (
        {"unique_until": unique.until}
        if isinstance(unique.until, str)
        else {"unique_seconds": float(unique.until)}  # type: ignore[arg-type]
    )
    return {"unique_key": unique.key, **held, "unique_conflict": unique.on_conflict}


def _checked_unique(value: object) -> Unique | None:
    if value is None:
        return None
    if not isinstance(value, Unique):
        raise InvalidInput(f"must be a Unique, not {type(value).__name__}", field="unique")
    check_text(value.key, field="unique.key")
    return value


def _checked_deadline(value: object, run_at: datetime | None) -> dict[str, object]:
    if not isinstance(value, datetime):
        seconds = checked_seconds(value, "deadline", LONGEST_DELAY, SHORTEST_SECONDS)
        return {"deadline_at": None, "deadline_seconds": seconds}
    moment = check_time(value, field="deadline")
    if run_at is not None and value <= run_at:
        raise InvalidInput("must be after run_at", field="deadline")
    return {"deadline_at": moment, "deadline_seconds": None}


def _checked_priority(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > HIGHEST_PRIORITY:
        text = f"must be a whole number from {-HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}"
        raise InvalidInput(text, field="priority")
    return value


def _checked_order(
    order_key: object, on_failure: object, unique: Unique | None, several: tuple[NewTask, ...]
) -> dict[str, object]:
    if on_failure not in ("block", "continue"):
        raise InvalidInput("must be block or continue", field="order_on_failure")
    if order_key is None:
        if on_failure != "block":
            raise InvalidInput("means nothing without order_key", field="order_on_failure")
        return {"order_key": None, "order_on_failure": "block"}
    if unique is not None and unique.on_conflict != "reject":
        text = f"cannot go with a Unique that may {unique.on_conflict}: the other job has a place of its own"
        raise InvalidInput(text, field="order_key")
    if several:
        raise InvalidInput("cannot go with tasks: they have an order of their own", field="order_key")
    return {"order_key": check_text(order_key, field="order_key"), "order_on_failure": on_failure}


def _checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise InvalidInput(f"must be several texts, not {type(tags).__name__}", field="tags")
    checked = tuple(check_text(tag, field=f"tags[{index}]") for index, tag in enumerate(tags))
    if len(checked) > MAX_TAGS:
        raise InvalidInput(f"must be at most {MAX_TAGS}, not {len(checked)}", field="tags")
    return checked
