"""Sharing out a number of bytes: every list keeps its first entries, as many in each as there is room for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import zip_longest

from supaqueue.contract import Json


def within(most: int, lists: Sequence[Sequence[Json]]) -> list[list[Json]]:
    """Return the lists without their last entries: the first of each is taken, then the second of each.

    Args:
        most: bytes that all of them may take; with the first entry too large for what is left it ends.
    """
    kept: list[list[Json]] = [[] for _ in lists]
    for row in zip_longest(*lists, fillvalue=_NOTHING):
        for mine, entry in zip(kept, row, strict=True):
            if entry is _NOTHING:
                continue
            most -= size_of(entry)
            if most < 0:
                return kept
            mine.append(entry)
    return kept


def size_of(entry: Json) -> int:
    """Return how many bytes it takes in a report or its page, where each `<` is written as six."""
    text = json.dumps(entry, ensure_ascii=False, indent=2)
    return len(text.encode()) + 5 * text.count("<")


_NOTHING: Json = object()  # type: ignore[assignment]  # no entry is it
