"""Failed tasks: listing them, letting them run again, forgetting them; for both colours of the client."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar, Unpack

from supaqueue.answer import DropAnswer, ReplayAnswer
from supaqueue.client import paging
from supaqueue.contract import (
    Call,
    DeadLetterFilter,
    DeadLetterOptions,
    DeadLetterPage,
    DropDeadLetters,
    Replay,
    ReplayJobTasks,
    TaskRef,
)
from supaqueue.errors import InvalidInput
from supaqueue.job import DeadLetter

ROWS_PER_CALL = 1000

Reply = TypeVar("Reply")


class _Send(Protocol):
    def __call__(self, call: Call[Reply], /) -> Reply: ...


class _SendAsync(Protocol):
    def __call__(self, call: Call[Reply], /) -> Awaitable[Reply]: ...


class DeadLetters:
    """The failed tasks of all queues, as `Queue.dead_letters`. `AsyncDeadLetters` is its twin."""

    def __init__(self, send: _Send) -> None:
        self._send = send

    def list(self, *, limit: int | None = None, **options: Unpack[DeadLetterOptions]) -> Iterator[DeadLetter]:
        """Return dead letters, the latest first; pages are read as the iterator gets to them.

        Args:
            limit: how many at most.
            options: `job_id`, `queue`, `task_type`; `error_type`, what the last attempt ended with, like
                `ValueError`, `TimedOut`, `DeadlineExceeded` or `LeaseLost`; `parked`, only those whose
                payload does not fit (True) or none of them (False); `failed_after`, `failed_before`.

        Raises:
            InvalidInput: naming the argument.
        """
        return self._walk(paging.dead_letters(DeadLetterFilter(**options), limit))

    def replay(
        self, dead_letters: Iterable[DeadLetter], *, per_second: float | None = None
    ) -> builtins.list[ReplayAnswer]:
        """Let dead letters run again, with as many attempts as before, and answer each in order.

        Each keeps its history and its checkpoint; a deadline counts no longer. To do so once more is safe: a
        dead letter says under which lease it failed.

        Args:
            per_second: spreads them over time; by default all may run at once.

        Raises:
            InvalidInput: `per_second` is not above 0.
        """
        answered: builtins.list[ReplayAnswer] = []
        for call in replay_calls(list(dead_letters), per_second):
            answered += self._send(call)
        return answered

    def drop(self, dead_letters: Iterable[DeadLetter]) -> builtins.list[DropAnswer]:
        """Forget dead letters for good, with the jobs that they are of, and answer each in order."""
        answered: builtins.list[DropAnswer] = []
        for call in drop_calls(list(dead_letters)):
            answered += self._send(call)
        return answered

    def _walk(self, pages: paging.Paging[DeadLetter, DeadLetterPage]) -> Iterator[DeadLetter]:
        while (call := pages.next_call()) is not None:
            yield from pages.read(self._send(call))


class AsyncDeadLetters:
    """The failed tasks of all queues, as `AsyncQueue.dead_letters`. `DeadLetters` is its twin."""

    def __init__(self, send: _SendAsync) -> None:
        self._send = send

    def list(
        self, *, limit: int | None = None, **options: Unpack[DeadLetterOptions]
    ) -> AsyncIterator[DeadLetter]:
        """Return dead letters, the latest first; pages are read as the iterator gets to them.

        Args:
            limit: how many at most.
            options: `job_id`, `queue`, `task_type`; `error_type`, what the last attempt ended with, like
                `ValueError`, `TimedOut`, `DeadlineExceeded` or `LeaseLost`; `parked`, only those whose
                payload does not fit (True) or none of them (False); `failed_after`, `failed_before`.

        Raises:
            InvalidInput: naming the argument.
        """
        return self._walk(paging.dead_letters(DeadLetterFilter(**options), limit))

    async def replay(
        self, dead_letters: Iterable[DeadLetter], *, per_second: float | None = None
    ) -> builtins.list[ReplayAnswer]:
        """Let dead letters run again, with as many attempts as before, and answer each in order.

        Each keeps its history and its checkpoint; a deadline counts no longer. To do so once more is safe: a
        dead letter says under which lease it failed.

        Args:
            per_second: spreads them over time; by default all may run at once.

        Raises:
            InvalidInput: `per_second` is not above 0.
        """
        answered: builtins.list[ReplayAnswer] = []
        for call in replay_calls(list(dead_letters), per_second):
            answered += await self._send(call)
        return answered

    async def drop(self, dead_letters: Iterable[DeadLetter]) -> builtins.list[DropAnswer]:
        """Forget dead letters for good, with the jobs that they are of, and answer each in order."""
        answered: builtins.list[DropAnswer] = []
        for call in drop_calls(list(dead_letters)):
            answered += await self._send(call)
        return answered

    async def _walk(self, pages: paging.Paging[DeadLetter, DeadLetterPage]) -> AsyncIterator[DeadLetter]:
        while (call := pages.next_call()) is not None:
            for dead_letter in pages.read(await self._send(call)):
                yield dead_letter


def replay_calls(dead_letters: Sequence[DeadLetter], per_second: float | None) -> Iterator[ReplayJobTasks]:
    """Return the calls that let dead letters run again, the n-th of them n / per_second seconds from now.

    Raises:
        InvalidInput: `per_second` is not above 0.
    """
    if per_second is not None and not per_second > 0:
        raise InvalidInput("must be above 0", field="per_second")
    for start in range(0, len(dead_letters), ROWS_PER_CALL):
        part = enumerate(dead_letters[start : start + ROWS_PER_CALL], start)
        yield ReplayJobTasks(
            tuple(Replay(ref(letter), n / per_second if per_second else 0.0) for n, letter in part)
        )


def drop_calls(dead_letters: Sequence[DeadLetter]) -> Iterator[DropDeadLetters]:
    """Return the calls that forget dead letters."""
    for start in range(0, len(dead_letters), ROWS_PER_CALL):
        yield DropDeadLetters(tuple(map(ref, dead_letters[start : start + ROWS_PER_CALL])))


def ref(dead_letter: DeadLetter) -> TaskRef:
    """Return what names a dead letter: its task, and the lease under which it failed."""
    return TaskRef(dead_letter.job_id, dead_letter.task_number, dead_letter.lease_token)
