"""A canary on the real stack, with workers of both sides and a watch: what takes it back, and what not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from supaqueue.cutover.gate.gate_rules import GateRules
from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.spool import Spool
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport
from tests.cutover.commands import Terminal
from tests.cutover.gate.canary import Site
from tests.cutover.gate.fast_clock import clock_of, fast_stack
from tests.cutover.world import World
from tests.worker.waiting import until

pytestmark = pytest.mark.slow

AT_ONCE = GateRules(first_seconds=2, settle_seconds=5)
"""A minute counts as soon as it is over: what fails here fails at once."""
LAST_CLAIM = "select max(claimed_at) from job_task_attempts where outcome <> 'not_started'"
WITHIN = 180.0


@pytest.fixture
def site(world: World, tmp_path: Path, rollout: Terminal) -> Site:
    """Its watch reads the environment, which names both systems."""
    return Site(world, tmp_path, AT_ONCE)


def last_claim(site: Site) -> datetime:
    row = site.world.database.execute(LAST_CLAIM).fetchone()
    assert row is not None
    claimed_at: datetime = row[0]
    return claimed_at


@pytest.mark.timeout(600)
def test_three_times_the_errors_take_it_back(site: Site) -> None:
    """4 percent of legacy's fail, 12 of Supabase's. What waits in a queue that nobody serves goes back."""
    site.every = {"legacy": 25, "supabase": 8}
    with site.at_work():
        site.go_to(10)
        give_up_at = time.monotonic() + WITHIN
        with site.traffic(lambda: 40.0):
            waiting = [site.send("unserved") for _ in range(100)]
            verdict = next(
                one for one in site.verdicts() if one.action != "none" or time.monotonic() > give_up_at
            )
            until(lambda: site.look().verdicts[0].flag.latched_at, "the latch")
            time.sleep(3.0)  # the traffic goes on for a while: none of it is Supabase's any more
        assert verdict.action == "roll_back", verdict.because
        assert verdict.because[0].startswith(("errors of count", "first_attempts of count")), verdict.because
        flag = site.look().verdicts[0].flag
        assert (flag.rollout_percent, flag.is_enabled, flag.hand_back) == (0, False, "not_started")
        site.assert_everything_ended_once()
        latency = last_claim(site).timestamp() - site.planted_at["supabase"]
    owned = "select count(*) from jobs where owner = 'supabase' and task_type = 'count'"
    went = "select count(*) from jobs where epoch > 0 and job_id = any (%s::uuid[])"
    assert site.world.database.execute(went, [waiting]).fetchone() != (0,), "handed back"
    assert site.world.database.execute(owned + " and created_at > %s", [flag.latched_at]).fetchone() == (0,)
    assert last_claim(site) <= flag.latched_at, "nothing was claimed once the flag had changed"
    told = [notice for notice in site.notices if notice["kind"] == "rolled_back"]
    assert len(told) == 1, site.notices
    print(f"from the first planted error to the last claim: {latency:.1f} s, {len(site.sent)} jobs")


@pytest.mark.timeout(600)
def test_a_control_that_is_as_bad_takes_nothing_back(site: Site) -> None:
    """12 percent fail, on either side."""
    site.every = {"legacy": 8, "supabase": 8}
    with site.at_work():
        site.go_to(10)
        with site.traffic(lambda: 40.0):
            began = time.monotonic()
            for verdict in site.verdicts(pause=5.0):
                assert verdict.answer == "hold", verdict.because
                errors = next((one for one in verdict.alarms if one.name == "errors"), None)
                jobs = errors.figures["canary_jobs"] if errors else 0
                if isinstance(jobs, int) and jobs > 200:
                    break
                assert time.monotonic() - began < WITHIN * 2, "no cohort was counted"
        assert errors is not None
        assert errors.state == "met"
        assert errors.figures["canary_errors"] >= 15  # type: ignore[operator]
        site.assert_everything_ended_once()


def test_without_traffic_it_holds_for_as_long_as_it_lasts(site: Site) -> None:
    """Also once its holding time is over, by far; and its workers, who have nothing to do, are alive."""
    with site.at_work():
        site.go_to(10)
        for days in (0, 1, 30):
            site.world.database.execute(
                "update rollout_steps set began_at = began_at - %s * interval '1 day'", [days]
            )
            [verdict] = site.look().verdicts
            assert (verdict.answer, verdict.action) == ("hold", "none")
            missing = {one.name: one.missing for one in verdict.conditions if one.holds_up}
            assert "more jobs" in str(missing["mismatches"])
        assert {one.state for one in verdict.alarms if one.name == "probes"} == {"met"}
    assert not {one["kind"] for one in site.notices} & {"rolled_back", "halted"}


TIMES = 10
"""How much faster the database's time runs: 20 minutes of it are two of ours."""


@pytest.fixture
def fast_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Both systems, and their clocks, at ten times our pace."""
    with fast_stack(tmp_path, TIMES, monkeypatch) as stack:
        for name, value in stack.env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("supaqueue.worker.worker.HEARTBEAT_SECONDS", 1.0)
        with psycopg.connect(stack.superuser_url, autocommit=True) as database:
            clock = clock_of(database, TIMES)
            settings = Settings(url=stack.url, service_role_key=stack.service_role_key)
            transport = RestTransport(settings)
            legacy = folder_queue(tmp_path / "legacy", clock=clock)
            world = World(settings, database, transport, legacy, Spool(tmp_path / "spool"))
            yield Site(world, tmp_path, AT_ONCE, seconds_each=0.15)
            transport.close()
            legacy.close()


@pytest.mark.timeout(900)
def test_a_burst_that_drains_takes_nothing_back(fast_site: Site) -> None:
    """Ten times the load for two minutes, more than the workers can do; then as before."""
    site, waited = fast_site, []
    load = {"a_second": 4.0}
    oldest = "select count(*) from job_tasks where status = 'pending' and purpose = 'run'"
    with site.at_work(lease_seconds=300.0, slots=1):
        site.go_to(50)
        with site.traffic(lambda: load["a_second"]):
            began = time.monotonic()
            for verdict in site.verdicts(pause=1.0):
                assert (verdict.answer, verdict.action) == ("hold", "none"), verdict.because
                minutes = (time.monotonic() - began) * TIMES / 60
                load["a_second"] = 40.0 if 3 <= minutes < 5 else 4.0
                waited.append(site.world.database.execute(oldest).fetchone()[0])  # type: ignore[index]
                if minutes > 21:
                    break
        site.assert_everything_ended_once()
    alarms = {one.name: one for one in verdict.alarms}
    assert alarms["backlog"].state == "met", "15 minutes of it are known"
    assert alarms["probes"].state == "met"
    assert max(waited) > 30, "it was a burst"
    assert waited[-1] < 10, "it drained"
