"""The two worlds that the model is held against: the queue in memory, and a real one over HTTP."""

from __future__ import annotations

from typing import Protocol

import psycopg

from supaqueue.devstack import Stack
from supaqueue.settings import Settings
from supaqueue.testing import MemoryDatabase, MemoryTransport
from supaqueue.transport import RestTransport, Transport
from tests.sql.checks import failed_checks

PASS_TIME = """
update job_tasks set run_at = run_at - %(by)s, lease_expires_at = lease_expires_at - %(by)s,
    deadline_at = deadline_at - %(by)s, claimed_at = claimed_at - %(by)s, started_at = started_at - %(by)s;
update job_queues set paused_until = paused_until - %(by)s where isfinite(paused_until);
update job_claims set claimed_at = claimed_at - %(by)s;
update job_limit_windows set began_at = began_at - %(by)s, ends_at = ends_at - %(by)s;
update job_task_attempts set claimed_at = claimed_at - %(by)s, ended_at = ended_at - %(by)s;
update job_unique_keys set expires_at = expires_at - %(by)s;
"""


class World(Protocol):
    """A queue whose time can be moved."""

    @property
    def transport(self) -> Transport: ...

    def begin(self) -> None:
        """Forget everything."""

    def advance(self, seconds: float) -> None:
        """Let time pass."""

    def broken(self) -> list[str]:
        """What its own checks find wrong."""

    def close(self) -> None: ...


class MemoryWorld:
    """The queue in memory."""

    transport: MemoryTransport

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self._database = MemoryDatabase()
        self.transport = MemoryTransport(self._database)

    def advance(self, seconds: float) -> None:
        self._database.clock.advance(seconds)

    def broken(self) -> list[str]:
        return []

    def close(self) -> None: ...


class RestWorld:
    """Postgres behind PostgREST. Time passes by moving every time in the tables back."""

    def __init__(self, stack: Stack) -> None:
        self._database = psycopg.connect(stack.superuser_url, autocommit=True)
        self.transport = RestTransport(Settings(url=stack.url, service_role_key=stack.service_role_key))

    def begin(self) -> None:
        self._database.execute(
            "truncate jobs, job_claims, job_queues, job_changes, job_unique_keys, job_running_limits,"
            " job_order_key_signals cascade"
        )

    def advance(self, seconds: float) -> None:
        self._database.execute(PASS_TIME.replace("%(by)s", f"interval '{seconds} s'").encode())

    def broken(self) -> list[str]:
        return failed_checks(self._database)

    def close(self) -> None:
        self.transport.close()
        self._database.close()
