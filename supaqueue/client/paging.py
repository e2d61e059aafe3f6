"""Walking through a long list, page by page."""

from __future__ import annotations

from collections.abc import Iterator

from supaqueue.contract import JobFilter, JobPage, ListJobs
from supaqueue.errors import InvalidInput
from supaqueue.job import Job

PAGE_SIZE = 200


class Paging:
    """The calls that list the jobs which pass a filter, up to `limit` of them. Pure: the caller sends them.

    Raises:
        InvalidInput: `limit` is negative.
    """

    def __init__(self, filter: JobFilter, limit: int | None) -> None:
        if limit is not None and limit < 0:
            raise InvalidInput("must not be negative", field="limit")
        self._filter = filter
        self._left = limit
        self._page: str | None = None
        self._ended = False

    def next_call(self) -> ListJobs | None:
        """Return the call for the next page, or None after the last one."""
        if self._ended or self._left == 0:
            return None
        size = PAGE_SIZE if self._left is None else min(PAGE_SIZE, self._left)
        return ListJobs(self._filter, self._page, size)

    def read(self, page: JobPage) -> Iterator[Job]:
        """Return the jobs of the page that `next_call` asked for."""
        self._page = page.next_page
        self._ended = page.next_page is None
        if self._left is not None:
            self._left -= len(page.jobs)
        return iter(page.jobs)
