"""An enqueue of a process that can be frozen, or killed, between any two of its steps."""

from __future__ import annotations

from typing import Any

from supaqueue.answer import EnqueueAnswer
from supaqueue.contract import NewJob
from supaqueue.cutover.router import DualWriteQueue
from supaqueue.cutover.steps import Send, Step
from tests.property.cutover_faults import FaultyTransport


class FrozenEnqueue:
    """What it goes by was read when it began; it does nothing until it is let go on."""

    def __init__(self, router: DualWriteQueue, transport: FaultyTransport, job: NewJob) -> None:
        self._transport = transport
        self._steps = router._enqueuing.enqueue([job], [])
        self._step: Step = next(self._steps)

    def go_on(self, steps: int = 1000) -> EnqueueAnswer | None:
        """Make so many steps; returns the answer once there is one.

        Raises:
            CallError: what the caller is told.
        """
        try:
            for _ in range(steps):
                self._advance()
        except StopIteration as ended:
            [answer] = ended.value
            return answer  # type: ignore[no-any-return]
        return None

    def kill(self) -> None:
        """End it where it is."""
        self._steps.close()

    def _advance(self) -> None:
        try:
            done = self._do(self._step)
        except Exception as error:
            self._step = self._steps.throw(error)
        else:
            self._step = self._steps.send(done)

    def _do(self, step: Step) -> Any:
        return self._transport.send(step.call) if isinstance(step, Send) else step.function()
