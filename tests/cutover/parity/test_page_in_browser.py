"""The page in headless Chromium, opened from a file: nothing leaves it, and what it promises works."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from supaqueue.cutover.parity.page import page_of
from supaqueue.cutover.parity.report import evidence, written
from tests.cutover.parity.page_reports import Report, clean, differing, reported
from tests.cutover.parity.test_page import HOSTILE, hostile_report, palettes

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize

    Opened = Callable[..., Page]

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 900}
REPAIRED = "019aa000-0000-7000-8000-000000000008"


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    """Opens a report's page; when the test ends, nothing must have been asked for, and nothing gone wrong."""
    wrong: list[str] = []
    contexts = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            wrong.append(message.text)

    def open_(report: Report, *, width: ViewportSize = DESK, **options: Any) -> Page:
        path = tmp_path / f"{evidence(report)}.html"
        path.write_bytes(page_of(report))
        context = browser.new_context(viewport=width, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda asked: wrong.append(asked.url) if asked.url != path.as_uri() else None)
        page.on("console", hear)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.route(lambda url: url != path.as_uri(), lambda route: route.abort())
        page.goto(path.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(scope="module")
def report() -> Report:
    found = reported([*differing(), *clean(300)], unstamped=2)
    for one in found["types"][0]["classes"]:
        if one["name"] == "missing_in_supabase":
            one["repaired"] = 1
            one["samples"][0]["repaired"] = True
    return found


def shown(page: Page, selector: str) -> list[str]:
    """The first words of what can be seen of a selector."""
    return [
        re.split(r"[\n\t]", text)[0].strip() for text in page.locator(f"{selector}:visible").all_inner_texts()
    ]


def samples(page: Page) -> list[str]:
    return shown(page, "#samples .sample .id")


def colours(page: Page, selector: str) -> set[str]:
    """The colours of a chart; an empty canvas has one."""
    found: list[int] = page.locator(f"{selector} canvas").evaluate(
        """canvas => {
            const { width, height } = canvas;
            const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
            copy.drawImage(canvas, 0, 0);
            return [...new Set(new Uint32Array(copy.getImageData(0, 0, width, height).data.buffer))];
        }"""
    )
    return {"#" + one.to_bytes(4, "little")[:3].hex() for one in found}


def test_the_verdict_is_there_and_both_charts_are_drawn(opened: Opened, report: Report) -> None:
    page = opened(report)
    assert page.inner_text("h1") == "The two systems differ"
    assert "11 of 311 compared jobs differ" in page.inner_text(".sentence")
    assert len(colours(page, "#over-time-chart")) > 3
    page.locator("#latency").scroll_into_view_if_needed()
    page.locator("article.latency canvas").first.wait_for()
    assert len(colours(page, "article.latency[data-type='0']")) > 3
    said = page.get_by_role("img", name="Bars over time: 11 jobs of 3 classes, most of them result_diff")
    assert said.count() == 1
    assert page.get_by_role("img", name="Latency of invoice. legacy: half within").count() == 1


def test_by_type_and_class_everything_is_filtered(opened: Opened, report: Report) -> None:
    page = opened(report)
    page.select_option("#filter-class", "result_diff")
    assert shown(page, "#classes tr[data-class]") == ["result_diff", "result_diff"]
    assert shown(page, "#ranked th") == ["result.rows[*].price", "result.name"]
    assert len(samples(page)) == 8
    page.select_option("#filter-type", label="transcribe")
    assert shown(page, "#classes .of-type th") == ["transcribe"]
    assert shown(page, "#ranked th") == ["result.name"]
    assert shown(page, "#ranked .n") == ["3"]
    assert len(samples(page)) == 3
    assert shown(page, "article.latency h3") == ["transcribe"]
    legend = page.inner_text("#over-time-legend").split()
    assert dict(zip(legend[::2], legend[1::2], strict=True)) == {
        "result_diff": "3",
        "missing_in_supabase": "0",
        "duplicate_execution": "0",
    }
    assert page.inner_text("#filter-found") == "1 class, 1 field, 3 samples"
    page.get_by_role("button", name="Reset").click()
    assert len(samples(page)) == 11
    assert shown(page, "#ranked .n")[0] == "5"


def test_by_text_a_job_or_a_field_is_found(opened: Opened, report: Report) -> None:
    page = opened(report)
    page.fill("#filter-text", "PRICE")
    assert shown(page, "#ranked th") == ["result.rows[*].price"]
    assert shown(page, "#classes tr[data-class]") == ["result_diff"]
    assert len(samples(page)) == 5
    page.fill("#filter-text", "000000000006")
    assert samples(page) == ["019aa000-0000-7000-8000-000000000006"]
    assert shown(page, "#ranked th") == ["result.name"]
    assert shown(page, "#classes .of-type th") == ["transcribe"]
    page.fill("#filter-text", "no such thing")
    assert samples(page) == []
    assert shown(page, "#samples-empty") == ["No sample fits the filter."]
    assert shown(page, "[data-none]") == ["No type and class fits the filter.", "No field fits the filter."]


def test_a_sample_opens_by_click_and_by_keyboard(opened: Opened, report: Report) -> None:
    page = opened(report)
    page.select_option("#filter-class", "result_diff")
    first = page.locator(".sample").nth(0)
    first.locator("summary").click()
    first.locator(".values").wait_for()
    cells = first.locator(".values tbody tr").first
    assert cells.locator("th").inner_text().split() == ["result.rows[0].price", "value"]
    assert cells.locator("td").all_inner_texts() == ["1.239", "1.24"]
    assert cells.locator("mark").all_inner_texts() == ["39", "4"]
    assert first.get_by_role("button", name="Copy job_id").is_visible()
    lost = page.locator(".sample").nth(5)
    lost.locator("summary").focus()
    page.keyboard.press("Enter")
    lost.locator(".values").wait_for()
    assert lost.locator(".values td").all_inner_texts() == ['"Ada"', "absent"]
    page.keyboard.press("Enter")
    lost.locator(".values").wait_for(state="hidden")


def test_what_was_repaired_and_what_is_not_there_is_told(opened: Opened, report: Report) -> None:
    page = opened(report)
    page.fill("#filter-text", REPAIRED)
    assert shown(page, ".sample .repaired") == ["repaired"]
    page.click(".sample summary")
    assert "it still counts as a difference" in page.inner_text(".sample .body")
    assert page.locator(".facts tr", has_text="state").locator("td").all_inner_texts() == [
        "completed",
        "not there",
    ]


def test_the_report_that_is_saved_is_the_evidence(opened: Opened) -> None:
    report = hostile_report()
    page = opened(report)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the report as JSON").click()
    saved = Path(download.value.path()).read_bytes()
    assert saved == written(report)
    assert hashlib.sha256(saved).hexdigest() == page.inner_text("#evidence")


def test_hostile_values_are_read_not_run(opened: Opened) -> None:
    page = opened(hostile_report())
    while page.locator("#samples-more").is_visible():
        page.locator("#samples-more").click()
    for row in page.locator(".sample").all():
        row.locator("summary").click()
        row.locator(".values").wait_for()
    values = "".join(page.locator(".sample .values pre").all_text_contents())
    for text in HOSTILE[:4]:
        assert text.replace('"', '\\"') in values
    assert page.locator("#content img, #content script").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_is_wider_than_the_page(
    opened: Opened, report: Report, scheme: str, width: ViewportSize
) -> None:
    for one in (report, hostile_report(), reported([])):
        page = opened(one, width=width, color_scheme=scheme)
        for row in page.locator(".sample summary").all()[:3]:
            row.click()
        assert (
            page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        )
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(246, 247, 249)", "dark": "rgb(16, 19, 24)"}[scheme]


def test_colours_follow_the_scheme_while_it_is_open(opened: Opened, report: Report) -> None:
    page = opened(report)
    light, dark = (palette["difference-0"] for palette in palettes())
    assert light in colours(page, "#over-time-chart")
    canvas = page.locator("#over-time-chart canvas").element_handle()
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("canvas => !canvas.isConnected", arg=canvas)
    assert dark in colours(page, "#over-time-chart")
    assert light not in colours(page, "#over-time-chart")


def test_all_jobs_can_be_shown_over_time(opened: Opened, report: Report) -> None:
    page = opened(report)
    assert "match" not in page.inner_text("#over-time-legend")
    page.get_by_role("button", name="All jobs").click()
    assert "match" in page.inner_text("#over-time-legend")
    assert page.get_by_role("img", name="Bars over time: 311 jobs of 4 classes").count() == 1


def test_clean_jobs_are_shown_as_such(opened: Opened) -> None:
    page = opened(reported(clean(400)))
    assert page.inner_text("h1") == "The two systems agree"
    assert (
        page.get_by_role("img", name="Bars over time: 400 jobs of 1 class, most of them match").count() == 1
    )
    assert "No job differs" in page.inner_text("#samples-empty")


def test_without_jobs_it_says_so(opened: Opened) -> None:
    page = opened(reported([]))
    assert "No job could be compared" in page.inner_text(".sentence")
    assert "Neither system accepted a job" in page.inner_text("#over-time")
    assert page.locator("canvas").count() == 0


def test_without_scripts_verdict_and_tables_are_there(opened: Opened, report: Report) -> None:
    page = opened(report, java_script_enabled=False)
    assert page.locator("h1").inner_text() == "The two systems differ"
    assert page.locator("#classes tr[data-class]:visible").count() == 7
    assert page.locator("#ranked tr:visible").count() == 3
    assert page.locator(".needs-script:visible").count() == 0
    assert "need JavaScript" in page.locator("#samples").inner_text()


def test_a_browser_in_no_language_draws_it_too(opened: Opened, report: Report) -> None:
    page = opened(report)
    page.add_init_script(
        "Object.defineProperty(navigator, 'language', { value: 'en-US@posix', configurable: true })"
    )
    page.reload()
    assert len(colours(page, "#over-time-chart")) > 3
