"""The Celery app of the demo, with the settings that lose no jobs."""

from __future__ import annotations

from celery import Celery

VISIBILITY_SECONDS = 15


def celery_at(url: str) -> Celery:
    """Return an app whose broker and results are at a Valkey."""
    app = Celery("supaqueue-demo", broker=url, backend=url)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_SECONDS,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            "socket_timeout": 5,
            "socket_connect_timeout": 5,
        },
    )
    return app
