"""Telling owners that the looks of a watch fail, and that they go well again: once each."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from supaqueue.cutover.gate.looked import Looked
from supaqueue.cutover.gate.notice import looks_failing_content, looks_recovered_content
from supaqueue.cutover.gate.webhook import Webhook
from supaqueue.telemetry import Telemetry, events


class FailingLooks:
    """Remembers in this process since when looks have failed: one that is started anew tells anew.

    Not in the database, like notices of changes: that it gives no answer is why most looks fail.

    Args:
        telemetry: told once.
        webhook: tried again after each look until it answers with success; None: there is none.
        watch: whose looks these are, for the notice.
        after_seconds: for how long looks must have failed in a row; 0: the first one that fails is told.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        webhook: Webhook | None,
        *,
        watch: str,
        after_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._telemetry = telemetry
        self._webhook = webhook
        self._watch = watch
        self._after_seconds = after_seconds
        self._clock = clock
        self._since: float | None = None
        self._notice_id: str | None = None
        self._behind: str | None = None
        self._owed: list[dict[str, Any]] = []

    def heed(self, looked: Looked) -> None:
        """Take note of a look, and tell what follows."""
        if looked.problems:
            self._failed(looked.problems[0].error_type)
        elif looked.holder is None or looked.holder == self._behind:
            # A watch that fails lets go at once, so who still holds the lease at a second look does well.
            self._went_well()
        self._behind = looked.holder
        self._deliver()

    def _failed(self, error_type: str) -> None:
        now = self._clock()
        self._since = now if self._since is None else self._since
        seconds = now - self._since
        if self._notice_id is None and seconds >= self._after_seconds:
            self._notice_id = uuid.uuid4().hex
            self._telemetry.emit(events.LooksFailing(error_type=error_type, seconds=seconds))
            since = datetime.fromtimestamp(self._since, UTC)
            self._owe(looks_failing_content(self._notice_id, self._watch, since, error_type))

    def _went_well(self) -> None:
        if self._notice_id is not None and self._since is not None:
            seconds = self._clock() - self._since
            self._telemetry.emit(events.LooksRecovered(seconds=seconds))
            since = datetime.fromtimestamp(self._since, UTC)
            if not self._never_heard(self._notice_id):
                self._owe(looks_recovered_content(f"{self._notice_id}-over", self._watch, since, seconds))
        self._since = self._notice_id = None

    def _never_heard(self, notice_id: str) -> bool:
        """Whether the webhook was not told that they fail; then it need not be told that they do not."""
        left = [one for one in self._owed if one["notice_id"] != notice_id]
        never_heard, self._owed = len(left) < len(self._owed), left
        return never_heard

    def _owe(self, content: dict[str, Any]) -> None:
        if self._webhook is not None:
            self._owed.append(content)

    def _deliver(self) -> None:
        while self._webhook is not None and self._owed:
            if self._webhook.send(self._owed[0], now=self._clock()) is not None:
                return
            del self._owed[0]
