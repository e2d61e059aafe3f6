"""Importing what a command line names: a registry, a queue."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from supaqueue.errors import ConfigurationError
from supaqueue.telemetry.redaction import redact


def import_attribute(path: str, *, kind: str, example: str) -> object:
    """Import `module:attribute`, looking in the working directory too.

    Args:
        path: as it was typed.
        kind: what it should name, for error texts, for example `registry`.
        example: of a path, for error texts.

    Returns:
        what is there; None if the module has no such attribute.

    Raises:
        ConfigurationError: saying which part of the path is wrong, and where the module failed.
    """
    module_name, separator, attribute = path.partition(":")
    if not separator or not module_name or not attribute:
        raise ConfigurationError(
            f"{path!r} names no {kind}: write MODULE:{kind.upper()}, for example {example}"
        )
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a script without a main guard may exit
        raise ConfigurationError(f"module {module_name!r} cannot be imported: {where(error)}") from error
    found: object = getattr(module, attribute, None)
    return found


def where(error: BaseException) -> str:
    """Return the first line of an error in someone's module, with the place that raised it."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = (
        ""
        if frame is None or "importlib" in frame.tb_frame.f_code.co_filename
        else f" ({frame.tb_frame.f_code.co_filename}:{frame.tb_lineno})"
    )
    lines = redact(str(error)).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}{place}"
