"""The cutover with every percent set by a person: the shortest course, which no gate judges."""

from __future__ import annotations

from decimal import Decimal

from supaqueue.cli.demo.cutover.site import Site

SHADOW_PERCENT = Decimal(25)
HOLDBACK_PERCENT = Decimal(2)


def by_hand(site: Site) -> None:
    """Take every step of the plan.

    Raises:
        SupaqueueError: something ended that should not, or did not come in time.
    """
    site.begin(holdback_percent=HOLDBACK_PERCENT)
    site.stage("mirror", stage="mirror")
    site.stage("shadow", stage="shadow", shadow_percent=SHADOW_PERCENT)
    site.stage("canary 10", is_enabled=True, rollout_percent=Decimal(10), shadow_percent=Decimal(0))
    site.kill_legacy_worker()
    site.stage("canary 50", rollout_percent=Decimal(50))
    site.stage("live", rollout_percent=Decimal(100))
    leave(site)


def leave(site: Site) -> None:
    """Go on from 100 percent: an emergency and back, and then the old queue is left for good."""
    site.emergency()
    site.stage("live again", is_enabled=True, rollout_percent=Decimal(100))
    site.leave_legacy()
    site.end()
