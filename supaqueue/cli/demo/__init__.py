"""`supaqueue demo`: real files, real worker processes, one of them killed."""

from supaqueue.cli.demo.command import app

__all__ = ["app"]
