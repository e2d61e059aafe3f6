"""Sharing out a number of bytes among lists."""

from __future__ import annotations

from typing import Any

from supaqueue.cutover.parity.room import size_of, within


def test_where_there_is_room_nothing_is_lost() -> None:
    lists: list[list[Any]] = [["a", "b", "c"], [], [None, {"x": 1}]]
    assert within(1_000, lists) == lists


def test_the_first_of_each_comes_before_the_second_of_any() -> None:
    assert within(5 * size_of("aa"), [["aa"] * 9, ["bb"], ["cc"] * 9]) == [["aa"] * 2, ["bb"], ["cc"] * 2]
    assert within(size_of("aa"), [["aa"], ["aa"]]) == [["aa"], []]
    assert within(0, [["aa"], ["aa"]]) == [[], []]


def test_bytes_count_and_what_a_page_writes_longer() -> None:
    assert size_of("ab") == 4
    assert size_of("\N{CRAB}") == 6
    assert size_of("<") == len('"\\u003c"')
