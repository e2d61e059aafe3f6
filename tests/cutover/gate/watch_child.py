"""One look of a watch in a process of its own, which may be killed at any of its writes.

What it sees is given; what it does, it does on the real stack, and to a real webhook.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from supaqueue.cutover.gate.compared_jobs import ComparedJobs
from supaqueue.cutover.gate.evidence import Evidence
from supaqueue.cutover.gate.gate_rules import GateRules, Share
from supaqueue.cutover.gate.look import Gate
from supaqueue.cutover.gate.telling import Telling
from supaqueue.cutover.gate.watch import Watch
from supaqueue.cutover.gate.webhook import Webhook
from supaqueue.settings import Settings
from supaqueue.telemetry import Telemetry
from supaqueue.transport import RestTransport, Transport
from tests.cutover.gate import seen
from tests.faults.crash_points_writes import Writes, count_calls

RULES = GateRules(
    tuple(Share(Decimal(percent), bound, 0.0) for percent, bound in ((10, 0.01), (50, 0.005), (100, 0.001)))
)
"""As by default, without holding times."""
FAILING = seen.evidence(seen.of_type(final=seen.cohorts(canary_failed=1, control_failed=1)))
SEEN: dict[str, Evidence] = {
    "healthy": seen.evidence(),
    "failing": FAILING,
    "failing without legacy": seen.evidence(*FAILING.types, legacy_is_alive=False),
}
SECRET = "a secret that both sides know"


def gate_that_sees(transport: Transport, name: str, by: str = "watch", rules: GateRules = RULES) -> Gate:
    """A gate on given evidence, and on a comparison without any difference."""

    def read(since: datetime) -> Evidence:
        return seen.since(since, SEEN[name])

    def compare(since: datetime, until: datetime, types: Collection[str] | None) -> ComparedJobs:
        return ComparedJobs(since, until, 10_000, 0)

    return Gate(transport, read, compare, rules, by)


def watch_that_sees(
    transport: Transport,
    name: str,
    webhook: Webhook | None,
    *,
    holder: str = "watch",
    lease_seconds: float = 60.0,
    promotes: bool = True,
    telemetry: Telemetry | None = None,
) -> Watch:
    """A watch on such a gate. One of the same holder need not wait for its lease to end."""
    gate = gate_that_sees(transport, name, holder)
    telling = Telling(transport, telemetry or Telemetry(), webhook)
    return Watch(transport, gate, telling, holder=holder, lease_seconds=lease_seconds, promotes=promotes)


def main(plan: Mapping[str, Any]) -> None:
    """Look once."""
    writes = Writes(Path(plan["log"]), plan["point"])
    count_calls(writes)
    send = Webhook.send

    def counted(self: Webhook, content: Mapping[str, Any], *, now: float) -> str | None:
        with writes.write("webhook"):
            return send(self, content, now=now)

    Webhook.send = counted  # type: ignore[method-assign]
    settings = Settings(url=plan["url"], service_role_key=plan["key"])
    with RestTransport(settings) as transport, Webhook(plan["webhook"], SECRET) as webhook:
        writes.begin()
        watch_that_sees(transport, plan["sees"], webhook).look()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
