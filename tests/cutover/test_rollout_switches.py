"""`supaqueue rollout begin, set, enable, disable, history`: who owns new jobs, as a user types it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from supaqueue.contract import FeatureFlag, ReadFeatureFlags
from tests.cutover.commands import Terminal
from tests.cutover.world import World


def flag_now(world: World) -> FeatureFlag:
    return world.transport.send(ReadFeatureFlags()).overall


def stands(world: World) -> tuple[str, bool, Decimal]:
    flag = flag_now(world)
    return flag.stage, flag.is_enabled, flag.rollout_percent


def test_the_way_from_complete_to_live_and_back(world: World, rollout: Terminal) -> None:
    said = rollout("begin", "--reason", "week 1", "--by", "ann")
    assert said.code == 0, said
    assert "set 0 --stage mirror" in said.out
    assert stands(world) == ("off", False, 0)
    assert flag_now(world).holdback_percent == 2
    assert rollout.json("set", "0", "--stage", "mirror")["stage"] == "mirror"
    assert rollout.json("set", "0", "--stage", "shadow", "--shadow", "5")["shadow_percent"] == 5
    shown = rollout.json("set", "10", "--expect-version", str(flag_now(world).version))
    assert (shown["stage"], shown["is_enabled"], shown["supabase_percent"]) == ("canary", True, 10)
    assert rollout.json("set", "12.34")["supabase_percent"] == 12.34
    assert rollout.json("set", "100")["supabase_percent"] == 98, "the holdback stays"
    assert rollout.json("set", "100", "--holdback", "0")["supabase_percent"] == 100
    assert stands(world) == ("live", True, 100)
    assert rollout.json("set", "50")["stage"] == "canary"
    assert rollout.json("set", "0", "--stage", "mirror")["is_enabled"] is False
    changes = rollout.json("history")
    assert [change["after"]["stage"] for change in reversed(changes)] == [
        "off", "mirror", "shadow", "canary", "canary", "live", "live", "canary", "mirror",
    ]  # fmt: skip
    first = changes[-1]
    assert (first["changed_by"], first["reason"]) == ("ann", "week 1")
    assert "stage live to canary" in rollout("history").out


def test_ten_percent_from_mirror_is_one_command(world: World, rollout: Terminal) -> None:
    world.go_to(0)
    before = flag_now(world).version
    assert rollout("set", "10").code == 0
    assert stands(world) == ("canary", True, 10)
    [change] = [one for one in rollout.json("history") if one["version"] > before]
    assert change["after"]["rollout_percent"] == 10


def test_begin_by_environment_leaves_it_to_the_variables(
    world: World, rollout: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = rollout("begin", "--by-environment", "--holdback", "0")
    assert said.code == 0, said
    assert stands(world) == ("live", True, 100)
    assert flag_now(world).by_environment
    changes = rollout.json("history")
    given = [(one["after"]["stage"], one["after"]["rollout_percent"]) for one in reversed(changes)]
    assert given == [("off", 0), ("mirror", 0), ("canary", 0), ("live", 100)]
    for dual_write, enabled, percent, stage, share in (
        ("true", "false", "", "mirror", 0),
        ("true", "true", "10", "canary", 10),
        ("true", "true", "100", "live", 100),
    ):
        monkeypatch.setenv("SUPABASE_QUEUE_DUAL_WRITE", dual_write)
        monkeypatch.setenv("SUPABASE_QUEUE_ENABLED", enabled)
        monkeypatch.setenv("SUPABASE_QUEUE_ROLLOUT_PERCENT", percent)
        row = rollout.json("status")["flags"][0]
        assert (row["effective_stage"], row["supabase_percent"], row["problem"]) == (stage, share, None)


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_beginning_that_was_interrupted_goes_on(world: World, rollout: Terminal, done: int) -> None:
    from supaqueue.contract import ChangeFeatureFlag
    from supaqueue.cutover.flag_steps import BEGUN, steps_to_begin

    steps = steps_to_begin(flag_now(world), by_environment=True, holdback=Decimal(2))
    for step in steps[:done]:
        evidence = f"{BEGUN} to {step['stage']}"
        world.transport.send(ChangeFeatureFlag(step, changed_by="test", evidence=evidence))
    assert rollout("begin", "--by-environment").code == 0
    assert stands(world) == ("live", True, 100)
    assert "has begun, and stands at live" in rollout.refused("begin")


def test_what_was_lowered_since_a_beginning_is_not_raised_by_it(world: World, rollout: Terminal) -> None:
    rollout("begin", "--by-environment")
    rollout("disable")
    assert "has begun, and stands at canary" in rollout.refused("begin", "--by-environment")
    assert stands(world) == ("canary", False, 0)


def test_begin_needs_a_living_legacy_queue(
    world: World, rollout: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SUPAQUEUE_LEGACY", f"folder:{tmp_path / 'misspelt'}")
    assert "there is no folder" in rollout.refused("begin")
    assert not (tmp_path / "misspelt").exists()
    monkeypatch.delenv("SUPAQUEUE_LEGACY")
    assert "SUPAQUEUE_LEGACY" in rollout.refused("begin")
    assert stands(world) == ("complete", True, 100)


def test_begin_names_the_types_that_it_does_not_reach(world: World, rollout: Terminal) -> None:
    job = world.new_job("supabase")
    world.enqueue(job)
    world.client.cancel(job.job_id)
    rollout("set", "100", "--type", "count")
    assert "stay as they are: count" in rollout("begin").out


def test_begin_waits_until_nothing_is_unfinished_here(world: World, rollout: Terminal) -> None:
    world.enqueue(world.new_job("supabase"))
    assert "no job is unfinished here" in rollout.refused("begin")


def test_the_emergency_and_the_way_back_are_said_not_guessed(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    assert world.enqueue(world.new_job("supabase")) == ["created"]
    rollout("set", "10")
    said = rollout("disable", "--reason", "errors", "--by", "ann")
    assert said.code == 0
    assert said.out.startswith("disabled in ")
    assert "claims hand out no jobs any more" in said.out
    assert stands(world) == ("canary", False, 0)
    assert world.worker.claim() == []
    assert "enable --percent 20" in rollout.refused("set", "20")
    assert "before it was disabled it was 10" in rollout.refused("enable")
    assert rollout.json("enable", "--percent", "5")["supabase_percent"] == 5
    assert len(world.worker.claim()) == 1
    assert rollout.json("disable")["took_seconds"] > 0
    assert rollout.json("enable", "--percent", "100")["stage"] == "live"


def test_disabled_at_complete_is_paused_and_comes_back_as_it_was(world: World, rollout: Terminal) -> None:
    assert "no other queue" in rollout("disable").out
    assert any("paused at complete" in one for one in rollout.json("status")["warnings"])
    assert "must be 100" in rollout.refused("enable", "--percent", "10")
    assert rollout("enable").code == 0
    assert stands(world) == ("complete", True, 100)


@pytest.mark.parametrize(
    "percent", ["101", "-1", "NaN", "abc", "0.005", "1e1", "", "100.01", "10%", "Infinity"]
)
def test_what_is_no_percent_is_refused(world: World, rollout: Terminal, percent: str) -> None:
    world.go_to(0)
    before = flag_now(world)
    assert "0 to 100 in steps of 0.01" in rollout.refused("set", percent)
    assert "0 to 100 in steps of 0.01" in rollout.refused("set", "10", f"--holdback={percent}")
    assert flag_now(world) == before


def test_the_stages_that_can_be_reached_are_named(world: World, rollout: Terminal) -> None:
    world.change(stage="off", is_enabled=False, rollout_percent=0)
    assert "set 0 --stage mirror" in rollout.refused("set", "10"), "dual write is off"
    assert "lead to: mirror\n" in rollout.refused("set", "10", "--stage", "canary")
    rollout("set", "0", "--stage", "mirror")
    assert "lead to: off, shadow, canary" in rollout.refused("set", "100")
    assert "must be 0 at stage mirror" in rollout.refused("set", "10", "--stage", "mirror")
    assert "below 100 at stage canary" in rollout.refused("set", "100", "--stage", "canary")
    assert "must be 100 at stage live" in rollout.refused("set", "10", "--stage", "live")
    assert "'sideways'" in rollout.refused("set", "0", "--stage", "sideways")
    assert stands(world) == ("mirror", False, 0)


def test_two_people_at_once(world: World, rollout: Terminal) -> None:
    world.go_to(0)
    seen = str(flag_now(world).version)
    assert rollout("set", "10", "--expect-version", seen).code == 0
    assert "is at version" in rollout.refused("set", "20", "--expect-version", seen)
    assert "is at version" in rollout.refused("set", "10", "--expect-version", seen)
    assert "is at version" in rollout.refused("enable", "--percent", "20", "--expect-version", seen)
    assert stands(world) == ("canary", True, 10)


def test_a_latch_is_cleared_by_a_person_who_says_why(world: World, rollout: Terminal) -> None:
    world.go_to(10)
    world.change(is_enabled=False, rollout_percent=0, latched=True)
    assert "latched since" in rollout.refused("enable", "--percent", "10")
    assert "--reason" in rollout.refused("enable", "--percent", "10", "--clear-latch")
    assert any("--clear-latch" in one for one in rollout.json("status")["warnings"])
    assert stands(world) == ("canary", False, 0)
    assert rollout("enable", "--percent", "10", "--clear-latch", "--reason", "mended").code == 0
    assert stands(world) == ("canary", True, 10)


def test_a_type_of_its_own(world: World, rollout: Terminal) -> None:
    world.go_to(0)
    assert "misspelt" in rollout.refused("set", "10", "--type", "misspelt")
    world.enqueue(world.new_job("legacy"))
    said = rollout("set", "10", "--type", "count")
    assert said.code == 0, said
    assert "type count: stage canary" in said.out
    assert "the overall flag is disabled, and wins" in said.out
    assert rollout("set", "0", "--stage", "canary").code == 0
    rows = rollout.json("status")["flags"]
    assert [(row["task_type"], row["supabase_percent"]) for row in rows] == [(None, 0), ("count", 10)]
    assert "of type count" in rollout("disable", "--type", "count").out
    assert [row["is_enabled"] for row in rollout.json("status")["flags"]] == [True, False]
    assert {one["flag_name"] for one in rollout.json("history", "--type", "count")} == {
        "supabase_queue:count"
    }


def test_tenants_are_pinned_to_one_side(world: World, rollout: Terminal) -> None:
    world.go_to(10)
    row = rollout.json(
        "set", "10", "--supabase-tenant", "b", "--supabase-tenant", "a", "--legacy-tenant", "c"
    )
    assert (row["supabase_tenants"], row["legacy_tenants"]) == (["a", "b"], ["c"])
    row = rollout.json("set", "10", "--legacy-tenant", "a", "--unpin-tenant", "c", "--relay-unrouted")
    assert (row["supabase_tenants"], row["legacy_tenants"], row["relays_unrouted"]) == (["b"], ["a"], True)
    assert "for two places" in rollout.refused("set", "10", "--legacy-tenant", "a", "--supabase-tenant", "a")


def test_a_share_of_tenants(world: World, rollout: Terminal) -> None:
    world.go_to(10)
    assert rollout.json("set", "10", "--route-by-tenant")["routes_by_tenant"] is True
    assert rollout.json("set", "20")["routes_by_tenant"] is True
    assert rollout.json("set", "20", "--no-route-by-tenant")["routes_by_tenant"] is False


def test_naming_the_same_share_again_does_not_stop_shadow_runs(world: World, rollout: Terminal) -> None:
    world.go_to(0)
    rollout("set", "0", "--stage", "shadow", "--shadow", "5")
    assert rollout.json("set", "0", "--relay-unrouted")["shadow_percent"] == 5
    before = flag_now(world)
    assert rollout("set", "0").code == 0
    assert flag_now(world) == before, "nothing to change is no change"


def test_complete_only_with_the_proof(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    job = world.new_job("legacy")
    world.accept(job)
    refused = rollout.refused("set", "100", "--stage", "complete")
    assert "1 jobs of legacy have not ended" in refused
    assert stands(world) == ("live", True, 100)
    world.run_in_legacy(job)
    (world.legacy.broker.files.pending / next(iter(native_names(world)))).unlink()  # type: ignore[attr-defined]
    world.relay.turn()
    let_time_pass(world)
    said = rollout("set", "100", "--stage", "complete")
    assert said.code == 0, said
    assert stands(world) == ("complete", True, 100)
    assert "must be 100 at stage complete" in rollout.refused("set", "50")
    assert "begins with" in rollout.refused("set", "0", "--stage", "off")
    assert rollout("set", "100", "--stage", "live").code == 0


def native_names(world: World) -> list[str]:
    return [waiting.native_id for waiting in world.legacy.broker.waiting()]


def let_time_pass(world: World) -> None:
    """Make the flag's last change older than any process may go by the one before."""
    with world.database.transaction():
        world.database.execute("set local session_replication_role = replica")
        world.database.execute("update feature_flag set updated_at = updated_at - interval '1 minute'")


def test_supabase_down_is_one_sentence(rollout: Terminal) -> None:
    rollout.lose_supabase()
    for command in (("set", "10"), ("disable",), ("history",)):
        said = rollout.refused(*command)
        assert said.startswith("supaqueue: ")
        assert said.count("\n") == 1
