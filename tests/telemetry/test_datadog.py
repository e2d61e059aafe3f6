from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from supaqueue.telemetry import Telemetry, configured_hooks, events
from supaqueue.telemetry.datadog import METRICS, DatadogHook

Eventually = Callable[[Callable[[], bool]], bool]
TYPES = {"count": "c", "histogram": "h", "gauge": "g"}


def test_every_event_becomes_its_metrics_and_no_other(
    agent: Any, one_of_each: tuple[events.Event, ...], eventually: Eventually
) -> None:
    hook = DatadogHook(agent.url)
    for event in one_of_each:
        hook(event)
    hook.close(5)

    assert eventually(lambda: agent.names() >= set(METRICS))
    assert agent.names() == set(METRICS)
    for metric, kind in METRICS.items():
        assert all(line.split("|")[1] == TYPES[kind] for line in agent.lines_of(metric))


EVENTS = {
    "supabase_queue: rolled back": ("error", "10 to 0 percent, by watch: errors"),
    "rollout watch: looks fail": ("error", "QueueUnavailable, for 300 s"),
    "rollout watch: looks go well again": ("success", "after 420 s"),
}


def test_values_and_tags(agent: Any, one_of_each: tuple[events.Event, ...], eventually: Eventually) -> None:
    telemetry = Telemetry([DatadogHook(agent.url)])
    for event in one_of_each:
        telemetry.emit(event)
    telemetry.close(5)
    assert eventually(lambda: agent.names() == set(METRICS))

    task = "queue:mail,task_type:send_mail"
    expected = {
        f"supaqueue.job_enqueued:1|c|#{task},answer:created",
        f"supaqueue.job_failed:1|c|#{task}",
        f"supaqueue.job.wait_seconds:0.5|h|#{task}",
        "supaqueue.enqueue_unavailable:40|c|#call:enqueue_jobs_v1,committed:unknown",
        "supaqueue.queue_unavailable:1|c|#call:enqueue_jobs_v1,committed:unknown",
        f"supaqueue.lease_lost:1|c|#{task},where:finish",
        "supaqueue.tasks_pending:11|g|#queue:mail",
        "supaqueue.tasks_processing:22|g|#queue:mail",
        "supaqueue.tasks_failed:33|g|#queue:mail",
    }
    lines = {"|".join(line.split("|")[:3]) for line in agent.lines}
    assert expected <= lines
    runs = " ".join(agent.lines_of("supaqueue.job.run_seconds"))
    assert {outcome for outcome in ("retried", "succeeded", "failed") if f"outcome:{outcome}" in runs} == {
        "retried", "succeeded", "failed",
    }  # fmt: skip
    assert eventually(lambda: len(agent.events) == 3)
    told = {title: [event for event in agent.events if title in event] for title in EVENTS}
    for title, (alert_type, text) in EVENTS.items():
        [event] = told[title]
        assert f"{title}|{text}" in event
        assert f"|t:{alert_type}" in event
    assert "w-1" not in " ".join(agent.lines)
    assert "job-7" not in " ".join(agent.lines)


def test_a_key_in_a_persons_reason_does_not_leave(
    agent: Any, one_of_each: tuple[events.Event, ...], eventually: Eventually
) -> None:
    [changed] = [one for one in one_of_each if isinstance(one, events.RolloutChanged)]
    hook = DatadogHook(agent.url)
    hook(replace(changed, reason="tried sb_secret_AbC-123_x4", changed_by="ann password=hunter2"))
    hook.close(5)
    assert eventually(lambda: bool(agent.events))
    assert "by ann password=[redacted]: tried [redacted]" in agent.events[0]


def test_a_worker_tag_and_constant_tags_on_request(
    agent: Any, one_of_each: tuple[events.Event, ...], eventually: Eventually
) -> None:
    hook = DatadogHook(agent.url, tags=["team:post"], worker_tag=True)
    hook(one_of_each[1])
    hook.close(5)
    assert eventually(lambda: bool(agent.lines_of("supaqueue.job_started")))
    assert "worker:w-1,team:post" in agent.lines_of("supaqueue.job_started")[0]


def test_counts_add_up_and_leave_without_a_close(
    agent: Any, ids: dict[str, Any], eventually: Eventually
) -> None:
    hook = DatadogHook(agent.url)
    for _ in range(5_000):
        hook(events.JobStarted(**ids, attempt=1, waited_seconds=None))

    def counted() -> float:
        lines = agent.lines_of("supaqueue.job_started")
        return sum(float(line.split(":")[1].split("|")[0]) for line in lines)

    assert eventually(lambda: counted() == 5_000)
    assert len(agent.lines) < 1_000
    hook.close(5)


def test_close_sends_what_is_held_before_the_process_ends(agent: Any, eventually: Eventually) -> None:
    program = (
        "import os, sys\n"
        "from supaqueue.telemetry import events\n"
        "from supaqueue.telemetry.datadog import DatadogHook\n"
        "hook = DatadogHook(sys.argv[1])\n"
        "hook(events.QueueDepth(queue='mail', pending=1, processing=2, failed=3))\n"
        "hook.close(5)\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, agent.url], check=True, timeout=60)
    assert eventually(lambda: len(agent.names()) == 3)


def test_a_name_cannot_forge_tags_or_metrics(agent: Any, eventually: Eventually) -> None:
    hook = DatadogHook(agent.url)
    hook(events.QueueDepth(queue="a,env:prod|c\nforged:1|c", pending=1, processing=0, failed=0))
    hook.close(5)
    assert eventually(lambda: bool(agent.lines_of("supaqueue.tasks_pending")))
    assert "#queue:a_env:prod_c_forged:1_c" in agent.lines_of("supaqueue.tasks_pending")[0]
    assert not agent.lines_of("forged")


@pytest.mark.parametrize(
    "url", ["udp://127.0.0.1:9", "udp://no-such-host.invalid:8125", "unix:///nowhere/dsd.socket"]
)
def test_without_an_agent_nothing_is_raised(
    url: str,
    one_of_each: tuple[events.Event, ...],
    caplog: pytest.LogCaptureFixture,
    eventually: Eventually,
) -> None:
    hook = DatadogHook(url)
    for event in one_of_each * 30:
        hook(event)
    hook.close(2)
    assert not [record for record in caplog.records if record.name.startswith("supaqueue")]
    # What still looks for the name would warn of it in the midst of other tests.
    assert eventually(lambda: not any("sender" in thread.name for thread in threading.enumerate()))


def test_from_the_environment(
    agent: Any, one_of_each: tuple[events.Event, ...], eventually: Eventually
) -> None:
    telemetry = Telemetry(configured_hooks({"DD_DOGSTATSD_URL": agent.url, "DD_AGENT_HOST": "192.0.2.1"}))
    telemetry.emit(one_of_each[0])
    telemetry.close(5)
    assert eventually(lambda: bool(agent.lines_of("supaqueue.job_enqueued"))), json.dumps(agent.lines)
