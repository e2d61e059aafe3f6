"""Which files the demo works on."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from supaqueue.errors import InvalidInput

LEFT_OUT = {"site-packages", "dist-packages", "__pycache__"}


def input_files(directory: Path | None) -> list[Path]:
    """The standard library's `.py` files, or every text and `.wav` file below `directory`, sorted.

    Raises:
        InvalidInput: if there is no such folder, or nothing in it to work on.
    """
    if directory is None:
        return _python_files(Path(sysconfig.get_path("stdlib")))
    if not directory.is_dir():
        raise InvalidInput(f"there is no folder {directory}", field="--input")
    found = sorted(path.resolve() for path in directory.rglob("*") if path.is_file() and _is_readable(path))
    if not found:
        raise InvalidInput(f"no text and no .wav file in {directory}", field="--input")
    return found


def _python_files(root: Path) -> list[Path]:
    return sorted(
        path for path in root.rglob("*.py") if not LEFT_OUT.intersection(path.relative_to(root).parts)
    )


def _is_readable(path: Path) -> bool:
    if path.suffix.lower() == ".wav":
        return True
    try:
        with path.open("rb") as file:
            start = file.read(8192)
    except OSError:
        return False
    return b"\0" not in start
