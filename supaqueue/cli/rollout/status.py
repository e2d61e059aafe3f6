"""`supaqueue rollout status`: where the cutover stands, and what needs a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from supaqueue.cli.rollout.options import AsJson, Legacy, print_json, spool_here, supabase
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.legacy_source import legacy_name, open_legacy
from supaqueue.cutover.look import look_at_legacy, look_at_rollout
from supaqueue.cutover.report import FlagReport, LegacyReport, LocalReport, RolloutReport
from supaqueue.cutover.switches import DUAL_WRITE, ENABLED, PERCENT, Switches
from supaqueue.errors import CallError

FACTS = ("stage", "enabled", "percent", "effective", "supabase's", "goes back", "version", "by")
"""What is said of a flag, a line each: side by side they would be cut on a narrow terminal."""


def status(legacy: Legacy = None, as_json: AsJson = False) -> None:
    """Say who owns new jobs, what each system was not told of the other's, and what needs a person.

    If Supabase gives no answer, what can be seen from here: this host's spool, and legacy.
    """
    found, spool, switches = _legacy_report(legacy), spool_here(), Switches.load()
    with supabase() as transport:
        try:
            report = look_at_rollout(transport, found, spool, switches)
        except CallError as error:
            _print_local(LocalReport(str(error), switches, spool.count() if spool else None, found), as_json)
            raise
    if as_json:
        print_json(report)
    else:
        _print(report)


def _legacy_report(given: str | None) -> LegacyReport | None:
    name = legacy_name(given)
    if name is None:
        return None
    try:
        queue = open_legacy(name)
    except LegacyUnavailable as down:
        return LegacyReport(name.partition(":")[0], str(down))
    with closing(queue):
        return look_at_legacy(queue)


def _print_local(report: LocalReport, as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    print("flag and mirrors: Supabase gives no answer")
    for line in _local_facts(report):
        print(line)


def _print(report: RolloutReport) -> None:
    console = Console(soft_wrap=True)
    flags = Table("flag", *(escape(flag.task_type or "overall") for flag in report.flags))
    for cells in zip(FACTS, *map(_flag_cells, report.flags), strict=True):
        flags.add_row(*map(escape, cells))
    console.print(flags)
    for line in _facts(report):
        console.print(escape(line))
    for warning in report.warnings:
        console.print(f"[yellow]{escape(warning)}[/]")


def _flag_cells(flag: FlagReport) -> Iterator[str]:
    yield flag.stage if flag.stage is flag.effective_stage else f"{flag.stage}, here {flag.effective_stage}"
    yield "yes" if flag.is_enabled else "no"
    for percent in (flag.rollout_percent, flag.effective_percent, flag.supabase_percent):
        yield f"{percent.normalize():f}"
    yield flag.hand_back + (", drained" if flag.drain else "")
    yield str(flag.version)
    yield flag.updated_by or ""


def _facts(report: RolloutReport) -> Iterator[str]:
    environment, *local = _local_facts(report)
    yield environment
    owed = [f"{one.jobs:,} {one.mirror_state} ({one.oldest_seconds:.0f} s)" for one in report.owed]
    yield f"owed to legacy: {', '.join(owed) or 'nothing'}"
    yield f"jobs of legacy without an end here: {report.legacy_open:,}; held here: {report.held:,}"
    yield from local


def _local_facts(report: RolloutReport | LocalReport) -> Iterator[str]:
    yield f"environment here: {_environment(report.switches)}"
    spool = report.spool
    if spool is None:
        yield "spool: none on this host"
    else:
        age = "" if spool.oldest_age_seconds is None else f", the oldest {spool.oldest_age_seconds:.0f} s old"
        yield f"spool: {spool.records:,} mirrors, {spool.bytes:,} bytes{age}"
    yield from _legacy_facts(report.legacy)


def _legacy_facts(legacy: LegacyReport | None) -> Iterator[str]:
    if legacy is None:
        yield "legacy: not named here"
    elif legacy.left is None:
        yield f"legacy ({legacy.name}): no answer"
    else:
        counts = ((name.replace("_", " "), count) for name, count in asdict(legacy.left).items())
        said = [f"{name} {count}" for name, count in counts if isinstance(count, int) and count]
        yield f"legacy ({legacy.name}): alive; {', '.join(said) or 'empty'}"


def _environment(switches: Switches) -> str:
    values = ((DUAL_WRITE, switches.dual_write), (ENABLED, switches.enabled), (PERCENT, switches.percent))
    given = [f"{name}={str(value).lower()}" for name, value in values if value is not None]
    return " ".join(given) or "sets nothing"
