"""The demo's handler with one thing changed: how loud a sound is comes in another rounding."""

from __future__ import annotations

from typing import Any

from supaqueue.cli.demo.cutover.handlers import measure_file as measure
from supaqueue.cli.demo.handlers import File
from supaqueue.outcome import Fail
from supaqueue.worker import Context, Registry

registry = Registry()


@registry.task("measure_file", backoff=0.5)
def measure_file(file: File, context: Context) -> dict[str, Any] | Fail:
    """Measures one file."""
    measured = measure(file, context)
    if isinstance(measured, dict) and "rms" in measured:
        measured["rms"] = round(measured["rms"], 2)
    return measured
