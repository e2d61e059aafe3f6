"""What a load test has measured so far."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime

from supaqueue.cli.loadtest.clocks import OtherClock
from supaqueue.cli.loadtest.latencies import Latencies
from supaqueue.cli.loadtest.load_queue import Accepted
from supaqueue.cli.loadtest.timeline import Timeline
from supaqueue.errors import CallError, SupaqueueError
from supaqueue.job import Job


class Measured:
    """Counts and durations, in a memory that does not grow with the jobs. Moments are this machine's clock's.

    Attributes:
        begun: when the first second began.
        late: from when a job was due until it was sent: it waits where all producers are busy.
        answer: from when it was due until its enqueue was answered.
        pickup: from stored until a worker first claimed it, by the database's clock.
        run: from then until it ended, by the database's clock.
        finish: from when it was due until it completed.
        within: how many completed within the objective.
        unsent: were due, and never sent: the producers were too far behind.
        unended: had not ended when waiting was over.
        vanished: were accepted, and are not to be found any more.
        clocks: of the systems that ran jobs, by name.
        last_finish: when the last of them ended; None before.
    """

    def __init__(self, slo_seconds: float, begun: float) -> None:
        self.begun = begun
        self.late, self.answer, self.finish = Latencies(), Latencies(), Latencies()
        self.pickup, self.run = Latencies(), Latencies()
        self.due = self.sent = self.accepted = self.within = 0
        self.unsent = self.unended = self.vanished = 0
        self.ended: Counter[str] = Counter()
        self.owners: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.timeline = Timeline()
        self.clocks: defaultdict[str, OtherClock] = defaultdict(OtherClock)
        self.last_finish: float | None = None
        self._slo_seconds = slo_seconds

    @property
    def refused(self) -> int:
        """Enqueues that ended in an error."""
        return self.errors.total()

    @property
    def in_flight(self) -> int:
        """Jobs that were accepted, and of which no end is known."""
        return self.accepted - self.ended.total() - self.vanished

    def was_due(self, due: float) -> None:
        """A job was due."""
        self.due += 1
        self.timeline.at(due - self.begun).due += 1

    def was_sent(self, due: float, sent: float) -> None:
        """Its enqueue began."""
        self.sent += 1
        self.late.add(sent - due)

    def was_accepted(self, one: Accepted) -> None:
        """Its enqueue was answered."""
        self.accepted += 1
        self.answer.add(one.answered - one.due)
        self.timeline.at(one.answered - self.begun).accepted += 1

    def was_refused(self, due: float, error: SupaqueueError) -> None:
        """Its enqueue ended in an error."""
        self.errors[kind_of(error)] += 1
        where = self.timeline.at(due - self.begun)
        where.refused += 1
        where.late += 1

    def was_not_sent(self, due: float) -> None:
        """It was due, and nobody came to it."""
        self.unsent += 1
        self.timeline.at(due - self.begun).late += 1

    def has_vanished(self, one: Accepted) -> None:
        """No system knows it any more."""
        self.vanished += 1
        self.timeline.at(one.due - self.begun).late += 1

    def has_not_ended(self, one: Accepted) -> None:
        """Nobody waits for its end any more."""
        self.unended += 1
        self.timeline.at(one.due - self.begun).late += 1

    def has_ended(self, one: Accepted, job: Job) -> None:
        """It ended."""
        self.ended[job.status] += 1
        self.owners[job.owner] += 1
        clock = self.clocks[job.owner]
        clock.saw(one.sent, job.created_at.timestamp(), one.answered)
        finished = job.finished_at or job.created_at
        self._note_shares(job, finished)
        ended = clock.here(finished.timestamp())
        self.last_finish = max(ended, self.last_finish or ended)
        self.timeline.at(ended - self.begun).ended += 1
        seconds = max(ended - one.due, 0.0)
        if job.status == "completed":
            self.finish.add(seconds)
            self.timeline.at(one.due - self.begun).finished(seconds)
        if job.status == "completed" and seconds <= self._slo_seconds:
            self.within += 1
        else:
            self.timeline.at(one.due - self.begun).late += 1

    def _note_shares(self, job: Job, finished: datetime) -> None:
        claims = [lease.claimed_at for lease in job.tasks[0].history if lease.claimed_at is not None]
        if claims:
            self.pickup.add((min(claims) - job.created_at).total_seconds())
            self.run.add((finished - min(claims)).total_seconds())


def kind_of(error: SupaqueueError) -> str:
    """Return what kind of error it is: its class, and what is known of its cause; never its text."""
    if not isinstance(error, CallError):
        return type(error).__name__
    cause = error.cause or error.sqlstate or (f"HTTP {error.http_status}" if error.http_status else "")
    return type(error).__name__ + (f" ({cause})" if cause else "")
