"""The reference page and the dashboard say what the code does."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from supaqueue.telemetry import events
from supaqueue.telemetry.datadog import METRICS
from supaqueue.telemetry.events import EVENT_TYPES
from supaqueue.telemetry.logs import LEVELS
from supaqueue.telemetry.ratios import Ratios, ratios

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "telemetry.md").read_text()
DASHBOARD = json.loads((DOCS / "telemetry" / "datadog-dashboard.json").read_text())
SUFFIXES = {"histogram": {"median", "95percentile", "avg", "max", "count"}, "count": set(), "gauge": set()}


def rows(first_cell: str) -> list[list[str]]:
    """The rows of the page whose first cell matches."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines()]
    return [row for row in cells if re.fullmatch(first_cell, row[0])]


def queries(node: Any) -> list[str]:
    if isinstance(node, dict):
        found = [node["query"]] if isinstance(node.get("query"), str) else []
        return found + [query for child in node.values() for query in queries(child)]
    return [query for child in node for query in queries(child)] if isinstance(node, list) else []


def dashboard_metrics() -> set[str]:
    return {metric for query in queries(DASHBOARD) for metric in metrics_of(query)}


def metrics_of(query: str) -> list[str]:
    return re.findall(r"supaqueue\.[\w.]+", query)


def graph(title: str) -> dict[str, Any]:
    groups = [group["definition"]["widgets"] for group in DASHBOARD["widgets"]]
    [found] = [
        item["definition"] for group in groups for item in group if item["definition"]["title"] == title
    ]
    [request] = found["requests"]
    return dict(request)


def test_the_table_of_events_is_complete() -> None:
    table = {row[0].strip("`"): row for row in rows("`[a-z]+_[a-z]+`")}
    assert set(table) == {kind.name for kind in EVENT_TYPES}
    for kind in EVENT_TYPES:
        row = table[kind.name]
        names = set(re.findall(r"`(\w+)`", row[3]))
        if "ids" in row[3]:
            names |= {field.name for field in fields(events.TaskEvent)}
        assert {field.name for field in fields(kind)} <= names, kind.name
        assert row[1] == {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR"}[LEVELS[kind]]


def test_the_table_of_metrics_is_complete() -> None:
    table = {row[0].strip("`"): row[1].split()[0].rstrip(",") for row in rows(r"`supaqueue\.[\w.]+`")}
    assert table == dict(METRICS)


def test_the_dashboard_knows_only_metrics_that_exist() -> None:
    for metric in dashboard_metrics():
        name, _, suffix = metric.rpartition(".")
        assert metric in METRICS or suffix in SUFFIXES[METRICS[name]], metric


def test_the_dashboard_shows_every_metric() -> None:
    shown = dashboard_metrics()
    assert [name for name in METRICS if not any(metric.startswith(name) for metric in shown)] == []


COUNTS = {
    "enqueue_unavailable": 3,
    "job_enqueued": 11,
    "job_started": 29,
    "job_retried": 5,
    "job_succeeded": 17,
    "job_failed": 7,
}


@pytest.mark.parametrize("field", fields(Ratios), ids=lambda field: field.name)
def test_code_page_and_dashboard_have_the_same_ratios(field: Any) -> None:
    title = {"end_to_end_success": "end-to-end success"}.get(field.name, field.name.replace("_", " "))
    [row] = rows(re.escape(title))
    request = graph(title)
    metrics = {query["name"]: metrics_of(query["query"]) for query in request["queries"]}
    shown = {name: COUNTS[metric.removeprefix("supaqueue.")] for name, [metric] in metrics.items()}

    expected = getattr(ratios(COUNTS), field.name)
    assert eval(row[1].strip("`"), {}, COUNTS) == expected
    assert eval(request["formulas"][0]["formula"], {"default_zero": int}, shown) == expected


def test_the_dashboard_can_be_imported() -> None:
    assert {"title", "layout_type", "widgets"} <= DASHBOARD.keys()
    for group in DASHBOARD["widgets"]:
        for widget in group["definition"]["widgets"]:
            for request in widget["definition"]["requests"]:
                names = {query["name"] for query in request["queries"]}
                for formula in request["formulas"]:
                    assert names & set(re.findall(r"[a-z]\w*", formula["formula"]))


def test_gauges_are_never_summed() -> None:
    gauges = [name for name, kind in METRICS.items() if kind == "gauge"]
    used = [query for query in queries(DASHBOARD) if any(name in query for name in gauges)]
    assert len(used) == len(gauges)
    assert all(query.startswith("max:") for query in used)
