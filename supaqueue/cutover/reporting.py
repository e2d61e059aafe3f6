"""What the router tells telemetry of its own."""

from __future__ import annotations

from typing import Literal

from supaqueue.telemetry import Telemetry, events


class CutoverReports:
    """Emits `mirror_failed` and `read_fallback`; nothing without telemetry. Counts fallbacks as well."""

    def __init__(self, telemetry: Telemetry | None) -> None:
        self._telemetry = telemetry

    def mirror_failed(self, system: Literal["supabase", "legacy"], jobs: int, error_type: str) -> None:
        """Report copies that a system did not take in time; a relay brings them."""
        if self._telemetry is not None:
            self._telemetry.emit(events.MirrorFailed(system=system, jobs=jobs, error_type=error_type))

    def read_fallback(self, job_id: str, asked_first: Literal["supabase", "legacy"], operation: str) -> None:
        """Report a job that the other side owned than the one that was asked first."""
        if self._telemetry is not None:
            self._telemetry.emit(
                events.ReadFallback(job_id=job_id, asked_first=asked_first, operation=operation)
            )
