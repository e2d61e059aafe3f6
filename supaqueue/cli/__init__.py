"""The command line: `supaqueue`."""

from supaqueue.cli.main import main

__all__ = ["main"]
