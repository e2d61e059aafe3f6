"""What RQ's workers import: the clean handlers behind the guard."""

from __future__ import annotations

from supaqueue.cutover.legacy.rq_worker import rq_handler
from tests.cutover.parity.clean_handlers import registry
from tests.cutover.parity.clean_legacy import guard_of, legacy

run = rq_handler(registry, guard_of(legacy()))
