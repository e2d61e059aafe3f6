"""Batches that one call can carry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

BYTES_PER_CALL = 4 * 1_048_576

Item = TypeVar("Item")


def within_size(
    items: Iterable[Item], size: Callable[[Item], int], most_bytes: int = BYTES_PER_CALL
) -> Iterator[list[Item]]:
    """Return the items in order, in batches of at most so many bytes; a larger item is a batch of its own."""
    batch: list[Item] = []
    total = 0
    for item in items:
        bytes_of_item = size(item)
        if batch and total + bytes_of_item > most_bytes:
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += bytes_of_item
    if batch:
        yield batch
