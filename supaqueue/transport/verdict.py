"""What an answer, or the lack of one, means: the one place where that is decided. No I/O.

    nothing was sent (refused, no such host, no connection in time)        committed no       again
    sent, no answer                                                        committed unknown  again
    2xx with the function's answer                                         answered
    2xx with anything else                                                 committed unknown  again unless HTML
    3xx, HTML, 404 or 406 of a server that is no PostgREST for our schema  committed no       EndpointNotFound
    401, 403                                                               committed no       AccessDenied
    429                                                                    committed no       again, as asked
    SQ001; 404 PGRST202 after some tries                                   committed no       ContractMismatch
    4xx with any other code, 413                                           committed no       CallRefused
    57014, 40P01, 55P03, 40001; PGRST002, PGRST003, whatever the status    committed no       again
    408; every other 5xx                                                   committed unknown  again
"""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from supaqueue.errors import CallError, Committed, QueueUnavailable
from supaqueue.settings import Settings
from supaqueue.transport import causes
from supaqueue.transport.answer import ErrorBody, is_html, read_error
from supaqueue.transport.causes import Cause

SCHEMA_CACHE_SECONDS = 3.0
"""How long a function may be unknown to PostgREST because it is about to read the schema again."""
