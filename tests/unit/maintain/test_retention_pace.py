"""The pace of a removal: how large its batches are, and how long it rests."""

from __future__ import annotations

import pytest

from supaqueue.maintain.retention_pace import BATCH_SECONDS, SMALLEST_BATCH, Pace


@pytest.mark.parametrize(("share", "rest"), [(1.0, 0.0), (0.5, 0.2), (0.2, 0.8), (0.1, 1.8)])
def test_it_rests_so_that_it_works_for_its_share(share: float, rest: float) -> None:
    assert Pace(share, 1000).rest_after(0.2) == pytest.approx(rest)


def test_batches_grow_while_they_are_quick_and_shrink_when_they_are_not() -> None:
    pace = Pace(1.0, 1000)
    sizes = []
    for seconds in (0.01, 0.01, 0.01, BATCH_SECONDS, 2.0, 2.0, 2.0, 2.0, 0.01):
        pace.rest_after(seconds)
        sizes.append(pace.batch)
    assert sizes == [400, 800, 1000, 1000, 250, 62, 20, 20, 40]


def test_a_batch_is_never_larger_than_asked_for() -> None:
    pace = Pace(1.0, 5)
    assert pace.batch == 5
    pace.rest_after(100)
    assert pace.batch == 5 < SMALLEST_BATCH
