"""What came and went in each minute, from samples at their ends."""

from __future__ import annotations

from supaqueue.contract import BacklogSample, BinnedLatencies, TypeBacklog
from supaqueue.cutover.gate.backlogs import control_oldest_seconds, minutes_of
from supaqueue.cutover.gate.growing_backlog import Minute


def sample(
    minute: int, unfinished: int, arrivals: int, *, second: float = 5.0, is_open: bool = True
) -> BacklogSample:
    seen = TypeBacklog(is_open, unfinished, float(unfinished), arrivals, 0, 7.0)
    return BacklogSample(minute, 60.0 * minute + second, {"mail": seen})


def test_what_went_is_what_came_less_what_there_is_more_of() -> None:
    samples = [sample(1, 10, 99), sample(2, 15, 20), sample(3, 0, 5)]
    assert minutes_of(samples, "mail") == (Minute(20, 15, 15.0), Minute(5, 20, 0.0))


def test_what_becomes_due_counts_as_it_does() -> None:
    assert minutes_of([sample(1, 0, 0), sample(2, 30, 4)], "mail") == (Minute(30, 0, 30.0),)


def test_a_type_without_a_sample_of_its_own_had_nothing() -> None:
    empty = BacklogSample(2, 120.0, {})
    assert minutes_of([sample(1, 10, 99), empty, sample(3, 4, 6)], "mail") == (
        *(Minute(0, 10, 0.0), Minute(6, 2, 4.0)),
    )


def test_what_came_before_a_gap_is_left_out() -> None:
    samples = [sample(1, 1, 1), sample(2, 1, 1), sample(4, 1, 1), sample(5, 2, 3)]
    assert minutes_of(samples, "mail") == (Minute(3, 2, 2.0),)
    late = [sample(1, 1, 1, second=0.0), sample(2, 1, 1, second=60.0), sample(3, 1, 1, second=1.0)]
    assert minutes_of(late, "mail") == (Minute(1, 1, 1.0),)


def test_while_the_flag_holds_a_type_back_there_is_a_gap() -> None:
    samples = [sample(1, 1, 1), sample(2, 1, 1, is_open=False), sample(3, 900, 1), sample(4, 2, 3)]
    assert minutes_of(samples, "mail") == (Minute(3, 901, 2.0),)


def test_the_controls_oldest_is_the_worst_of_what_waits_and_what_took_so_long() -> None:
    samples = [sample(1, 1, 1), sample(2, 1, 1)]
    quick = BinnedLatencies((), ((100, 50),))
    slow = BinnedLatencies((), ((500, 50),))
    assert control_oldest_seconds(samples, "mail", quick) == 7.0
    seconds = control_oldest_seconds(samples, "mail", slow)
    assert seconds is not None
    assert 19 < seconds < 21
    assert control_oldest_seconds(samples, "other", quick) is not None
    assert control_oldest_seconds(samples, "other", None) is None
    assert control_oldest_seconds([], "mail", None) is None
