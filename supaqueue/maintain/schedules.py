"""Recurring jobs: declaring, listing, removing, enabling and disabling their schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from supaqueue.contract import (
    Call,
    DeclareSchedules,
    ListSchedules,
    NewSchedule,
    RemoveSchedules,
    ScheduleAnswer,
    ScheduleRef,
    Schedules,
    SwitchSchedules,
)
from supaqueue.contract.json_value import check_size
from supaqueue.errors import CallRefused, InvalidInput
from supaqueue.settings import MAX_JSON_BYTES
from supaqueue.transport import Transport

TRIES = 10
"""Each try but the first follows a change that somebody else made since the one before."""

Answers = tuple[ScheduleAnswer, ...]
Versions = dict[str, int | None]


def declare_schedules(
    transport: Transport, schedules: Iterable[NewSchedule], *, max_json_bytes: int = MAX_JSON_BYTES
) -> Answers:
    """Make schedules stand as given, whatever they were before; whether one is enabled is kept.

    Raises:
        InvalidInput: a name comes twice, or a payload is too large.
        CallError: a call failed; then the same again is safe.
    """
    given = tuple(schedules)
    for schedule in given:
        check_size(schedule.payload_bytes, field="payload", max_bytes=max_json_bytes)
    names = [schedule.schedule_name for schedule in given]
    if len(set(names)) < len(names):
        raise InvalidInput("each schedule may be declared once", field="schedule_name")

    def call(versions: Versions) -> Call[Answers]:
        return DeclareSchedules(given, tuple(versions.get(name) for name in names))

    return _change(transport, call) if given else ()


def list_schedules(transport: Transport, *, with_payload: bool = False) -> Schedules:
    """Return all schedules, and the database's time.

    Raises:
        CallError: the call failed.
    """
    return transport.send(ListSchedules(with_payload))


def remove_schedule(transport: Transport, schedule_name: str) -> ScheduleAnswer:
    """Remove a schedule; jobs that it has enqueued stay. The answer is `removed` or `unknown`.

    Raises:
        CallError: a call failed; then the same again is safe.
    """

    def call(versions: Versions) -> Call[Answers]:
        return RemoveSchedules((ScheduleRef(schedule_name, versions.get(schedule_name)),))

    return _change(transport, call)[0]


def switch_schedule(transport: Transport, schedule_name: str, *, is_enabled: bool) -> ScheduleAnswer:
    """Enable or disable a schedule. The answer is `enabled`, `disabled` or `unknown`.

    Raises:
        CallError: a call failed; then the same again is safe.
    """

    def call(versions: Versions) -> Call[Answers]:
        return SwitchSchedules((ScheduleRef(schedule_name, versions.get(schedule_name)),), is_enabled)

    return _change(transport, call)[0]


def _change(transport: Transport, call: Callable[[Versions], Call[Answers]]) -> Answers:
    versions: Versions = {}
    for _ in range(TRIES):
        answers = transport.send(call(versions))
        if all(answer.answer != "changed" for answer in answers):
            return answers
        versions = {answer.schedule_name: answer.version for answer in answers}
    raise CallRefused(
        "others change the same schedules all the time: see who does, then try again",
        call=call(versions).function,
        retryable=True,
    )
