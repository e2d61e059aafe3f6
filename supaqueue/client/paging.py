"""Walking through a long list, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from supaqueue.contract import (
    Call,
    DeadLetterFilter,
    DeadLetterPage,
    JobFilter,
    JobPage,
    JobTaskPage,
    ListDeadLetters,
    ListJobs,
    ListJobTasks,
)
from supaqueue.errors import InvalidInput, JobNotFound
from supaqueue.job import DeadLetter, Job, Task

PAGE_SIZE = 200


class _Page(Protocol):
    @property
    def next_page(self) -> str | None: ...


Row = TypeVar("Row")
Page = TypeVar("Page", bound=_Page)


class Paging(Generic[Row, Page]):
    """The calls that list the rows which pass a filter, up to `limit` of them. Pure: the caller sends them.

    Args:
        call: makes the call for a page (None: the first) of a size.
        rows: the rows of a page.

    Raises:
        InvalidInput: `limit` is negative.
    """

    def __init__(
        self,
        call: Callable[[str | None, int], Call[Page]],
        rows: Callable[[Page], tuple[Row, ...]],
        limit: int | None,
    ) -> None:
        if limit is not None and limit < 0:
            raise InvalidInput("must not be negative", field="limit")
        self._call = call
        self._rows = rows
        self._left = limit
        self._page: str | None = None
        self._ended = False

    def next_call(self) -> Call[Page] | None:
        """Return the call for the next page, or None after the last one."""
        if self._ended or self._left == 0:
            return None
        return self._call(self._page, PAGE_SIZE if self._left is None else min(PAGE_SIZE, self._left))

    def read(self, page: Page) -> Iterator[Row]:
        """Return the rows of the page that `next_call` asked for."""
        self._page = page.next_page
        self._ended = page.next_page is None
        rows = self._rows(page)
        if self._left is not None:
            self._left -= len(rows)
        return iter(rows)


def jobs(filter: JobFilter, limit: int | None) -> Paging[Job, JobPage]:
    """Return what lists jobs."""
    return Paging(lambda page, size: ListJobs(filter, page, size), lambda page: page.jobs, limit)


def tasks(job_id: str, limit: int | None) -> Paging[Task, JobTaskPage]:
    """Return what lists the tasks of a job; reading a page raises JobNotFound if there is no such job."""

    def found(page: JobTaskPage) -> tuple[Task, ...]:
        if not page.found:
            raise JobNotFound(job_id)
        return page.tasks

    return Paging(
        lambda page, size: ListJobTasks(job_id, -1 if page is None else int(page), size), found, limit
    )


def dead_letters(filter: DeadLetterFilter, limit: int | None) -> Paging[DeadLetter, DeadLetterPage]:
    """Return what lists dead letters."""
    return Paging(
        lambda page, size: ListDeadLetters(filter, page, size), lambda page: page.dead_letters, limit
    )
