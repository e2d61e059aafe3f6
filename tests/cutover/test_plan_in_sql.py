"""SQL, which sees no environment, places new jobs as the plan table does."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from supaqueue.contract.feature_flag import FeatureFlag
from supaqueue.cutover.plan import plan_unrouted
from supaqueue.cutover.stages import Stage
from tests.cutover.flags import flag

QUERY = """
select supaqueue_placed(
    jsonb_populate_record(null::feature_flag, c -> 'overall'),
    jsonb_populate_record(null::feature_flag, c -> 'own'),
    (c ->> 'bucket')::integer, c ->> 'tenant')
from jsonb_array_elements(%s) with ordinality as e (c, n) order by n
"""
EDGES = (0, 1, 6, 7, 999, 1000, 4999, 5000, 9799, 9800, 9850, 9998, 9999)


def any_flag(draw: random.Random, task_type: str | None) -> FeatureFlag:
    """A flag that the database's own checks let stand: live is 100 percent, canary less."""
    stage = draw.choice(list(Stage))
    percent = draw.choice(["0", "0.01", "0.07", "10", "50", "98", "99.99"])
    return flag(
        stage.value,
        "100" if stage is Stage.LIVE else percent,
        task_type=task_type,
        is_enabled=draw.random() < 0.8,
        holdback_percent=Decimal(draw.choice(["0", "0.01", "2", "100"])),
        relays_unrouted=True,
        by_environment=draw.random() < 0.2,
        supabase_tenants=tuple(draw.sample("ab", draw.randrange(3))),
        legacy_tenants=tuple(draw.sample("ab", draw.randrange(3))),
    )


def row(given: FeatureFlag) -> dict[str, Any]:
    return {
        "stage": given.stage,
        "is_enabled": given.is_enabled,
        "rollout_percent": float(given.rollout_percent),
        "holdback_percent": float(given.holdback_percent),
        "supabase_tenants": given.supabase_tenants,
        "legacy_tenants": given.legacy_tenants,
    }


def test_sql_places_alike(connect: Callable[[], psycopg.Connection[Any]]) -> None:
    draw = random.Random(20260301)
    cases, expected = [], []
    for _ in range(20_000):
        overall = any_flag(draw, None)
        own = any_flag(draw, "t") if draw.random() < 0.5 else None
        bucket, tenant = draw.choice([*EDGES, draw.randrange(10_000)]), draw.choice([None, "a", "b", "c"])
        planned = plan_unrouted(overall, own, bucket, tenant)
        assert planned is not None
        expected.append(planned.owner)
        cases.append(
            {"overall": row(overall), "own": row(own or overall), "bucket": bucket, "tenant": tenant}
        )
    placed = [owner for (owner,) in connect().execute(QUERY, [Jsonb(cases)])]
    assert placed == expected
    assert min(placed.count("supabase"), placed.count("legacy")) > 2000
