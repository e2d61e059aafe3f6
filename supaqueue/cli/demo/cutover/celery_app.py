"""What Celery's workers import: `celery --app supaqueue.cli.demo.cutover.celery_app worker`."""

from __future__ import annotations

import os

from supaqueue.cli.demo.cutover.celery_settings import celery_at
from supaqueue.cli.demo.cutover.handlers import registry
from supaqueue.cli.demo.cutover.legacy import PLACE, guard_of, open_legacy
from supaqueue.cutover.legacy.celery_worker import celery_tasks

app = celery_at(os.environ[PLACE].partition(":")[2])
celery_tasks(app, registry, guard_of(open_legacy(os.environ[PLACE])))
