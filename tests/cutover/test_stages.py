"""The steps that are allowed, against the list as people read it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, get_args

import psycopg

from supaqueue.contract import feature_flag
from supaqueue.cutover.stages import ALLOWED_STEPS, Stage

READ = """
off <-> mirror
mirror <-> shadow
mirror -> canary
shadow -> canary
canary -> mirror
canary -> shadow
canary <-> live
live -> complete
complete -> live
complete -> off
"""


def steps_read() -> set[tuple[str, str]]:
    steps = set()
    for line in READ.strip().splitlines():
        before, arrow, after = line.split()
        steps.add((before, after))
        if arrow == "<->":
            steps.add((after, before))
    return steps


def test_exactly_these_steps_are_allowed() -> None:
    allowed = steps_read()
    for step in product(Stage, Stage):
        assert (step in ALLOWED_STEPS) == (step in allowed), step


def test_sql_has_the_same_table(connect: Callable[[], psycopg.Connection[Any]]) -> None:
    connection = connect()
    for before, after in product(Stage, Stage):
        row = connection.execute(
            "select supaqueue_stage_step_allowed(%s, %s)", [before.value, after.value]
        ).fetchone()
        assert row == (before == after or (before, after) in ALLOWED_STEPS,), (before, after)


def test_the_stages_are_those_of_the_contract_in_the_order_of_a_cutover() -> None:
    assert tuple(stage.value for stage in Stage) == get_args(feature_flag.Stage)
