"""A report over a hundred thousand differences, each as large as it gets, stays small and can be opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from supaqueue.cutover.parity.page import page_of
from supaqueue.cutover.parity.report import written
from supaqueue.cutover.parity.tally import LONGEST_SHOWN
from tests.cutover.parity.page_reports import hostile_to_size, pair, reported

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MOST_BYTES = 5_000_000


def classes(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for of_type in report["types"] for one in of_type["classes"]]


@pytest.mark.slow
def test_a_hundred_thousand_large_differences_make_a_small_page(browser: Browser, tmp_path: Path) -> None:
    report = reported(hostile_to_size(100_000))
    text, page = written(report), page_of(report)
    assert report["classes"] == {"result_diff": 100_000}
    assert len(text) < MOST_BYTES
    assert len(page) < MOST_BYTES
    assert sum(jobs for one in classes(report) for _, jobs in one["over_time"]) == 100_000
    path = tmp_path / "parity.html"
    path.write_bytes(page)
    tab = browser.new_page()
    tab.goto(path.as_uri())
    assert tab.locator("#over-time-chart canvas").is_visible()
    assert tab.locator(".sample").count() > 0


def test_each_class_keeps_its_first_samples() -> None:
    report = reported(hostile_to_size(600, types=200))
    kept = [len(one["samples"]) for one in classes(report)]
    assert len(kept) == 200
    assert sum(kept) > 50
    assert max(kept) - min(kept) <= 1, "no class has a second one while another has none"
    assert len(written(report)) < MOST_BYTES
    assert len(page_of(report)) < MOST_BYTES


def test_a_path_is_cut_as_values_are() -> None:
    report = reported([pair(1, "invoice", {"k" * 5_000: 1}, {"k" * 5_000: 2})])
    [differs] = classes(report)
    assert len(differs["paths"][0]["path"]) == LONGEST_SHOWN + 3
    assert len(differs["samples"][0]["differences"][0]["path"]) == LONGEST_SHOWN + 3
    assert "k" * (LONGEST_SHOWN + 1) not in json.dumps(report)
