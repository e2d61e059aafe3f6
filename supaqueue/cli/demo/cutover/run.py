"""Starts everything, takes one course of the cutover, and gathers what there is to say of it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from supaqueue.cli.demo.cutover.broken import Broken, broken
from supaqueue.cli.demo.cutover.by_hand import by_hand
from supaqueue.cli.demo.cutover.injection import Injection, Kind
from supaqueue.cli.demo.cutover.led import led
from supaqueue.cli.demo.cutover.legacy import legacy_place
from supaqueue.cli.demo.cutover.owners import Owners
from supaqueue.cli.demo.cutover.records import read_records
from supaqueue.cli.demo.cutover.rehearsal import Difference, differences, write_rules
from supaqueue.cli.demo.cutover.site import Show, Site
from supaqueue.cli.demo.cutover.summary import Summary, summarise
from supaqueue.cli.demo.cutover.watching import PassedStep, Watching
from supaqueue.cli.demo.cutover.witness import read_witness
from supaqueue.devstack import Stack
from supaqueue.maintain.migrate import Migrator

Course = Literal["led", "by_hand", "broken"]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which cutover is played.

    Attributes:
        legacy: the queue that is left.
        inject: what is broken on purpose, at the share `inject_at`; None: nothing.
    """

    legacy: str = "folder"
    by_hand: bool = False
    inject: Kind | None = None
    inject_at: int = 10

    @property
    def course(self) -> Course:
        """The course that follows."""
        return "by_hand" if self.by_hand else "broken" if self.inject else "led"


@dataclass(frozen=True, slots=True)
class Played:
    """What a cutover came to.

    Attributes:
        rules: of the watch, those that differ from the defaults; by hand there is no watch.
        steps: that it led on from.
        told: owners' notices, by kind, in the order in which they came.
        broken: what became of the fault; None if none was planted.
    """

    course: Course
    legacy: str
    summary: Summary
    rules: tuple[Difference, ...] = ()
    steps: tuple[PassedStep, ...] = ()
    told: tuple[str, ...] = ()
    broken: Broken | None = None

    @property
    def good(self) -> bool:
        """Whether every job came to its right end once, and the watch did what it has to."""
        return self.summary.good and (self.broken is None or self.broken.good)


def play(files: Sequence[Path], folder: Path, asked: Asked, show: Show, *, keep: bool = False) -> Played:
    """Starts everything in a folder, takes every step of a course, and reads both systems' records.

    Raises:
        SupaqueueError: the stack does not start, or a step does not come to its end.
    """
    begun = time.monotonic()
    (folder / "files.json").write_text(json.dumps([str(path) for path in files]))
    show("starting Postgres, PostgREST and the gateway")
    stack = Stack(folder / "stack")
    try:
        stack.up()
        Migrator(stack.database_url).apply()
        with legacy_place(asked.legacy, folder) as place:
            return _played(stack, folder, place, asked, show, begun)
    finally:
        stack.down() if keep else stack.remove()


def _played(stack: Stack, folder: Path, place: str, asked: Asked, show: Show, begun: float) -> Played:
    injection = Injection(folder, asked.inject) if asked.inject else None
    rules = write_rules(asked.legacy, folder / "gate.toml")
    outcome: Broken | None = None
    with ExitStack() as stopping:
        site = Site(stack, folder, place, show, injection)
        stopping.callback(site.close)
        owners = stopping.enter_context(Owners())
        stopping.callback(site.stop)
        watching = Watching(stack, folder, folder / "gate.toml", place, owners)
        if asked.by_hand:
            by_hand(site)
        elif injection is None:
            led(site, watching)
        else:
            outcome = broken(site, watching, owners, injection, asked.inject_at)
        accepted = site.tellings.accepted
        records = read_records(site.database, site.legacy, set(accepted))
    seconds = time.monotonic() - begun
    return Played(
        course=asked.course,
        legacy=asked.legacy,
        summary=summarise(site.stages, accepted, site.tellings.told, read_witness(folder), records, seconds),
        rules=() if asked.by_hand else differences(rules),
        steps=watching.passed(),
        told=tuple(one["kind"] for one in owners.notices),
        broken=outcome,
    )
