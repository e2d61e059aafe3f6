"""Putting the page together: its template, style and scripts, and the report itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from supaqueue.contract import Json
from supaqueue.cutover.parity.page import words
from supaqueue.cutover.parity.page.contents import classes_shown, paths_shown
from supaqueue.cutover.parity.report import evidence, written

FOLDER = Path(__file__).parent
STYLES = ("vendor/uplot/uPlot.min.css", "page.css")
CHARTS = ("language.js", "vendor/uplot/uPlot.iife.min.js")
SCRIPTS = ("report.js", "charts.js", "over_time.js", "latency.js", "samples.js", "filters.js")
HEADINGS = {
    "pass": "The two systems agree",
    "differences": "The two systems differ",
    "inconclusive": "Too little is known",
}


def page_of(report: Mapping[str, Json]) -> bytes:
    """Return a report as one HTML page, in UTF-8: the same report gives the same bytes.

    Nothing is loaded by it, and the report itself lies in it, byte for byte what `written` returns but for
    `<`, which stands as an escape so that no value can end the script that holds it.
    """
    style, script = _together(STYLES), _script()
    page = _environment().get_template("page.html")
    return page.render(
        report=report,
        heading=HEADINGS[_facts(report)["verdict"]["answer"]],
        evidence=evidence(report),
        embedded=Markup(written(report).decode().replace("<", "\\u003c")),  # noqa: S704 - see above
        classes=classes_shown(report),
        paths=paths_shown(report),
        has_repaired=any(one.get("repaired") for of in _facts(report)["types"] for one in of["classes"]),
        style=Markup(style),  # noqa: S704 - our own files
        script=Markup(script),  # noqa: S704
        policy=_policy(style, script),
    ).encode()


def _facts(report: Mapping[str, Any]) -> Mapping[str, Any]:
    return report


def _together(names: tuple[str, ...]) -> str:
    return "\n".join((FOLDER / name).read_text() for name in names)


def _script() -> str:
    licence = (FOLDER / "vendor/uplot/LICENSE").read_text()
    own = f'(() => {{\n"use strict";\n{_together(SCRIPTS)}}})();\n'
    return f"/*! uPlot: {licence}*/\n{_together(CHARTS)}\n{own}"


def _policy(style: str, script: str) -> str:
    """Return what a browser may do with the page: run these two, load nothing."""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}';"
        " base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for filter_ in (words.number, words.percent, words.bound, words.duration, words.moment):
        environment.filters[filter_.__name__] = filter_
    environment.globals["plural"] = words.plural
    return environment
