"""Running tasks: a registry of handlers, and the worker that serves it."""

from supaqueue.worker.context import Context
from supaqueue.worker.registry import Registry
from supaqueue.worker.worker import Companion, Worker

__all__ = ["Companion", "Context", "Registry", "Worker"]
