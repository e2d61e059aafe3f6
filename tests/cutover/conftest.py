"""Both systems, empty, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from supaqueue.cutover.switches import DUAL_WRITE, ENABLED, PERCENT
from supaqueue.devstack import Stack
from supaqueue.settings import Settings
from tests.cutover.commands import Terminal
from tests.cutover.world import World, begin_anew


@pytest.fixture
def database(stack18: Stack) -> Iterator[psycopg.Connection[Any]]:
    """A session that sees every row of the database of both, empty before and after."""
    with psycopg.connect(stack18.superuser_url, autocommit=True) as connection:
        begin_anew(connection)
        yield connection
        begin_anew(connection)


@pytest.fixture
def settings(stack18: Stack) -> Settings:
    return Settings(url=stack18.url, service_role_key=stack18.service_role_key)


@pytest.fixture
def world(settings: Settings, database: psycopg.Connection[Any], tmp_path: Path) -> Iterator[World]:
    """A legacy queue in a folder, and Supabase."""
    world = World.at(settings, database, tmp_path)
    yield world
    world.transport.close()
    world.legacy.close()


@pytest.fixture
def rollout(
    world: World,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Terminal:
    """Types `supaqueue rollout`; its environment names both systems, and nothing else of a cutover."""
    for name in (DUAL_WRITE, ENABLED, PERCENT):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SUPABASE_URL", settings.url)
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", settings.service_role_key or "")
    monkeypatch.setenv("SUPAQUEUE_LEGACY", f"folder:{tmp_path / 'legacy'}")
    monkeypatch.setenv("SUPAQUEUE_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    return Terminal(monkeypatch, capsys)
