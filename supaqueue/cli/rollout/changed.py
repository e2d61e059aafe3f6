"""Changing a flag, and saying how it stands then."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console
from rich.markup import escape

from supaqueue.cli.queues import whoever
from supaqueue.cli.rollout.options import print_json
from supaqueue.contract import ChangeFeatureFlag, FeatureFlag, FlagChange, ReadFeatureFlags
from supaqueue.cutover.report import FlagReport, flag_report
from supaqueue.cutover.switches import Switches
from supaqueue.cutover.warnings import warnings_of_flags
from supaqueue.transport import Transport


def change_flag(
    transport: Transport,
    change: FlagChange,
    *,
    task_type: str | None,
    by: str | None,
    reason: str | None,
    expect_version: int | None = None,
    evidence: str | None = None,
) -> FeatureFlag:
    """Change a flag, and return it as it stands then.

    Raises:
        CallRefused: there is no such step, it is latched, or at another version; nothing was changed.
        CallError: Supabase gave no usable answer.
    """
    return transport.send(
        ChangeFeatureFlag(
            change,
            changed_by=by or whoever(),
            task_type=task_type,
            expected_version=expect_version,
            reason=reason,
            evidence=evidence,
        )
    )


def say_flag(transport: Transport, task_type: str | None, *, next_step: str, as_json: bool) -> None:
    """Print how a flag stands with this host's environment, what needs a person, and what comes next."""
    flags = transport.send(ReadFeatureFlags())
    flag = flags.overall if task_type is None else flags.of(task_type) or flags.overall
    overall = flag_report(flags, flags.overall, Switches.load())
    row = flag_report(flags, flag, Switches.load())
    rows = (overall,) if flag is flags.overall else (overall, row)
    warnings = tuple(warnings_of_flags(rows))
    if as_json:
        print_json(asdict(row) | {"warnings": warnings, "next": next_step})
        return
    console = Console(soft_wrap=True)
    console.print(escape(flag_line(row)))
    for warning in warnings:
        console.print(f"[yellow]{escape(warning)}[/]")
    if next_step:
        console.print(escape(next_step))


def flag_line(row: FlagReport) -> str:
    """Return one sentence of how a flag stands."""
    whose = f"type {row.task_type}" if row.task_type else "overall"
    state = "enabled" if row.is_enabled else "disabled"
    share = f"{row.supabase_percent.normalize():f} percent of new jobs are Supabase's"
    return f"{whose}: stage {row.stage}, {state}, {share} (version {row.version})"
