"""The steps that are allowed, against the list as people read it."""

from __future__ import annotations

from itertools import product
from typing import get_args

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


def test_the_stages_are_those_of_the_contract_in_the_order_of_a_cutover() -> None:
    assert tuple(stage.value for stage in Stage) == get_args(feature_flag.Stage)
