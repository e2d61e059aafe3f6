"""A job queue that lives in Supabase."""

from supaqueue.version import __version__

__all__ = ["__version__"]
