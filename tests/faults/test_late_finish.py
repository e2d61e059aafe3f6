"""Finishes that arrive, or arrive again, after their task was claimed by another worker."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from supaqueue.contract import ClaimJobTasks, FinishAnswer, FinishedTask, FinishJobTasks, TaskRef
from supaqueue.errors import QueueUnavailable
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport
from tests.faults.proxy import Fault, FaultProxy
from tests.faults.scenarios import Story
from tests.faults.state import read_state

RETRY_AT_ONCE: dict[str, Any] = {"outcome": "retry", "after_seconds": 0.0}


def claimed_task(story: Story) -> TaskRef:
    story.enqueued(1)
    return story.claimed(1)[0].ref


def let_lease_run_out(database: psycopg.Connection[Any], job_id: str) -> None:
    database.execute(
        "update job_tasks set lease_expires_at = clock_timestamp() - interval '1 second' where job_id = %s",
        [job_id],
    )


def outcome(answer: FinishAnswer) -> tuple[str, str | None]:
    return answer.answer, answer.status


def test_original_held_until_another_worker_has_the_task_is_lost(
    direct: RestTransport,
    database: psycopg.Connection[Any],
    proxy: FaultProxy,
    settings_through_proxy: Settings,
) -> None:
    story = Story(direct)
    ref = claimed_task(story)
    finish = story.finish(FinishedTask(ref, "done", result="first worker's"))
    proxy.expect_always(finish.function, Fault.HOLD_REQUEST)
    with (
        RestTransport(settings_through_proxy, 0.3, try_seconds=0.3) as transport,
        pytest.raises(QueueUnavailable) as gave_up,
    ):
        transport.send(finish)
    assert gave_up.value.committed == "unknown"

    let_lease_run_out(database, ref.job_id)
    second = story.claimed(1, worker=story.other_worker)[0].ref
    before = read_state(database, story.job_ids, story.names)
    late = [finish.parse(answer.raise_for_status().json()) for answer in proxy.deliver_held()]
    assert [[outcome(answer) for answer in answers] for answers in late] == [[("lost", None)]]
    assert read_state(database, story.job_ids, story.names) == before

    done = FinishedTask(second, "done", result="second worker's")
    direct.send(story.finish(done, worker=story.other_worker))
    assert direct.send(finish)[0].answer == "lost"
    assert read_state(database, story.job_ids, story.names)["job_tasks"][0]["result"] == "second worker's"


def test_original_delivered_after_its_repeat_and_the_next_claim_changes_nothing(
    direct: RestTransport,
    database: psycopg.Connection[Any],
    proxy: FaultProxy,
    settings_through_proxy: Settings,
) -> None:
    story = Story(direct)
    finish = story.finish(FinishedTask(claimed_task(story), **RETRY_AT_ONCE))
    proxy.expect(finish.function, Fault.HOLD_REQUEST)
    with RestTransport(settings_through_proxy, 40.0, try_seconds=0.5) as transport:
        first = transport.send(finish)
    story.claimed(1, worker=story.other_worker)
    before = read_state(database, story.job_ids, story.names)
    [late] = [finish.parse(answer.raise_for_status().json()) for answer in proxy.deliver_held()]
    assert (
        [outcome(answer) for answer in late]
        == [outcome(answer) for answer in first]
        == [("recorded", "pending")]
    )
    assert read_state(database, story.job_ids, story.names) == before


@pytest.mark.parametrize("then_finished", [False, True], ids=["while it runs", "after it ended"])
def test_repeat_after_the_next_claim_is_answered_as_first(
    then_finished: bool, direct: RestTransport, database: psycopg.Connection[Any]
) -> None:
    story = Story(direct)
    finish: FinishJobTasks = story.finish(FinishedTask(claimed_task(story), **RETRY_AT_ONCE))
    first = direct.send(finish)
    again = story.claimed(1, worker=story.other_worker)[0].ref
    if then_finished:
        done = FinishedTask(again, "done", result="second")
        assert direct.send(story.finish(done, worker=story.other_worker))[0].answer == "recorded"
    before = read_state(database, story.job_ids, story.names)
    assert [outcome(answer) for answer in direct.send(finish)] == [outcome(answer) for answer in first]
    assert read_state(database, story.job_ids, story.names) == before


def test_claim_delivered_after_its_tasks_were_finished_leases_nothing(
    direct: RestTransport,
    database: psycopg.Connection[Any],
    proxy: FaultProxy,
    settings_through_proxy: Settings,
) -> None:
    story = Story(direct)
    story.enqueued(3)
    claim: ClaimJobTasks = story.claim(2)
    proxy.expect(claim.function, Fault.HOLD_REQUEST)
    with RestTransport(settings_through_proxy, 40.0, try_seconds=0.5) as transport:
        tasks = transport.send(claim).tasks
    direct.send(story.finish(*(FinishedTask(task.ref, "done") for task in tasks)))
    before = read_state(database, story.job_ids, story.names)
    [late] = [claim.parse(answer.raise_for_status().json()) for answer in proxy.deliver_held()]
    assert len(tasks) == 2
    assert late.tasks == ()
    assert read_state(database, story.job_ids, story.names) == before
