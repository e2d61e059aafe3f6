"""A load test's figures for people: tables, two charts, and the verdict."""

from __future__ import annotations

from typing import Any

import plotext
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from supaqueue.cli.loadtest.figures import figures_of, with_backlog
from supaqueue.cli.loadtest.run import LoadTest

PIPED_WIDTH = 110
"""Of the lines where there is no terminal: no figure is cut."""
CHART_HEIGHT = 12
WIDEST_CHART = 110
COLOURS = {"met": "green", "missed": "red", "inconclusive": "yellow"}
MEANINGS = {
    "late": "due to sent",
    "answer": "due to answered",
    "pickup": "stored to claimed",
    "run": "claimed to ended",
    "finish": "due to completed",
}


def print_load_test(found: LoadTest) -> None:
    """Print it on standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH, highlight=False)
    figures = figures_of(found)
    console.print(_latencies(figures["latency_ms"]))
    for chart in _charts(found, min(console.width, WIDEST_CHART)):
        console.print(Text.from_ansi(chart))
    for line in _lines(figures):
        console.print(escape(line))
    answer = found.verdict.answer
    console.print(f"[bold {COLOURS[answer]}]{answer}[/]" + escape(_why(figures)))


def _latencies(latency: dict[str, Any]) -> Table:
    table = Table("ms")
    names = [name for name in latency["finish"] if name != "count"]
    for name in ("jobs", *names):
        table.add_column(name, justify="right")
    table.add_column("from, to", style="dim", no_wrap=True)
    for name, row in latency.items():
        values = ["" if row[one] is None else f"{row[one]:,.1f}" for one in names]
        table.add_row(name, f"{row['count']:,}", *values, MEANINGS[name])
    return table


def _charts(found: LoadTest, width: int) -> list[str]:
    rows = with_backlog(found)
    finished = [
        (at, one.finish_at(50), one.finish_at(95)) for at, one, _, _ in rows if one.finish_at(50) is not None
    ]
    if not finished:
        return []
    latency = _new_chart(width, "finish, ms, by the second at which jobs were due")
    at = [row[0] for row in finished]
    latency.plot(at, [row[2] for row in finished], label="p95")
    latency.plot(at, [row[1] for row in finished], label="p50")
    built = [latency.build()]
    backlog = _new_chart(width, "jobs that had not ended")
    backlog.plot([row[0] for row in rows], [row[2] for row in rows], label="due")
    backlog.plot([row[0] for row in rows], [row[3] for row in rows], label="accepted")
    return [*built, backlog.build()]


def _new_chart(width: int, title: str) -> Any:
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.limit_size(False, False)
    plotext.plot_size(width, CHART_HEIGHT)
    plotext.title(title)
    plotext.ylim(0)
    return plotext


def _lines(figures: dict[str, Any]) -> list[str]:
    load, jobs, backlog = figures["load"], figures["jobs"], figures["backlog"]
    lines = [
        f"load      {jobs['due']:,} jobs due in {load['duration_seconds']:g} s ({load['rate']:g} a second),"
        f" {jobs['sent']:,} sent ({load['sent_rate']:g} a second), at most {load['concurrency']} at a time",
        f"jobs      {jobs['completed']:,} completed, {jobs['failed']:,} failed,"
        f" {jobs['cancelled']:,} cancelled, {jobs['refused']:,} refused, {jobs['unsent']:,} unsent,"
        f" {jobs['unended']:,} not ended" + (f", {jobs['vanished']:,} vanished" if jobs["vanished"] else ""),
    ]
    if len(jobs["by_owner"]) > 1:
        lines.append(
            "owners    " + ", ".join(f"{name}: {count:,}" for name, count in jobs["by_owner"].items())
        )
    lines += [f"error     {kind}: {count:,}" for kind, count in figures["errors"].items()]
    lines.append(_backlog_line(backlog))
    producers = figures["producers"]
    lines.append(
        f"machine   event loop late by {_plain(producers['loop_lag_ms']['p95'])} ms (p95), producers used"
        f" {producers['cpu_percent']:g} percent of a core, load average {producers['load_average']:g};"
        f" idle, a job took {figures['idle_finish_ms']:.1f} ms"
    )
    cleaned = figures["cleaned_up"]
    lines.append(f"cleanup   {cleaned['cancelled']:,} jobs cancelled, {cleaned['removed']:,} removed")
    if cleaned["failed"]:
        lines.append(f"          not to the end: {cleaned['failed']}; the rest has the tag {cleaned['tag']}")
    return lines


def _backlog_line(backlog: dict[str, Any]) -> str:
    peak, drained = backlog["peak"], backlog["drained_after_seconds"]
    oldest = "" if peak["oldest_seconds"] is None else f", the oldest for {peak['oldest_seconds']:.1f} s"
    after = "unknown" if backlog["after"] is None else f"{backlog['after']['waiting']:,}"
    end = "not drained" if drained is None else f"drained {drained:.1f} s after the last enqueue"
    return (
        f"backlog   {backlog['before']['waiting']:,} waited before, {_plain(peak['waiting'])} at most"
        f"{oldest}, {after} after; {end}"
    )


def _why(figures: dict[str, Any]) -> str:
    objective = figures["objective"]
    if figures["reasons"]:
        return ": " + "; ".join(figures["reasons"])
    return (
        f": {objective['within_percent']:.2f} percent completed within {objective['slo_ms']:g} ms of being"
        f" due; {objective['percentile']:g} must"
    )


def _plain(value: float | None) -> str:
    return "?" if value is None else f"{value:,.0f}"
