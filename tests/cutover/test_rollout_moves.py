"""`supaqueue rollout status, hand-back, take-over, drain-proof, release-parked`, as a user types them."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from supaqueue.contract import NewJob
from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.folder import FolderBroker
from supaqueue.cutover.spooled import mirror_record
from supaqueue.errors import QueueUnavailable
from supaqueue.job_id import new_job_id
from tests.cutover.commands import Terminal
from tests.cutover.world import World
from tests.sql.calls import endings, leases


def empty_pending(world: World) -> None:
    """Do as a legacy worker does with messages whose jobs have ended."""
    for waiting in list(world.legacy.broker.waiting()):
        world.legacy.broker.withdraw([waiting.native_id])


def unstamped(world: World) -> None:
    """Enqueue around the router."""
    broker = world.legacy.broker
    assert isinstance(broker, FolderBroker)
    (broker.files.pending / "foreign.json").write_text('{"task_type": "count", "payload": 1}')


def let_time_pass(world: World) -> None:
    with world.database.transaction():
        world.database.execute("set local session_replication_role = replica")
        world.database.execute("update feature_flag set updated_at = updated_at - interval '1 minute'")


def test_status_says_who_owns_what_is_owed_and_what_needs_a_person(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    assert world.enqueue(world.new_job("supabase")) == ["created"]
    rollout("set", "10")
    ended = world.new_job("legacy")
    world.accept(ended, world.new_job("legacy"))
    world.run_in_legacy(ended)
    world.spool.append([mirror_record(world.new_job("legacy"))])
    unstamped(world)
    world.legacy.index.start_unstamped(new_job_id(), "a", 1)
    report = rollout.json("status")
    [flag] = report["flags"]
    assert (flag["stage"], flag["supabase_percent"], flag["runs"]) == ("canary", 10, True)
    [owed] = report["owed"]
    assert (owed["mirror_state"], owed["jobs"]) == ("due", 1)
    assert 0 <= owed["oldest_seconds"] < 300
    assert (report["legacy_open"], report["held"]) == (2, 0)
    assert (report["spool"]["records"], report["legacy"]["problem"]) == (1, None)
    left = report["legacy"]["left"]
    assert (left["published"], left["unsent_endings"], left["unstamped"], left["unstamped_runs"]) == (
        1,
        1,
        1,
        1,
    )
    assert report["legacy"]["oldest_ending_seconds"] >= 0
    [warning] = report["warnings"]
    assert "enqueues around the router" in warning
    shown = rollout("status").out
    for part in ("canary", "owed to legacy: 1 due", "spool: 1 mirrors", "legacy (folder): alive", warning):
        assert part in shown, shown


def test_status_says_what_the_environment_comes_to(
    world: World, rollout: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.go_to(50)
    monkeypatch.setenv("SUPABASE_QUEUE_ROLLOUT_PERCENT", "20.5")
    [flag] = rollout.json("status")["flags"]
    assert (flag["rollout_percent"], flag["effective_percent"], flag["supabase_percent"]) == (50, 20.5, 20.5)
    monkeypatch.setenv("SUPABASE_QUEUE_DUAL_WRITE", "false")
    monkeypatch.delenv("SUPABASE_QUEUE_ROLLOUT_PERCENT")
    report = rollout.json("status")
    assert "SUPABASE_QUEUE_DUAL_WRITE" in report["flags"][0]["problem"]
    assert any("routers with this environment refuse jobs" in one for one in report["warnings"])


def test_status_without_a_legacy_queue_or_with_a_dead_one(
    world: World, rollout: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world.go_to(10)
    monkeypatch.delenv("SUPAQUEUE_LEGACY")
    monkeypatch.setenv("SUPAQUEUE_SPOOL", str(tmp_path / "none"))
    report = rollout.json("status")
    assert (report["legacy"], report["spool"]) == (None, None)
    assert not (tmp_path / "none").exists(), "looking makes no spool"
    assert any("no legacy queue is named" in one for one in report["warnings"])
    (tmp_path / "dead").mkdir()
    (tmp_path / "dead" / "writing").write_text("")
    report = rollout.json("status", "--legacy", f"folder:{tmp_path / 'dead'}")
    assert "gave no answer" in report["legacy"]["problem"]
    assert any("gives no answer" in one for one in report["warnings"])


LEGACY_COMMANDS = (
    ("begin",),
    ("relay", "--once"),
    ("hand-back",),
    ("take-over",),
    ("drain-proof",),
    ("release-parked", "--break-glass", "--reason", "r", "--although-supabase-answers"),
)


@pytest.mark.parametrize("command", LEGACY_COMMANDS, ids=lambda command: command[0])
def test_what_needs_legacy_refuses_without_it(
    world: World, rollout: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "dead").mkdir()
    (tmp_path / "dead" / "writing").write_text("")
    monkeypatch.setenv("SUPAQUEUE_LEGACY", f"folder:{tmp_path / 'dead'}")
    assert "the legacy folder gave no answer" in rollout.refused(*command)
    monkeypatch.delenv("SUPAQUEUE_LEGACY")
    assert "set SUPAQUEUE_LEGACY or --legacy" in rollout.refused(*command)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_module:queue", "cannot be imported"),
        ("mine", "write MODULE:QUEUE"),
        ("mine:nothing", "nothing is under"),
        ("mine:number", "no LegacyQueue is under"),
        ("mine:broken", "could not be called: ValueError: oh"),
    ],
)
def test_a_queue_that_is_not_there_is_said(
    world: World, rollout: Terminal, tmp_path: Path, name: str, said: str
) -> None:
    module = "number = 7\ndef broken():\n    raise ValueError('oh')\n"
    (tmp_path / "mine.py").write_text(module)
    assert said in rollout.refused("status", "--legacy", name)


def test_a_queue_of_ones_own(
    world: World, rollout: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "from pathlib import Path\nfrom supaqueue.cutover.legacy.folder import folder_queue\n"
    text += f"queue = folder_queue(Path({str(tmp_path / 'own')!r}))\ndef make():\n    return queue\n"
    (tmp_path / "my_queues.py").write_text(text)
    for name in ("my_queues:queue", "my_queues:make"):
        monkeypatch.setenv("SUPAQUEUE_LEGACY", name)
        assert rollout.json("status")["legacy"]["name"] == "folder"
    (tmp_path / ".env").write_text("SUPAQUEUE_LEGACY=my_queues:queue\n")
    monkeypatch.delenv("SUPAQUEUE_LEGACY")
    assert rollout.json("status")["legacy"]["problem"] is None


def test_relay_once_does_what_is_due(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    world.enqueue(world.new_job("supabase"))
    spooled = world.new_job("legacy")
    world.spool.append([mirror_record(spooled)])
    world.spool.close()
    said = rollout("relay", "--once")
    assert said.code == 0, said
    assert "1 mirrored, 1 parked" in said.out
    assert "nothing was due" in rollout("relay", "--once").out
    assert world.row(spooled, "owner") == ("legacy",)


def test_hand_back_brings_all_that_waits(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    jobs = [world.new_job("supabase") for _ in range(20)]
    late = world.new_job("supabase", run_at=datetime.now(UTC) + timedelta(days=3))
    world.enqueue(*jobs, late)
    assert "first `supaqueue rollout disable`" in rollout.refused("hand-back")
    rollout("disable")
    done = rollout.json("hand-back", "--reason", "errors")
    assert (done["state"], done["handed_back"], done["released"], done["waits_for"]) == ("done", 21, 21, [])
    assert world.published() == {(job.job_id, 1) for job in (*jobs, late)}
    assert world.worker.claim_all() == []
    assert "jobs go back to legacy" in rollout.refused("enable", "--percent", "10")
    assert "done: 0 jobs were sent over" in rollout("hand-back").out, "once more changes nothing"
    assert rollout("hand-back", "--end").code == 0
    assert rollout("enable", "--percent", "10").code == 0


def test_hand_back_says_what_legacy_had_closed(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    jobs = [world.new_job("supabase") for _ in range(3)]
    world.enqueue(*jobs)
    world.legacy.abandon([jobs[0].job_id])
    rollout("disable")
    said = rollout("hand-back")
    assert said.code == 0
    assert "done: 3 jobs were sent over by these passes, 2 released" in said.out
    assert "1 did not go back: legacy had ended them before" in said.out
    assert world.published() == {(job.job_id, 1) for job in jobs[1:]}


def test_hand_back_says_what_it_waits_for(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    jobs = world.new_job("supabase"), world.new_job("supabase")
    world.enqueue(*jobs)
    [task] = world.worker.claim(1)
    rollout("disable")
    said = rollout("hand-back", "--timeout", "0s")
    assert said.code == 1
    assert "waiting: 1 jobs were sent over by these passes, 1 released" in said.out
    assert "waits for: 1 claimed" in said.out
    world.worker.finish(endings([task], "not_started"))
    assert world.row(jobs[0], "owner") == world.row(jobs[1], "owner") == ("legacy",)
    assert "done: 0 jobs were sent over by these passes, 1 released" in rollout("hand-back").out


def started_and_waiting(world: World) -> NewJob:
    """A job that was started here and waits for its next attempt."""
    job = world.new_job("supabase", max_attempts=3)
    world.enqueue(job)
    tasks = world.worker.claim(1)
    world.worker.finish(endings(tasks, "retry", after_seconds=0, error={"type": "E", "message": "m"}))
    return job


def test_what_has_started_is_held_drained_or_sent(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    job = started_and_waiting(world)
    rollout("disable")
    said = rollout("hand-back")
    assert "done: 0 jobs were sent over" in said.out
    assert "1 tasks stay held" in said.out
    assert any("held" in one for one in rollout.json("status")["warnings"])
    assert "either stays or goes" in rollout.refused("hand-back", "--drain", "--include-started")
    waiting = rollout("hand-back", "--drain", "--timeout", "0s")
    assert waiting.code == 1
    assert "1 held, since they were started here" in waiting.out
    tasks = world.worker.claim()
    assert [task["job_id"] for task in tasks] == [job.job_id], "a drained type's held jobs are handed out"
    world.worker.heartbeat(leases(tasks), started=leases(tasks))
    assert "1 running" in rollout("hand-back", "--drain", "--timeout", "0s").out
    world.worker.finish(endings(tasks, "done"))
    assert rollout.json("hand-back", "--drain")["state"] == "done"
    rollout("hand-back", "--end")
    rollout("enable", "--percent", "100")
    other = started_and_waiting(world)
    rollout("disable")
    assert rollout.json("hand-back", "--include-started")["handed_back"] == 1
    assert world.row(other, "owner", "epoch") == ("legacy", 1)


def test_hand_back_of_one_type_leaves_the_others(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    job, other = world.new_job("supabase"), NewJob("other", {}, queue="q")
    other.place("supabase")
    world.enqueue(job, other)
    rollout("disable", "--type", "count")
    said = rollout("hand-back", "--type", "count", "--no-wait")
    assert "relays send what waits" in said.out
    assert "handed back" in rollout("relay", "--once").out
    assert (world.row(job, "owner"), world.row(other, "owner")) == (("legacy",), ("supabase",))
    assert rollout("hand-back", "--end", "--type", "count").code == 0
    rollout("disable")
    said = rollout("hand-back")
    assert "types with a row of their own stay: count" in said.out
    assert world.row(other, "owner") == ("legacy",)
    assert "goes alone" in rollout.refused("hand-back", "--end", "--drain")


def test_take_over_brings_what_waits_and_says_what_stays(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    waiting = world.new_job("legacy")
    late = world.new_job("legacy", run_at=datetime.now(UTC) + timedelta(days=30))
    other = NewJob("other", {}, queue="q")
    other.place("legacy")
    running = world.new_job("legacy")
    world.accept(waiting, late, other, running)
    admission = world.guard.admit({"v": 1, "job_id": running.job_id, "epoch": 0}, "count")
    assert admission.verdict == "run"
    unstamped(world)
    done = rollout.json("take-over", "--type", "count")
    assert (done["taken_over"], done["still_due"], done["left"]) == (3, 0, {"due": 3, "closed_type": 1})
    assert (done["adopted"], done["unstamped"], done["unlisted"]) == (1, [], None)
    assert (done["legacy"]["running"], done["legacy"]["unstamped"]) == (1, 0)
    said = rollout("take-over").out
    assert "1 jobs were taken over" in said
    assert "1 run in legacy now" in said
    assert world.row(late, "owner", "epoch", "status") == ("supabase", 1, "pending")
    assert world.published() == {(running.job_id, 0)}
    assert "0 jobs were taken over" in rollout("take-over").out


def test_nothing_is_taken_over_that_would_not_run(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    job = world.new_job("legacy")
    world.accept(job)
    rollout("disable")
    assert "would not run" in rollout.refused("take-over")
    assert "would not run" in rollout.refused("take-over", "--type", "count")
    rollout("enable", "--percent", "100")
    rollout("disable", "--type", "count")
    assert rollout.json("take-over")["left"] == {"closed_type": 1}
    assert world.row(job, "owner", "mirror_state") == ("legacy", "none")


def test_the_drain_proof_finds_each_thing_that_is_left(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    job = world.new_job("legacy")
    world.accept(job)
    let_time_pass(world)
    said = rollout("drain-proof")
    assert said.code == 1
    assert "1 messages wait in legacy" in said.out
    assert "legacy: not drained" in said.out
    world.run_in_legacy(job)
    empty_pending(world)
    assert "1 ends of legacy's jobs were not told" in rollout("drain-proof").out
    world.relay.turn()
    assert rollout.json("drain-proof")["verdict"] == "drained"
    unstamped(world)
    assert "carry no stamp" in rollout("drain-proof").out
    empty_pending(world)
    world.spool.append([mirror_record(world.new_job("legacy"))])
    assert "1 records in the spool" in rollout("drain-proof").out
    world.spool.close()
    world.relay.send_spooled()
    assert "jobs of legacy are open in Supabase's books" in rollout("drain-proof").out


def test_a_proof_counts_what_may_still_come(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    assert "changed a moment ago" in rollout("drain-proof").out
    world.change(holdback_percent=2)
    let_time_pass(world)
    assert "new jobs may still be legacy's: its flag stands at live, 100 percent, holdback 2" in (
        rollout("drain-proof").out
    )
    world.change(holdback_percent=0, legacy_tenants=["t"])
    let_time_pass(world)
    assert "may still be legacy's" in rollout("drain-proof").out
    world.change(legacy_tenants=[], is_enabled=False)
    let_time_pass(world)
    assert "may still be legacy's" in rollout("drain-proof").out
    world.change(is_enabled=True)
    let_time_pass(world)
    assert rollout("drain-proof").code == 0
    world.legacy.index.start_unstamped(new_job_id(), "a", 1)
    assert "a message without a stamp ran since" in rollout("drain-proof").out
    assert "must be legacy or supabase" in rollout.refused("drain-proof", "--side", "both")


def test_the_other_side_can_be_proven_too(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    world.enqueue(world.new_job("supabase"))
    said = rollout("drain-proof", "--side", "supabase")
    assert said.code == 1
    assert "1 tasks wait in Supabase" in said.out
    assert "new jobs are Supabase's" in said.out
    rollout("disable")
    rollout("hand-back")
    assert rollout("drain-proof", "--side", "supabase").code == 0


def test_what_a_broker_cannot_count_is_unknown_unless_waived(
    world: World, rollout: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world.go_to(100)
    let_time_pass(world)
    text = """
