"""The page without a browser: the same bytes, nothing to load, and no value that breaks out of it."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from html.parser import HTMLParser
from itertools import combinations
from operator import mul
from pathlib import Path
from typing import Any

import pytest

from supaqueue.cutover.parity.page import page_of, render, words
from supaqueue.cutover.parity.refusal import Refusal
from supaqueue.cutover.parity.report import evidence, written
from tests.cutover.parity.page_reports import RULE, clean, differing, pair, reported

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "<![CDATA[ ]]></style></template>",
    "\"'><img src=x onerror=alert(1)>",
    "\\u003c \\\\u003c \u2028\u2029\ufeff",
    "{{ 7 * 7 }}{% raw %}",
)
UPLOT = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}

TO_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
EYES = {  # linear RGB as it is seen: Machado, Oliveira and Fernandes (2009), severity 1
    "usual": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "deuteranopia": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "tritanopia": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}


class Elements(HTMLParser):
    """What a page is made of: its elements, and the text of each script."""

    def __init__(self, page: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each element of a name."""
        return [attributes for name, attributes in self.found if name == tag]


def hostile_report() -> dict[str, Any]:
    """Values, paths, types and rules that try to be more than text."""
    pairs = [
        pair(number, f"type {text}", {text: text, "same": 1}, {text: text + "!", "same": 1})
        for number, text in enumerate(HOSTILE)
    ]
    return reported([*pairs, *clean(30)], rules=(RULE,))


def embedded(page: bytes) -> str:
    """The report in a page, as a browser's JSON parser is given it."""
    [found] = re.findall(
        r'<script type="application/json" id="report">(.*?)</script>', page.decode(), re.DOTALL
    )
    return str(found)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return reported([*differing(), *clean(300)], unstamped=2)


def test_the_same_report_is_the_same_bytes(report: dict[str, Any]) -> None:
    assert page_of(report) == page_of(json.loads(written(report)))


def test_it_names_the_evidence_of_the_report_that_it_holds(report: dict[str, Any]) -> None:
    page = page_of(report)
    assert f'<code id="evidence">{evidence(report)}</code>' in page.decode()
    assert json.loads(embedded(page)) == report
    assert hashlib.sha256(embedded(page).encode()).hexdigest() == evidence(report)


def test_hostile_values_stay_text() -> None:
    report = hostile_report()
    page = page_of(report)
    harmless = Elements(page_of(reported([*differing(), *clean(30)], rules=(RULE,))))
    elements = Elements(page)
    assert json.loads(embedded(page)) == report
    assert "<" not in embedded(page)
    assert len(elements.named("script")) == len(harmless.named("script")) == 2
    assert {tag for tag, _ in elements.found} <= {tag for tag, _ in harmless.found}
    assert not [
        attributes for _, attributes in elements.found if any(name.startswith("on") for name in attributes)
    ]
    for text in HOSTILE:
        assert any(f"type {text}" in one for one in elements.texts), text


