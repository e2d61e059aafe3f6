"""The one handler that both systems run: measures a file, and says to the witness that it does."""

from __future__ import annotations

import time
from typing import Any

from supaqueue.cli.demo.cutover.injection import Injection
from supaqueue.cli.demo.cutover.witness import Witness
from supaqueue.cli.demo.handlers import File
from supaqueue.cli.demo.handlers import measure_file as measure
from supaqueue.outcome import Fail
from supaqueue.worker import Context, Registry

GATE_SECONDS = 0.02

registry = Registry()


@registry.task("measure_file", backoff=0.5)
def measure_file(file: File, context: Context) -> dict[str, Any] | Fail:
    """Measures one file. A run beside the one that counts is noted as such, and waits at no gate."""
    witness = Witness.from_environment()
    if context.shadow:
        witness.note(context.job_id, "shadow")
        return measure(file)
    witness.note(context.job_id, "start")
    while witness.gate.exists():
        context.raise_if_cancelled()
        time.sleep(GATE_SECONDS)
    if injection := Injection.from_environment():
        injection.apply(context)
    measured = measure(file)
    witness.note(context.job_id, "end")
    return measured
