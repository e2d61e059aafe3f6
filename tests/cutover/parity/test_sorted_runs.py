"""Sorting observations on disk, and pairing two sorted lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supaqueue.cutover.parity.observation import Observation, Outcome
from supaqueue.cutover.parity.pairs import Pair, paired
from supaqueue.cutover.parity.sorted_runs import SortedRuns

IDS = st.lists(st.text("abcdef", min_size=1, max_size=4), unique=True, max_size=60)


def observation(job_id: str, payload: Any = None, outcome: Outcome | None = None) -> Observation:
    return Observation(job_id, "count", "legacy", 0, "waiting", 1, None, 0, payload, outcome, None)


@given(IDS, st.integers(1, 70))
def test_they_come_back_sorted_and_as_they_were(ids: list[str], run_length: int) -> None:
    given_ = [observation(id, {"id": id, "n": [1, 2.5, None]}, Outcome("completed", {"r": id})) for id in ids]
    with SortedRuns(run_length=run_length) as runs:
        runs.add(given_)
        assert len(runs) == len(ids)
        for _ in range(2):
            assert list(runs) == sorted(given_, key=lambda one: one.job_id)


def test_two_readers_do_not_disturb_each_other() -> None:
    with SortedRuns(run_length=600) as runs:
        runs.add(observation(f"{n:05}") for n in reversed(range(2_000)))
        pairs = list(zip(runs, runs, strict=True))
    assert all(one == other for one, other in pairs)
    assert len(pairs) == 2_000


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with SortedRuns(tmp_path / "none", run_length=1) as runs, pytest.raises(OSError, match="none"):
        runs.add([observation("a")])


@given(IDS, IDS)
def test_each_job_is_one_pair(legacys: list[str], supabases: list[str]) -> None:
    left = {id: observation(id, 1) for id in legacys}
    right = {id: observation(id, 2) for id in supabases}
    pairs = list(paired((left[id] for id in sorted(left)), (right[id] for id in sorted(right))))
    assert pairs == [Pair(left.get(id), right.get(id)) for id in sorted(left.keys() | right.keys())]
    assert [pair.job_id for pair in pairs] == sorted(left.keys() | right.keys())