from dataclasses import replace
from pathlib import Path
from supaqueue.cutover.legacy.folder import FolderBroker, folder_queue

class Vague(FolderBroker):
    name = "vague"
    cannot = {"count_scheduled": "it lies in workers' memory"}
    def count(self):
        return replace(super().count(), scheduled=None)

queue = folder_queue(Path("legacy"))
queue.broker = Vague(Path("legacy"))
"""
    (tmp_path / "vague_queue.py").write_text(text)
    monkeypatch.setenv("SUPAQUEUE_LEGACY", "vague_queue:queue")
    said = rollout("drain-proof")
    assert said.code == 1
    assert "unknown: scheduled: vague cannot count that: it lies in workers' memory" in said.out
    assert "legacy: unknown" in said.out
    assert "lies in workers' memory" in rollout.refused("set", "100", "--stage", "complete")
    assert rollout("drain-proof", "--waive", "scheduled").code == 0
    assert "must be one of" in rollout.refused("drain-proof", "--waive", "everything")
    assert rollout("drain-proof", "--waive", "leased").code == 1
    assert rollout("set", "100", "--stage", "complete", "--waive", "scheduled").code == 0


def gone(*_: Any) -> Any:
    raise QueueUnavailable("no answer", call="start_legacy_v1", committed="unknown")


def test_break_glass_runs_in_legacy_what_supabase_owned(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    parked, handed = world.new_job("supabase"), world.new_job("supabase")
    taken, own = world.new_job("legacy"), world.new_job("legacy")
    world.enqueue(parked)
    world.accept(taken)
    rollout("take-over")
    world.legacy.enqueue([own])
    world.legacy.release([(handed, 2)])
    rollout.lose_supabase()
    guard = Guard(world.legacy.index, start_in_supabase=gone)
    assert guard.admit({"v": 1, "job_id": handed.job_id, "epoch": 2}, "count").verdict == "hold"
    command = ("release-parked", "--break-glass", "--reason", "project deleted", "--by", "ann")
    refused = rollout.refused(*command)
    assert "2 copies of Supabase's jobs and 1 handed-over ones" in refused
    assert "at least once" in refused
    assert "may run twice" in refused
    assert "expected the words" in rollout.refused(*command, "--confirm", "yes")
    assert guard.admit({"v": 1, "job_id": handed.job_id, "epoch": 2}, "count").verdict == "hold"
    done = rollout.json(*command, "--confirm", "break glass")
    assert done == {"released": 3, "by": "ann", "reason": "project deleted"}
    stamps = {(parked.job_id, 1), (taken.job_id, 1), (handed.job_id, 2)}
    assert world.published() == stamps | {(own.job_id, 0)}
    for job_id, epoch in stamps:
        admission = guard.admit({"v": 1, "job_id": job_id, "epoch": epoch}, "count")
        assert admission.verdict == "run", admission
    entry = world.entry(parked)
    assert entry is not None
    assert entry.broken_glass is not None
    assert (entry.broken_glass.by, entry.broken_glass.reason) == ("ann", "project deleted")
    assert rollout.json(*command)["released"] == 0, "nothing is left to ask about"


def test_break_glass_goes_on_where_it_was_interrupted(world: World, rollout: Terminal) -> None:
    from supaqueue.cutover.legacy.entry import BrokenGlass

    world.go_to(100)
    job, other = world.new_job("supabase"), NewJob("other", {}, queue="q")
    other.place("supabase")
    world.enqueue(job, other)
    world.relay.turn()
    world.legacy.index.break_glass([job.job_id], BrokenGlass("ann", "first"))
    rollout.lose_supabase()
    assert world.published() == set()
    command = ("release-parked", "--break-glass", "--reason", "again", "--confirm", "break glass")
    assert rollout.json(*command, "--type", "count")["released"] == 1
    assert world.published() == {(job.job_id, 1)}
    entry = world.entry(job)
    assert entry is not None
    assert entry.broken_glass is not None
    assert entry.broken_glass.by == "ann", "who allowed it first"
    assert rollout.json(*command)["released"] == 1, "the other type"


def test_glass_is_not_broken_while_supabase_answers(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    world.enqueue(world.new_job("supabase"))
    world.relay.turn()
    assert "--break-glass" in rollout.refused("release-parked")
    assert "--reason" in rollout.refused("release-parked", "--break-glass")
    command = ("release-parked", "--break-glass", "--reason", "r", "--confirm", "break glass")
    assert "hand-back" in rollout.refused(*command)
    assert world.published() == set()
    assert rollout.json(*command, "--although-supabase-answers")["released"] == 1


class Keyboard(io.StringIO):
    """What someone types."""

    def isatty(self) -> bool:
        return True


def test_the_words_are_typed(world: World, rollout: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    world.go_to(100)
    world.enqueue(world.new_job("supabase"))
    world.relay.turn()
    command = ("release-parked", "--break-glass", "--reason", "r", "--although-supabase-answers")
    monkeypatch.setattr("sys.stdin", Keyboard("yes\n"))
    said = rollout(*command)
    assert said.code == 1
    assert "may run twice" in said.err
    assert world.published() == set()
    monkeypatch.setattr("sys.stdin", Keyboard("break glass\n"))
    assert "1 jobs run in legacy now" in rollout(*command).out


def test_two_hand_backs_at_once_release_each_job_once(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    jobs = [world.new_job("supabase") for _ in range(300)]
    world.enqueue(*jobs)
    rollout("disable")
    world.change(hand_back="not_started")
    passed = threading.Event()

    def other() -> None:
        relay = world.relay
        while not passed.is_set():
            relay.hand_back()
            relay.turn()

    thread = threading.Thread(target=other)
    thread.start()
    try:
        done = rollout.json("hand-back")
    finally:
        passed.set()
        thread.join()
    assert done["state"] == "done"
    assert world.published() == {(job.job_id, 1) for job in jobs}


def test_a_proof_by_environment_goes_by_the_variables(
    world: World, rollout: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout("begin", "--by-environment", "--holdback", "0")
    let_time_pass(world)
    assert "may still be legacy's" in rollout("drain-proof").out, "nothing is set"
    monkeypatch.setenv("SUPABASE_QUEUE_DUAL_WRITE", "true")
    monkeypatch.setenv("SUPABASE_QUEUE_ENABLED", "true")
    monkeypatch.setenv("SUPABASE_QUEUE_ROLLOUT_PERCENT", "50")
    assert "may still be legacy's" in rollout("drain-proof").out
    monkeypatch.setenv("SUPABASE_QUEUE_ROLLOUT_PERCENT", "100")
    assert rollout("drain-proof").code == 0
