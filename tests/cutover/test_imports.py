"""Who leaves one old queue does not need the clients of the others."""

from __future__ import annotations

import subprocess
import sys

import pytest

CLIENTS = {"bullmq", "celery", "kombu", "redis", "rq"}


@pytest.mark.parametrize(
    ("module", "loads"),
    [
        ("supaqueue.cutover", set()),
        ("supaqueue.cutover.guard", set()),
        ("supaqueue.cutover.legacy.queue", set()),
        ("supaqueue.cutover.legacy.celery", {"celery", "kombu"}),
        ("supaqueue.cutover.legacy.celery_worker", {"celery", "kombu"}),
        ("supaqueue.cutover.legacy.bullmq_worker", {"bullmq", "redis"}),
    ],
)
def test_a_module_loads_its_own_client_only(module: str, loads: set[str]) -> None:
    program = f"import sys, {module}; print(*set({sorted(CLIENTS)!r}).intersection(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(shown.stdout.split()) == loads
