"""Telling owners of each change of a flag, whoever made it: until it is told, and then no more."""

from __future__ import annotations

import time
from collections.abc import Callable

from supaqueue.contract import ListRolloutNotices, RolloutNotice, SettleRolloutNotices, ToldNotice
from supaqueue.cutover.gate.notice import content_of, event_of
from supaqueue.cutover.gate.webhook import Webhook
from supaqueue.telemetry import Telemetry
from supaqueue.transport import Transport


class Telling:
    """Tells what is due. A notice is owed from the transaction of its change on, so that none is forgotten.

    Who is killed between telling and noting that tells again: receivers know a notice by its id.

    Args:
        telemetry: told at the first try.
        webhook: tried again until it answers with success; None: there is none.
        clock: seconds since 1970, for the signature.
    """

    def __init__(
        self,
        transport: Transport,
        telemetry: Telemetry,
        webhook: Webhook | None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._transport = transport
        self._telemetry = telemetry
        self._webhook = webhook
        self._clock = clock

    def turn(self) -> int:
        """Tell all that is due now, oldest first; returns of how many changes owners have been told.

        Raises:
            CallError: Supabase gave no usable answer.
        """
        told = 0
        for notice in self._transport.send(ListRolloutNotices()):
            problem = self._tell(notice)
            outcome = ToldNotice(notice.notice_id, notice.attempts, problem is None, problem)
            self._transport.send(SettleRolloutNotices((outcome,)))
            told += problem is None
        return told

    def _tell(self, notice: RolloutNotice) -> str | None:
        if notice.attempts == 0:
            self._telemetry.emit(event_of(notice))
        return self._webhook.send(content_of(notice), now=self._clock()) if self._webhook else None
