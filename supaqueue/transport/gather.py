"""Natural batching for threads: an enqueue goes out at once if none is under way, else with others."""

from __future__ import annotations

import threading
from collections import deque
from typing import TypeVar, cast

from supaqueue.contract import Call, EnqueueJobs
from supaqueue.errors import CallError, CallRefused
from supaqueue.transport.batch import Answers, divided, fitting, merged, own_error
from supaqueue.transport.protocols import Transport

Reply = TypeVar("Reply")


class _Waiting:
    """One caller: `woken` once it has its answer or its error, or is to send for those that wait."""

    __slots__ = ("answers", "call", "error", "leads", "woken")

    def __init__(self, call: EnqueueJobs) -> None:
        self.call = call
        self.answers: Answers | None = None
        self.error: CallError | None = None
        self.leads = False
        self.woken = threading.Event()

    @property
    def is_settled(self) -> bool:
        """Whether it is known what the call came to."""
        return self.answers is not None or self.error is not None


class GatheringTransport:
    """Sends enqueues through another transport, those that come while one is under way as one call.

    A lone caller waits for nobody. Who comes first is sent first, up to 1,000 jobs and 1 MiB in a call. One
    call of several callers is all or nothing to none of them: if it is refused, each is sent alone. Safe to
    share between threads.

    Args:
        transport: what carries the calls; closed with this one.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._is_sending = False

    def send(self, call: Call[Reply]) -> Reply:
        """Make the call and return its answer.

        Raises:
            CallError: as the transport says.
        """
        if isinstance(call, EnqueueJobs):
            return cast(Reply, self._enqueue(call))
        return self._transport.send(call)

    def close(self) -> None:
        """Close the transport."""
        self._transport.close()

    def _enqueue(self, call: EnqueueJobs) -> Answers:
        own = _Waiting(call)
        with self._lock:
            self._waiting.append(own)
            own.leads, self._is_sending = not self._is_sending, True
        try:
            if not own.leads:
                own.woken.wait()
            if own.leads:
                self._send_next()
        finally:
            self._leave(own)
        if own.error is not None:
            raise own.error
        assert own.answers is not None  # a leader is the first of those that it sends for
        return own.answers

    def _send_next(self) -> None:
        with self._lock:
            batch = [self._waiting[n] for n in range(fitting([one.call for one in self._waiting]))]
        try:
            _settle(batch, self._transport)
        finally:
            with self._lock:
                for one in batch:
                    if one.is_settled:
                        self._waiting.remove(one)
                        one.woken.set()

    def _leave(self, own: _Waiting) -> None:
        """Also on an interrupt: nobody may wait for who has gone."""
        with self._lock:
            if own in self._waiting:
                self._waiting.remove(own)
            if not own.leads:
                return
            self._is_sending = bool(self._waiting)
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].woken.set()


def _settle(batch: list[_Waiting], transport: Transport) -> None:
    calls = [one.call for one in batch]
    try:
        parts = divided(calls, transport.send(merged(calls)))
    except CallRefused as refused:
        if len(batch) == 1:
            batch[0].error = refused
            return
        for one in batch:
            _settle([one], transport)
    except CallError as error:
        for one in batch:
            one.error = error if len(batch) == 1 else own_error(error, one.call)
    else:
        for one, answers in zip(batch, parts, strict=True):
            one.answers = answers
