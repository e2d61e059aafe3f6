"""Jobs sent through both systems and compared; the test is the workers of both, and the relay."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from supaqueue.cli import main
from supaqueue.cutover.legacy.entry import Ending
from supaqueue.cutover.stamp import Stamp
from tests.cutover.commands import Said, Terminal
from tests.cutover.world import World
from tests.sql.calls import endings

Rounding = Callable[[float], float]


def run_everything(world: World, rounding: Rounding) -> None:
    """One turn of the workers of both systems and of the relay; Supabase's round in their own way."""
    for waiting in list(world.legacy.broker.waiting()):
        assert waiting.stamp is not None
        entry = world.legacy.get([waiting.stamp.job_id])[0]
        assert entry is not None
        assert entry.job is not None
        admission = world.guard.admit(Stamp(entry.job_id, entry.epoch), entry.job.task_type)
        if admission.run is not None:
            with admission.run as run:
                run.finish(Ending("completed", result_of(entry.job.payload, round2), attempts=1))
            world.legacy.broker.withdraw([waiting.native_id])
    worker = world.worker
    for task in worker.claim(100):
        found: Any = result_of(task["payload"], rounding)
        if task["purpose"] == "shadow":
            found = {"result": found, "effects": [], "effect_count": 0}
        worker.finish(endings([task], "done", result=found))
    world.relay.turn()


def round2(price: float) -> float:
    return round(price, 2)


def result_of(payload: Any, rounding: Rounding) -> dict[str, Any]:
    return {"price": rounding(payload["price"]), "rows": len(payload["rows"])}


@pytest.fixture
def parity(world: World, rollout: Terminal, tmp_path: Path) -> Callable[..., Said]:
    """Types `supaqueue parity run` on forty inputs, while both systems work, for a minute at most."""
    lines = [
        json.dumps({"task_type": "bill", "queue": "q", "payload": {"price": n * 1.2345, "rows": [n]}})
        for n in range(40)
    ]
    (tmp_path / "bills.jsonl").write_text("\n".join(lines) + "\n\n")
    bills = replace(world, task_type="bill")

    def type_(*arguments: str, rounding: Rounding = round2, works: bool = True) -> Said:
        def turn(seconds: float) -> None:
            if works:
                run_everything(bills, rounding)

        rollout.monkeypatch.setattr("supaqueue.cutover.parity.sending.time.sleep", turn)
        waiting = () if "--timeout" in arguments else ("--timeout", "60s")
        rollout.capture.readouterr()
        rollout.monkeypatch.setattr("sys.argv", ["supaqueue", "parity", "run", *waiting, *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        captured = rollout.capture.readouterr()
        code = left.value.code
        return Said(code if isinstance(code, int) else int(code is not None), captured.out, captured.err)

    return type_


def shadow_all(world: World) -> None:
    world.go_to(0)
    world.change(stage="shadow", shadow_percent=20)


def test_a_hundred_jobs_match_and_prove_what_they_can(world: World, parity: Callable[..., Said]) -> None:
    shadow_all(world)
    said = parity("--input", "bills.jsonl", "--jobs", "100", "--bound", "3", "--json")
    assert (said.code, said.err) == (0, ""), said.out[:3000]
    report = json.loads(said.out)
    assert report["classes"] == {"match": 100}
    shadows = "select count(*) from job_tasks where purpose = 'shadow' and status = 'completed'"
    assert world.database.execute(shadows).fetchone() == (100,)
    unsure = parity("--input", "bills.jsonl", "--jobs", "100", "--html", "parity.html")
    assert unsure.code == 2
    assert "100 compared jobs" in Path("parity.html").read_text()
    assert "at most 2.95%" in unsure.out


def test_a_handler_that_rounds_differently_is_named_by_the_field(
    world: World, parity: Callable[..., Said]
) -> None:
    shadow_all(world)
    said = parity("--input", "bills.jsonl", "--jobs", "40", "--json", rounding=lambda price: round(price, 1))
    assert said.code == 1
    [bill] = json.loads(said.out)["types"]
    [differs] = [one for one in bill["classes"] if one["name"] == "result_diff"]
    assert differs["paths"] == [{"path": "shadow.result.price", "kind": "value", "jobs": differs["count"]}]
    assert differs["count"] > 30


def test_at_canary_each_runs_with_its_owner(world: World, parity: Callable[..., Said]) -> None:
    world.go_to(50)
    said = parity("--input", "bills.jsonl", "--jobs", "60", "--bound", "5", "--json")
    assert said.code == 0, said
    report = json.loads(said.out)
    assert report["classes"] == {"match": 60}
    [share] = report["shares"]
    assert 0 < share["supabase"] < 60


def test_what_never_settles_is_judged_as_it_is(world: World, parity: Callable[..., Said]) -> None:
    shadow_all(world)
    said = parity("--input", "bills.jsonl", "--jobs", "3", "--timeout", "0.1s", "--json", works=False)
    assert said.code == 1
    assert json.loads(said.out)["classes"] == {"stuck": 3}


def test_what_neither_system_knows_is_no_pass(
    world: World, parity: Callable[..., Said], rollout: Terminal
) -> None:
    shadow_all(world)
    rollout.monkeypatch.setattr(
        "supaqueue.cutover.router.DualWriteQueue.enqueue_many", lambda queue, jobs: []
    )
    said = parity("--input", "bills.jsonl", "--jobs", "3", "--timeout", "0.1s", "--bound", "99")
    assert (said.code, said.out) == (3, "")
    assert "3 of 3 jobs that were accepted are unknown to both systems" in said.err


def test_without_shadows_it_says_how_to_have_them(world: World, parity: Callable[..., Said]) -> None:
    world.go_to(0)
    said = parity("--input", "bills.jsonl")
    assert said.code == 3
    assert "rollout set 0 --stage shadow --shadow 5" in said.err
    assert world.published() == set()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "has no line"),
        ("{", "bad.jsonl:1"),
        ('{"task_type": "bill"}\n[1]', "bad.jsonl:2"),
        ('{"task_type": "bill", "job_id": "x"}', "job_id"),
        ('{"task_type": "bill", "prio": 1}', "input 1.prio"),
        ('{"payload": 1}', "task_type"),
    ],
)
def test_bad_inputs_send_nothing(
    world: World, parity: Callable[..., Said], tmp_path: Path, content: str, named: str
) -> None:
    shadow_all(world)
    (tmp_path / "bad.jsonl").write_text(content)
    said = parity("--input", "bad.jsonl")
    assert said.code == 3, said
    assert named in said.err
    assert world.published() == set()


@pytest.mark.parametrize("arguments", [("--input", "none.jsonl"), ("--jobs", "0"), ("--timeout", "soon")])
def test_bad_options(world: World, parity: Callable[..., Said], arguments: tuple[str, ...]) -> None:
    given = arguments if "--input" in arguments else ("--input", "bills.jsonl", *arguments)
    said = parity(*given)
    assert said.code == 3, said
    assert "Traceback" not in said.err
