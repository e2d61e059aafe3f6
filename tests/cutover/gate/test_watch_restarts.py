"""`supaqueue rollout watch` as a process, while all that it needs is restarted under it, and it itself.

Each time somebody raises the share and then the canary fails. Owners who keep their answer back hold the
watch within a look; between looks it waits a second.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest

from supaqueue.contract import ListFlagChanges
from supaqueue.devstack import Stack
from supaqueue.settings import Settings
from tests.conftest import migrate
from tests.cutover.gate.conftest import Owners
from tests.cutover.gate.test_watch_processes import KILLED, check_audit
from tests.cutover.gate.watch_child import SECRET
from tests.cutover.world import World, begin_anew
from tests.worker.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

When = Literal["between looks", "within a look"]
WHEN: tuple[When, ...] = ("between looks", "within a look")
RESTARTS: dict[str, Callable[[Stack], None]] = {
    "Postgres stopped": lambda stack: stack.restart_postgres(),
    "Postgres killed": lambda stack: stack.restart_postgres(immediate=True),
    "PostgREST killed": lambda stack: stack.restart_postgrest(immediate=True),
}
ERRORS = """
insert into job_cohorts (minute, task_type, first_canary, first_control, final_canary, final_control)
select date_trunc('minute', clock_timestamp()) - n * interval '1 minute', 'count', bad, good, bad, good
from generate_series(1, 60) as n,
    (values (row(10, 10, 10, 5, 5)::job_cohort_side, row(90, 90, 90, 1, 1)::job_cohort_side)) as s (bad, good)
