"""What worker processes under test serve. Files say when: they outlive a process that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from pydantic import BaseModel

from supaqueue.client import AsyncQueue
from supaqueue.worker import Context, Registry

registry = Registry()


class Gate(BaseModel):
    """`folder` gets a file named like the process whose handler begins; it ends once `open` is there."""

    folder: Path

    def enter(self) -> None:
        """Say that this process is inside."""
        (self.folder / f"entered-{os.getpid()}").touch()

    @property
    def is_open(self) -> bool:
        """Whether the handler may end."""
        return (self.folder / "open").exists()


@registry.task("pass_gate")
async def pass_gate(gate: Gate, context: Context) -> str:
    """Waits as async handlers should."""
    gate.enter()
    while not gate.is_open:
        await asyncio.sleep(0.01)
    return context.worker_id


@registry.task("pass_gate_in_thread")
def pass_gate_in_thread(gate: Gate, context: Context) -> str:
    """Waits in a thread, and looks at nothing else."""
    gate.enter()
    while not gate.is_open:
        time.sleep(0.01)
    return context.worker_id


@registry.task("block_loop")
async def block_loop(gate: Gate, context: Context) -> str:
    """Waits as no async handler should."""
    return pass_gate_in_thread(gate, context)


@registry.task("tick")
async def tick(seconds: float) -> None:
    """Takes a moment."""
    await asyncio.sleep(seconds)


@registry.task("kill_own_worker")
async def kill_own_worker() -> None:
    """Takes its whole worker with it, at once."""
    os.kill(os.getpid(), signal.SIGKILL)


@registry.task("kill_own_worker_once_started")
async def kill_own_worker_once_started(context: Context) -> None:
    """Takes its whole worker with it, as soon as the database knows that it has begun."""
    async with AsyncQueue() as queue:
        while (job := await queue.get(context.job_id)) and job.tasks[0].status != "processing":
            await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
