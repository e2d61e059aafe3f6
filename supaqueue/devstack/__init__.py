"""A Supabase project on this machine, without Docker: Postgres, PostgREST and a gateway in front of them."""

from supaqueue.devstack.binaries import postgres_binaries
from supaqueue.devstack.stack import ProcessStatus, Stack, StackStatus

__all__ = ["ProcessStatus", "Stack", "StackStatus", "postgres_binaries"]
