"""Which old queue is meant: as commands are told, or as the environment says. There is no default."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.errors import ConfigurationError, SupaqueueError
from supaqueue.settings import DOTENV, read_variables
from supaqueue.worker.attribute import import_attribute, where

LEGACY = "SUPAQUEUE_LEGACY"
FOLDER = "folder:"

_HOW = "write folder:PATH, or MODULE:ATTRIBUTE of a LegacyQueue or of a function that returns one"


def legacy_name(
    given: str | None = None, environ: Mapping[str, str] | None = None, dotenv: Path | None = DOTENV
) -> str | None:
    """Return what names the old queue: `given`, else SUPAQUEUE_LEGACY; None if neither does.

    Raises:
        ConfigurationError: the `.env` file cannot be read.
    """
    return given or read_variables((LEGACY,), environ, dotenv).get(LEGACY)


def open_legacy(name: str | None) -> LegacyQueue:
    """Open the old queue of that name, which is not asked for a sign of life. To be closed.

    Args:
        name: `folder:PATH`, or `module:attribute` of a queue or of a function without arguments.

    Raises:
        ConfigurationError: nothing was named, or there is no queue under that name.
        LegacyUnavailable: it cannot be opened.
    """
    if not name or name == FOLDER:
        raise ConfigurationError(
            f"this needs the legacy queue, and none is named: set {LEGACY} or --legacy; {_HOW}"
        )
    if name.startswith(FOLDER):
        return _folder(Path(name.removeprefix(FOLDER)))
    return _imported(name)


def _folder(path: Path) -> LegacyQueue:
    # Not made here: a mistyped path would be a queue that is alive, and drained.
    if not path.is_dir():
        raise ConfigurationError(
            f"{LEGACY}: there is no folder {str(path)!r}: is it spelt right? If it is new, make it"
        )
    return folder_queue(path)


def _imported(name: str) -> LegacyQueue:
    found = import_attribute(name, kind="queue", example="myapp.queues:legacy")
    if callable(found) and not isinstance(found, LegacyQueue):
        try:
            found = found()
        except SupaqueueError:
            raise
        except Exception as error:
            raise ConfigurationError(f"{LEGACY}: {name!r} could not be called: {where(error)}") from error
    if not isinstance(found, LegacyQueue):
        what = "nothing is" if found is None else "no LegacyQueue is"
        raise ConfigurationError(f"{LEGACY}: {what} under {name!r}; {_HOW}")
    return found
