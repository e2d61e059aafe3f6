"""Running tasks: a registry of handlers, and the worker that serves it."""

from supaqueue.worker.context import Context
from supaqueue.worker.registry import Registry
from supaqueue.worker.worker import Worker

__all__ = ["Context", "Registry", "Worker"]
