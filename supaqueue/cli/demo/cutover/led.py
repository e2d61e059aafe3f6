"""The cutover as a watch leads it: from share to share by its own verdicts, and by nobody's hand."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from supaqueue.cli.demo.cutover.by_hand import HOLDBACK_PERCENT, SHADOW_PERCENT, leave
from supaqueue.cli.demo.cutover.site import Site
from supaqueue.cli.demo.cutover.watching import Watching
from supaqueue.contract import FeatureFlag
from supaqueue.errors import SupaqueueError

SHARES = {10: "canary 10", 50: "canary 50", 100: "live"}
STEP_SECONDS = 600.0
"""In how long a healthy share has passed at the latest; else the demo gives up."""
SAY_SECONDS = 20.0


def led(site: Site, watching: Watching) -> None:
    """Take every step of the plan.

    Raises:
        SupaqueueError: something ended that should not, or did not come in time; or a step did not pass.
    """
    lead_to(site, watching, 100, kills=True)
    leave(site)


def lead_to(site: Site, watching: Watching, percent: int, *, kills: bool = False) -> None:
    """Begin, and follow the watch up to a share.

    Args:
        kills: whether a worker of legacy's is killed meanwhile.
    """
    site.begin(holdback_percent=HOLDBACK_PERCENT)
    site.stage("mirror", stage="mirror")
    site.stage("shadow", stage="shadow", shadow_percent=SHADOW_PERCENT)
    site.start_beside(watching)
    site.stage("watched", shadow_percent=Decimal(0))
    for share, name in SHARES.items():
        if share > percent:
            break
        site.enter(name, _followed(site, watching, share))
        if kills and share == min(SHARES):
            site.kill_legacy_worker()
        site.see_stage_through()


def _followed(site: Site, watching: Watching, percent: int) -> FeatureFlag:
    """Wait until the watch has set a share."""
    flags: list[FeatureFlag] = []
    saying = Saying(site, watching)

    def is_there() -> bool:
        saying.turn()
        verdict = watching.last()
        if verdict and (verdict["answer"] == "roll_back" or not_passed(verdict)):
            raise SupaqueueError(f"the watch does not go on to {percent} percent: {reason_of(verdict)}")
        flags.append(site.switching.flag())
        return flags[-1].rollout_percent >= percent

    site.until(is_there, f"the watch to go on to {percent} percent", within=STEP_SECONDS)
    return flags[-1]


class Saying:
    """Tells now and then what the watch says."""

    def __init__(self, site: Site, watching: Watching) -> None:
        self._site, self._watching = site, watching
        self._next = time.monotonic() + SAY_SECONDS

    def turn(self) -> None:
        """Tell it if it is time."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + SAY_SECONDS
        verdict, problem = self._watching.last(), self._watching.problem()
        if problem:
            self._site.show(f"the watch: its look failed: {problem}")
        elif verdict:
            self._site.show(f"the watch: {verdict['answer']}; {reason_of(verdict)}")


def not_passed(verdict: dict[str, Any]) -> bool:
    """Whether the share was decided, and may not go on."""
    return verdict["step"] is not None and verdict["step"]["verdict"] == "no_pass"


def reason_of(verdict: dict[str, Any]) -> str:
    """Return in a few words what keeps a share from going on, or takes it back."""
    missing = [
        f"{one['name']}: {one['missing'] or one['state']}"
        for one in verdict["conditions"]
        if one["state"] in ("unknown", "unmet")
    ]
    fired = [f"{one['name']}: over its bound" for one in verdict["alarms"] if one["state"] == "unmet"]
    return ", ".join([*fired, *missing]) or "nothing is missing"
