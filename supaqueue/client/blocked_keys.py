"""Order keys that a failed task blocks: listing them, releasing them; for both colours of the client."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator
from typing import Protocol, TypeVar

from supaqueue.answer import BlockedKey, KeyRelease
from supaqueue.client.paging import Paging
from supaqueue.contract import BlockedKeyPage, Call, ListBlockedKeys, ReleaseKeys
from supaqueue.contract.json_value import check_text

KEYS_PER_CALL = 1000

Reply = TypeVar("Reply")


class _Send(Protocol):
    def __call__(self, call: Call[Reply], /) -> Reply: ...


class _SendAsync(Protocol):
    def __call__(self, call: Call[Reply], /) -> Awaitable[Reply]: ...


class BlockedKeys:
    """The order keys that wait for a decision, as `Queue.blocked_keys`. `AsyncBlockedKeys` is its twin."""

    def __init__(self, send: _Send) -> None:
        self._send = send

    def list(self, queue: str | None = None, *, limit: int | None = None) -> Iterator[BlockedKey]:
        """Return blocked keys by queue and key; pages are read as the iterator gets to them.

        Args:
            queue: only its keys; by default those of all queues.
            limit: how many at most.

        Raises:
            InvalidInput: naming the argument.
        """
        return self._walk(pages(queue, limit))

    def release(
        self, keys: Iterable[tuple[str, str]], *, reason: str | None = None, by: str | None = None
    ) -> builtins.list[KeyRelease]:
        """Let keys go on past the failed task that blocks each, and answer each in order.

        That task stays a dead letter. Replayed later, it waits for a turn of its key, ahead of those that
        came after it, and blocks it no more.

        Args:
            keys: each as queue and order key.
            reason: for those who look, up to 1,000 characters.
            by: who releases them, up to 200 characters.

        Raises:
            InvalidInput: naming the argument.
        """
        answered: builtins.list[KeyRelease] = []
        for call in release_calls(keys, reason, by):
            answered += self._send(call)
        return answered

    def _walk(self, pages: Paging[BlockedKey, BlockedKeyPage]) -> Iterator[BlockedKey]:
        while (call := pages.next_call()) is not None:
            yield from pages.read(self._send(call))


class AsyncBlockedKeys:
    """The order keys that wait for a decision, as `AsyncQueue.blocked_keys`. `BlockedKeys` is its twin."""

    def __init__(self, send: _SendAsync) -> None:
        self._send = send

    def list(self, queue: str | None = None, *, limit: int | None = None) -> AsyncIterator[BlockedKey]:
        """Return blocked keys by queue and key; pages are read as the iterator gets to them.

        Args:
            queue: only its keys; by default those of all queues.
            limit: how many at most.

        Raises:
            InvalidInput: naming the argument.
        """
        return self._walk(pages(queue, limit))

    async def release(
        self, keys: Iterable[tuple[str, str]], *, reason: str | None = None, by: str | None = None
    ) -> builtins.list[KeyRelease]:
        """Let keys go on past the failed task that blocks each, and answer each in order.

        That task stays a dead letter. Replayed later, it waits for a turn of its key, ahead of those that
        came after it, and blocks it no more.

        Args:
            keys: each as queue and order key.
            reason: for those who look, up to 1,000 characters.
            by: who releases them, up to 200 characters.

        Raises:
            InvalidInput: naming the argument.
        """
        answered: builtins.list[KeyRelease] = []
        for call in release_calls(keys, reason, by):
            answered += await self._send(call)
        return answered

    async def _walk(self, pages: Paging[BlockedKey, BlockedKeyPage]) -> AsyncIterator[BlockedKey]:
        while (call := pages.next_call()) is not None:
            for blocked in pages.read(await self._send(call)):
                yield blocked


def pages(queue: str | None, limit: int | None) -> Paging[BlockedKey, BlockedKeyPage]:
    """Return what lists blocked keys.

    Raises:
        InvalidInput: naming the argument.
    """
    of_queue = None if queue is None else check_text(queue, field="queue")
    return Paging(
        lambda page, size: ListBlockedKeys(of_queue, page, size), lambda page: page.blocked_keys, limit
    )


def release_calls(
    keys: Iterable[tuple[str, str]], reason: str | None, by: str | None
) -> builtins.list[ReleaseKeys]:
    """Return the calls that release keys: none of them, or all, are made.

    Raises:
        InvalidInput: naming the argument.
    """
    checked = [
        (check_text(queue, field=f"keys[{n}].queue"), check_text(key, field=f"keys[{n}].order_key"))
        for n, (queue, key) in enumerate(keys)
    ]
    why = None if reason is None else check_text(reason, field="reason", max_length=1000)
    who = None if by is None else check_text(by, field="by")
    parts = (checked[start : start + KEYS_PER_CALL] for start in range(0, len(checked), KEYS_PER_CALL))
    return [ReleaseKeys(tuple(part), why, who) for part in parts]
