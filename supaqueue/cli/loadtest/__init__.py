"""`supaqueue loadtest`: jobs at times fixed beforehand, from enqueue to finish, on a system that runs."""

from supaqueue.cli.loadtest.command import app

__all__ = ["app"]
