"""What RQ's workers import: the registry's handlers behind the guard."""

from __future__ import annotations

import os

from supaqueue.cli.demo.cutover.handlers import registry
from supaqueue.cli.demo.cutover.legacy import PLACE, guard_of, open_legacy
from supaqueue.cutover.legacy.rq_worker import rq_handler

run = rq_handler(registry, guard_of(open_legacy(os.environ[PLACE])))
