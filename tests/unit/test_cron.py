"""When expressions tick, above all where clocks are set forward and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supaqueue.cron import Cron
from supaqueue.errors import InvalidInput

BERLIN = ZoneInfo("Europe/Berlin")
SPRING = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
"""In Berlin, 02:00 becomes 03:00."""
AUTUMN = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
"""In Berlin, 03:00 becomes 02:00."""
EXPRESSIONS = (
    "* * * * *",
    "*/15 * * * *",
    "0 * * * *",
    "30 2 * * *",
    "0,30 2,3 * * *",
    "15 1-3 * * 0",
    "0 7 * * 1-5",
)


def utc(*moments: str) -> list[datetime]:
    return [datetime.fromisoformat(f"2026-{moment}:00+00:00") for moment in moments]


def between(cron: Cron, after: datetime, through: datetime) -> list[datetime]:
    return list(cron.latest(after, through, 10_000))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 2 * * *", ["03-28T01:30", "03-29T01:00", "03-30T00:30"]),
        ("0,30 2 * * *", ["03-28T01:00", "03-28T01:30", "03-29T01:00", "03-30T00:00", "03-30T00:30"]),
        ("0 3 * * *", ["03-28T02:00", "03-29T01:00", "03-30T01:00"]),
        ("*/30 2 * * *", ["03-28T01:00", "03-28T01:30", "03-30T00:00", "03-30T00:30"]),
    ],
)
def test_an_hour_that_is_missing(expression: str, expected: list[str]) -> None:
    start, end = utc("03-28T00:00", "03-30T01:00")
    assert between(Cron(expression, "Europe/Berlin"), start, end) == utc(*expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 2 * * *", ["10-24T00:30", "10-25T00:30", "10-26T01:30"]),
        ("0 3 * * *", ["10-24T01:00", "10-25T02:00", "10-26T02:00"]),
        ("*/30 2 * * *", ["10-24T00:00", "10-24T00:30"] + [f"10-25T0{h}:{m}0" for h in (0, 1) for m in (0, 3)]
         + ["10-26T01:00", "10-26T01:30"]),
    ],
)  # fmt: skip
def test_an_hour_that_comes_twice(expression: str, expected: list[str]) -> None:
    start, end = utc("10-23T12:00", "10-26T02:00")
    assert between(Cron(expression, "Europe/Berlin"), start, end) == utc(*expected)


def test_who_looks_within_the_second_pass_sees_no_tick_of_the_first() -> None:
    cron = Cron("30 2 * * *", "Europe/Berlin")
    [within, tomorrow] = utc("10-25T01:10", "10-26T01:30")
    assert next(cron.after(within)) == tomorrow
    assert cron.latest(within, within + timedelta(minutes=50), 10) == ()


@pytest.mark.parametrize("change", [SPRING, AUTUMN])
@pytest.mark.parametrize(("expression", "minutes"), [("0 * * * *", 60), ("* * * * *", 1)])
def test_every_hour_and_every_minute_are_just_that(change: datetime, expression: str, minutes: int) -> None:
    start, end = change - timedelta(hours=3), change + timedelta(hours=3)
    expected = [start + timedelta(minutes=number) for number in range(minutes, 361, minutes)]
    assert between(Cron(expression, "Europe/Berlin"), start, end) == expected


@given(
    expression=st.sampled_from(EXPRESSIONS),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Kathmandu", "UTC"]),
    change=st.sampled_from(
        [SPRING, AUTUMN, datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)]
    ),
    cuts=st.lists(
        st.integers(-2 * 3600, 2 * 3600) | st.integers(-36 * 3600, 36 * 3600),
        min_size=2,
        max_size=6,
        unique=True,
    ),
)
@settings(max_examples=100, deadline=None)
def test_wherever_time_is_cut_each_tick_comes_once(
    expression: str, zone: str, change: datetime, cuts: list[int]
) -> None:
    """Schedulers look at any moment; together they must see what one that never slept would."""
    cron = Cron(expression, zone)
    moments = [change + timedelta(seconds=cut) for cut in sorted(cuts)]
    in_parts = [tick for after, through in pairwise(moments) for tick in between(cron, after, through)]
    whole = between(cron, moments[0], moments[-1])
    assert in_parts == whole == sorted(set(whole))


def test_the_latest_of_a_long_interval() -> None:
    start, end = datetime(1990, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
    every_minute = Cron("* * * * *").latest(start, end, 100)
    assert every_minute == tuple(
        end.replace(second=0) - timedelta(minutes=back) for back in range(99, -1, -1)
    )
    assert [tick.year for tick in Cron("0 0 1 1 *").latest(start, end, 3)] == [2024, 2025, 2026]
    assert len(Cron("0 0 1 1 *").latest(start, end, 100)) == 36
    assert Cron("0 0 1 1 *").latest(end, end + timedelta(days=300), 3) == ()


def test_both_ends_of_an_interval() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    instant = timedelta(microseconds=1)
    cron = Cron("0 12 * * *")
    assert cron.latest(noon - instant, noon, 1) == (noon,)
    assert cron.latest(noon, noon + instant, 1) == ()
    assert cron.latest(noon - timedelta(hours=1), noon - instant, 1) == ()


def test_a_zone_tells_the_clock() -> None:
    cron = Cron(" 0  7 * * 1-5 ", "Europe/Berlin")
    assert cron == Cron("0 7 * * 1-5", "Europe/Berlin")
    for tick in islice(cron.after(AUTUMN), 200):
        local = tick.astimezone(BERLIN)
        assert (local.hour, local.minute) == (7, 0)
        assert local.weekday() < 5


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("0 7 * *", "five fields"),
        ("0 0 7 * * *", "five fields"),
        ("@daily", "five fields"),
        ("", "five fields"),
        ("61 * * * *", "bad minute"),
        ("0 24 * * *", "bad hour"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("0 0 * * 8", "bad day-of-week"),
        ("\u0661 * * * *", "five fields"),
        (None, "must be text"),
    ],
)  # fmt: skip
def test_a_wrong_expression_is_refused_in_one_sentence(expression: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as raised:
        Cron(expression)
    assert raised.value.field == "cron"
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("zone", ["Mars/Base", "", "localtime", "../etc", "Europe", "europe/berlin\0", None])
def test_a_wrong_zone_is_refused(zone: str) -> None:
    with pytest.raises(InvalidInput, match="Europe/Berlin") as raised:
        Cron("* * * * *", zone)
    assert raised.value.field == "time_zone"
