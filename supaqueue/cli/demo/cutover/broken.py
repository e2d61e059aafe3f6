"""The new side breaks at one share, and what the watch makes of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from supaqueue.cli.demo.cutover.injection import Injection, Kind
from supaqueue.cli.demo.cutover.led import Saying, lead_to, not_passed, reason_of
from supaqueue.cli.demo.cutover.owners import Owners
from supaqueue.cli.demo.cutover.site import Site
from supaqueue.cli.demo.cutover.watching import Watching
from supaqueue.contract import FeatureFlag

Ending = Literal["rolled_back", "held", "promoted", "nothing"]

WITHIN_SECONDS: dict[Kind, float] = {"errors": 420.0, "latency": 300.0, "backlog": 1320.0}
"""In how long a fault shows: errors by the minute, a backlog in a quarter of an hour; latency has shown when
the share is decided."""
EXPECTED: dict[Kind, Ending] = {"errors": "rolled_back", "latency": "held", "backlog": "rolled_back"}
"""Slowness alone takes nothing back: it only keeps a share from going on."""
TOLD_SECONDS = 60.0
LATER_SECONDS = 20.0
"""Quick workers leave nothing that has not started: jobs that are due later are there to be handed back."""

CLAIMS = """
select max(extract(epoch from a.claimed_at)) filter (where a.claimed_at < %(until)s)::float8,
    count(*) filter (where a.claimed_at > %(since)s and a.claimed_at < %(until)s)
from job_task_attempts a join job_tasks t using (job_id, task_number) where t.purpose = 'run'
"""


@dataclass(frozen=True, slots=True)
class Broken:
    """What became of a fault.

    Attributes:
        percent: the share at which it was planted; `percent_after`: where the flag stood in the end.
        ending: what the watch did; `nothing`: no decision in the time that it was given.
        planted: runs that the fault struck.
        seconds_to_decision: from the first of them until the flag changed, or the share was decided.
        seconds_to_last_claim: from the first of them to the last claim before a person let what had started
            be ended; None if nothing was taken back.
        claims_after: claims between the change of the flag and that moment.
        handed_back: jobs that went back to legacy.
        told: how often owners were told of a rollback; `forged`: posts to them that were not the watch's.
        because: what the watch said.
    """

    kind: Kind
    percent: int
    percent_after: float
    expected: Ending
    ending: Ending
    is_latched: bool
    planted: int
    seconds_to_decision: float | None
    seconds_to_last_claim: float | None
    claims_after: int
    handed_back: int
    told: int
    forged: int
    because: str

    @property
    def good(self) -> bool:
        """Whether the watch did what it has to."""
        if self.ending != self.expected or self.forged:
            return False
        if self.ending == "held":
            return self.percent_after == self.percent and self.told == 0 and not self.is_latched
        return (
            self.percent_after == 0
            and self.is_latched
            and self.claims_after == 0
            and self.handed_back > 0
            and self.told == 1
        )


def broken(site: Site, watching: Watching, owners: Owners, injection: Injection, percent: int) -> Broken:
    """Follow the watch to a share, break the new side there, and see what comes of it.

    Raises:
        SupaqueueError: something ended that should not, or did not come in time.
    """
    lead_to(site, watching, percent)
    # A backlog takes long to show, at any rate: the watch is to compare no more jobs than it must meanwhile.
    site.let_some_wait(LATER_SECONDS, is_slow=injection.kind == "backlog")
    injection.begin()
    site.show(f"broken on purpose: {injection.kind} in Supabase's workers")
    ending, flag = _ending(site, watching, injection, percent)
    decided_at = datetime.now(UTC)
    verdict = watching.last()
    because = reason_of(verdict) if verdict else ""
    if ending == "rolled_back":
        assert flag.latched_at is not None
        decided_at, because = flag.latched_at, flag.latch_reason or because
    site.show(f"the watch: {ending.replace('_', ' ')}; {because}")
    after = _back(site, owners, flag) if ending == "rolled_back" else flag
    drained_at = datetime.now(UTC)
    injection.end()
    if ending == "rolled_back":
        site.show("a person lets what had started in Supabase be ended there")
        site.switching.hand_back()
        site.switching.see_hand_back_through()
    site.end()
    last_claim, claims_after = _claims(site, decided_at, drained_at)
    planted = injection.planted()
    first = min(planted, default=None)
    is_back = ending == "rolled_back"
    return Broken(
        kind=injection.kind,
        percent=percent,
        percent_after=float(after.rollout_percent),
        expected=EXPECTED[injection.kind],
        ending=ending,
        is_latched=after.latched_at is not None,
        planted=len(planted),
        seconds_to_decision=_since(first, decided_at.timestamp()) if ending != "nothing" else None,
        seconds_to_last_claim=_since(first, last_claim) if is_back else None,
        claims_after=claims_after if is_back else 0,
        handed_back=site.switching.handed_over(),
        told=owners.told("rolled_back"),
        forged=owners.forged,
        because=because,
    )


def _ending(site: Site, watching: Watching, injection: Injection, percent: int) -> tuple[Ending, FeatureFlag]:
    """Wait for what the watch does of the fault, for as long as that kind may take."""
    found: list[tuple[Ending, FeatureFlag]] = []
    saying = Saying(site, watching)
    give_up_at = time.monotonic() + WITHIN_SECONDS[injection.kind]

    def has_ended() -> bool:
        saying.turn()
        flag, verdict = site.switching.flag(), watching.last()
        ending: Ending | None = None
        if flag.latched_at is not None:
            ending = "rolled_back"
        elif flag.rollout_percent > percent:
            ending = "promoted"
        elif verdict and not_passed(verdict):
            ending = "held"
        elif time.monotonic() > give_up_at:
            ending = "nothing"
        found.extend([(ending, flag)] if ending else [])
        return ending is not None

    site.until(has_ended, "the watch to decide", within=WITHIN_SECONDS[injection.kind] + 60)
    return found[0]


def _back(site: Site, owners: Owners, flag: FeatureFlag) -> FeatureFlag:
    """See new jobs be legacy's again, what had not started go back, and owners be told."""
    site.enter("rolled back", flag)
    site.see_stage_through()
    site.until(lambda: site.switching.waiting_unstarted() == 0, "what had not started to go back")
    site.until(lambda: owners.told("rolled_back") > 0, "owners to be told", within=TOLD_SECONDS)
    site.show(f"handed back: {site.switching.handed_over()} jobs; owners were told")
    return site.switching.flag()


def _claims(site: Site, since: datetime, until: datetime) -> tuple[float | None, int]:
    row = site.database.execute(CLAIMS.encode(), {"since": since, "until": until}).fetchone()
    assert row is not None
    return row[0], int(row[1])


def _since(first: float | None, at: float | None) -> float | None:
    return None if first is None or at is None else round(at - first, 1)
