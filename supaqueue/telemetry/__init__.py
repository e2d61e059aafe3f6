"""What happened, told to whoever listens: frozen events, one hook, one short file per listener."""

from supaqueue.telemetry import events
from supaqueue.telemetry.events import Event
from supaqueue.telemetry.hook import Hook, Telemetry, configured_hooks
from supaqueue.telemetry.logs import configure_logging

__all__ = ["Event", "Hook", "Telemetry", "configure_logging", "configured_hooks", "events"]
