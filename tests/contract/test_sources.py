"""Where a client over HTTP finds its settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import supabase

from supaqueue.devstack import Stack

Make = Callable[..., Any]


def test_from_a_supabase_client(make_queue: Make, stack18: Stack, queue_name: str) -> None:
    client = supabase.create_client(stack18.url, stack18.service_role_key)
    queue = make_queue(client)
    job_id = queue.enqueue("bill", queue=queue_name).job_id
    assert queue.get(job_id).queue == queue_name


def test_from_the_environment(
    make_queue: Make, stack18: Stack, queue_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"SUPABASE_SERVICE_ROLE_KEY={stack18.service_role_key}\n")
    monkeypatch.setenv("SUPABASE_URL", f"{stack18.url}/rest/v1/")
    job_id = make_queue().enqueue("bill", queue=queue_name).job_id
    assert make_queue(url=stack18.url).get(job_id).queue == queue_name