def test_nothing_is_loaded_and_only_our_script_may_run(report: dict[str, Any]) -> None:
    page = page_of(report)
    elements = Elements(page)
    [policy] = [
        one["content"] for one in elements.named("meta") if one.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for tag in ("script", "style"):
        text = re.findall(rf"<{tag}>(.*?)</{tag}>", page.decode(), re.DOTALL)
        assert len(text) == 1
        digest = base64.b64encode(hashlib.sha256(text[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    for _, attributes in elements.found:
        assert "style" not in attributes, "the policy would forbid it"
        assert not {"src", "srcset", "data", "poster", "action"} & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in page.decode()
    assert "@import" not in page.decode()


def test_verdict_and_table_need_no_script(report: dict[str, Any]) -> None:
    page = " ".join("".join(Elements(page_of(report)).texts).split())
    assert "The two systems differ" in page
    assert "11 of 311 compared jobs differ" in page
    assert "no rollout goes on with: duplicate_execution, missing_in_supabase" in page
    for name in (
        "invoice",
        "transcribe",
        "thumbnail",
        "result_diff",
        "missing_in_supabase",
        "result.rows[*].price",
    ):
        assert name in page
    assert "Samples, charts and filters need JavaScript" in page


def test_what_was_repaired_is_told_where_the_report_says_so(report: dict[str, Any]) -> None:
    assert ">Repaired</th>" not in page_of(report).decode()
    repaired = json.loads(written(report))
    [missing] = [
        one for of in repaired["types"] for one in of["classes"] if one["name"] == "missing_in_supabase"
    ]
    missing["repaired"] = 1
    assert ">Repaired</th>" in page_of(repaired).decode()


def test_what_supabase_would_not_take_is_told(report: dict[str, Any]) -> None:
    assert "would not take" not in page_of(report).decode()
    refused = Refusal("invoice", "payload_size", 3, 311, 1_000_000, 2_500_000, ["019aa000"])
    told = Refusal("invoice", "no_workers", 311, 311)
    page = " ".join("".join(Elements(page_of(reported(clean(30), refusals=(refused, told)))).texts).split())
    assert "What Supabase would not take" in page
    assert "payload_size" in page
    assert "3 of 311" in page
    assert "1,000,000" in page.replace("1e+06", "")
    assert "no_workers told only" in page


def test_no_jobs_are_told_as_such() -> None:
    page = page_of(reported([])).decode()
    assert "Too little is known" in page
    assert "Neither system accepted a job in this time" in page
    assert "No job could be compared" in page


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, "\u2013"),
        (0, "0%"),
        (1, "100%"),
        (0.0295, "2.95%"),
        (0.003, "0.30%"),
        (0.000123, "0.012%"),
        (3e-7, "0.000030%"),
        (0.999999, "99.9999%"),
    ],
)
def test_a_rate_is_never_rounded_to_nothing_or_to_all(rate: float | None, text: str) -> None:
    assert words.percent(rate) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0005, "0.5 ms"),
        (0.25, "250 ms"),
        (1.5, "1.5 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7200, "2 hours"),
        (200_000, "2 days"),
    ],
)
def test_durations_have_the_unit_that_fits(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


def palettes() -> list[dict[str, str]]:
    """The colours of the light page, and of the dark one."""
    blocks = re.findall(r":root \{(.*?)\}", (render.FOLDER / "page.css").read_text(), re.DOTALL)
    return [dict(re.findall(r"--([\w-]+): (#\w{6})", block)) for block in blocks]


def linear(colour: str) -> list[float]:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]


def luminance(colour: str) -> float:
    return sum(map(mul, (0.2126, 0.7152, 0.0722), linear(colour)))


def lab(colour: str, seen: tuple[tuple[float, ...], ...]) -> tuple[float, float, float]:
    """A colour in CIELAB, as an eye of that kind sees it."""
    light = [sum(map(mul, row, linear(colour))) for row in seen]
    x, y, z = (max(sum(map(mul, row, light)), 0.0) for row in TO_XYZ)
    f, g, h = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x / 0.9505, y, z / 1.089))
    return 116 * g - 16, 500 * (f - g), 200 * (g - h)


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", palettes(), ids=["light", "dark"])
def test_text_and_bars_can_be_told_from_what_they_lie_on(colours: dict[str, str]) -> None:
    for name in ("text", "muted", "accent", "good", "bad", "unsure"):
        for ground in ("page", "surface", "raised"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    assert contrast(colours["text"], colours["mark"]) >= 4.5
    bars = [
        name for name in colours if re.match("difference|match|expected|pending|legacy|supabase|uncomp", name)
    ]
    assert len(bars) == 15
    for name in bars:
        assert contrast(colours[name], colours["surface"]) >= 3, name


@pytest.mark.parametrize("seen", EYES.values(), ids=EYES)
@pytest.mark.parametrize("colours", palettes(), ids=["light", "dark"])
def test_classes_can_be_told_apart_by_every_eye(
    colours: dict[str, str], seen: tuple[tuple[float, ...], ...]
) -> None:
    differences = [colour for name, colour in colours.items() if name.startswith("difference")]
    assert len(differences) == 8
    for one, other in combinations(differences, 2):
        assert math.dist(lab(one, seen), lab(other, seen)) > 20, (one, other)
    assert math.dist(lab(colours["legacy"], seen), lab(colours["supabase"], seen)) > 40


def test_the_library_is_the_one_that_its_page_names() -> None:
    folder = render.FOLDER / "vendor/uplot"
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in UPLOT}
    assert hashes == UPLOT
    version = re.findall(r"uPlot (\d+\.\d+\.\d+)", (folder / "README.md").read_text())
    assert f"(v{version[0]})" in (folder / "uPlot.iife.min.js").read_text()
    assert f"uPlot {version[0]}" in (render.FOLDER / "page.html").read_text()
    assert "Leon Sorokin" in page_of(reported([])).decode(), "the licence goes where the library goes"


def test_every_file_of_the_page_is_used() -> None:
    used = {"page.html", *render.CHARTS, *render.STYLES, *render.SCRIPTS}
    there = {
        str(path.relative_to(render.FOLDER))
        for path in render.FOLDER.rglob("*")
        if path.suffix in (".html", ".css", ".js")
    }
    assert there == used
    assert Path(render.__file__).parent == render.FOLDER