"""
RAISED = "update feature_flag set rollout_percent = 11, updated_by = 'ann' where flag_name = 'supabase_queue'"
HOURS_LATER = (
    "update rollout_steps set began_at = began_at - interval '2 hours'"
    " where began_at > clock_timestamp() - interval '1 hour'"
)
TOLD = ["raised", "rolled_back"]


@dataclass
class Watching:
    """A watch in a process of its own, with what it printed."""

    process: subprocess.Popen[bytes]
    log: Path

    def looks(self) -> list[dict[str, Any]]:
        """What it said of its looks, each once it had ended."""
        lines = self.log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def looked(self, times: int = 1, *, well: bool = True) -> None:
        """Return once it has looked so many times more."""
        before = len(self.looks())

        def has() -> bool:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            new = self.looks()[before:]
            return len([one for one in new if one["problem"] is None or not well]) >= times

        until(has, f"{times} looks in {self.log}")

    def end(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)


@dataclass
class Site:
    """A rollout at 10 percent, and its owners."""

    stack: Stack
    owners: Owners
    folder: Path

    @contextmanager
    def world(self) -> Iterator[World]:
        """Connect anew: what was connected before a restart is not any more."""
        settings = Settings(url=self.stack.url, service_role_key=self.stack.service_role_key)
        with psycopg.connect(self.stack.superuser_url, autocommit=True) as database:
            world = World.at(settings, database, self.folder)
            yield world
            world.transport.close()
            world.legacy.close()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database, which may be starting."""
        try:
            with psycopg.connect(self.stack.superuser_url, autocommit=True) as database:
                cursor = database.execute(query.encode())
                return cursor.fetchall() if cursor.description else []
        except psycopg.OperationalError:
            return []

    @contextmanager
    def watch(self) -> Iterator[Watching]:
        """Start a watch; at the end it is killed if it still runs."""
        log = self.folder / f"watch-{len(list(self.folder.glob('watch-*')))}.log"
        environ = {
            **os.environ,
            "SUPABASE_URL": self.stack.url,
            "SUPABASE_SERVICE_ROLE_KEY": self.stack.service_role_key,
            "SUPAQUEUE_LEGACY": f"folder:{self.folder / 'legacy'}",
            "SUPAQUEUE_WATCH_WEBHOOK_URL": self.owners.url,
            "SUPAQUEUE_WATCH_WEBHOOK_SECRET": SECRET,
        }
        words = ["-m", "supaqueue", "rollout", "watch", "--interval", "1s", "--json"]
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, *words], cwd=self.folder, env=environ, stdout=stream, stderr=stream
            )
        try:
            yield Watching(process, log)
        finally:
            process.kill()
            process.wait(30)

    def begin(self, watching: Watching, when: When) -> None:
        """Let somebody raise the share; then the canary fails."""
        watching.looked()
        if when == "within a look":
            self.owners.answering.clear()
        self.ask(RAISED)
        until(lambda: self.owners.told == ["raised"], "owners to hear of it")
        if when == "between looks":
            watching.looked()  # it has begun a step at the new share, and waits
        self.ask(ERRORS)
        self.ask(HOURS_LATER)

    def is_latched(self) -> bool:
        """Whether the flag is at 0 and latched."""
        query = "select latched_at is not null and rollout_percent = 0 from feature_flag"
        return self.ask(query) == [(True,)]

    def ends(self, watching: Watching) -> None:
        """The watch takes the rollout back, tells owners once of each change, and goes on looking."""
        self.goes_back(watching)
        watching.looked(2)
        assert self.owners.told == TOLD
        self.check()

    def goes_back(self, watching: Watching) -> None:
        """Return once the watch has taken the rollout back, and owners know."""

        def has() -> bool:
            assert watching.process.poll() is None, watching.log.read_text()[-3000:]
            self.ask(HOURS_LATER)  # the step begins with the first look at the new share, whenever that is
            return self.is_latched() and self.owners.told == TOLD

        until(has, f"the rollout to go back: {watching.log}")

    def check(self) -> None:
        """The history explains what is: one change by a person, and one by a watch, on kept evidence."""
        with self.world() as world:
            check_audit(world, by="rollout watch")
            latest, before, *_ = world.transport.send(ListFlagChanges())
        assert (before.changed_by, str(latest.changed_by)[:13]) == ("ann", "rollout watch")
        assert str(latest.reason).startswith(("errors of count", "first_attempts of count"))
        owed = "select count(*) from rollout_notices where told_at is null"
        until(lambda: self.ask(owed) == [(0,)], "every notice to be noted as told")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One that these tests may kill."""
    with Stack(tmp_path_factory.mktemp("restarts") / "stack") as stack:
        migrate(stack)
        yield stack
    stack.remove()


@pytest.fixture
def site(stack: Stack, owners: Owners, tmp_path: Path) -> Site:
    site = Site(stack, owners, tmp_path)
    with site.world() as world:
        begin_anew(world.database)
        world.go_to(10)
        world.database.execute("update rollout_notices set told_at = clock_timestamp()")
    return site


@pytest.mark.parametrize(
    ("what", "when"),
    [(what, when) for what in RESTARTS for when in WHEN if (what, when) != ("Postgres stopped", WHEN[0])],
)
def test_a_server_that_is_restarted_under_it(site: Site, what: str, when: When) -> None:
    with site.watch() as watching:
        site.begin(watching, when)
        RESTARTS[what](site.stack)
        site.owners.answering.set()
        site.ends(watching)


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_watch_that_is_stopped_ends_its_look_and_lets_another_one_look_at_once(
    site: Site, number: signal.Signals, when: When
) -> None:
    with site.watch() as watching:
        site.begin(watching, when)
        watching.end(number)
        site.owners.answering.set()
        assert watching.process.wait(60) == 0, watching.log.read_text()
        assert "Traceback" not in watching.log.read_text()
    assert site.ask("select count(*) from job_leases where expires_at > clock_timestamp()") == [(0,)]
    assert watching.looks()[-1]["problem"] is None, "a look that was begun was ended"
    with site.watch() as following:
        site.ends(following)
    assert all(one["holder"] is None for one in following.looks())


@pytest.mark.parametrize("when", WHEN)
def test_a_watch_that_is_killed_is_followed_once_its_lease_has_run_out(site: Site, when: When) -> None:
    with site.watch() as watching:
        site.begin(watching, when)
        watching.end(signal.SIGKILL)
        assert watching.process.wait(60) == KILLED
        site.owners.answering.set()
        [(holder,)] = site.ask("select holder from job_leases where expires_at > clock_timestamp()")
    with site.watch() as following:
        following.looked()
        assert following.looks()[0]["holder"] == holder
        assert not (when == "within a look" and site.is_latched()), "nobody looks, for that long"
        site.ask("update job_leases set expires_at = clock_timestamp()")
        site.ends(following)
