"""The file that a report's page is written to: whether it can be is known before anything is compared."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType

from supaqueue.errors import InvalidInput


class PageFile:
    """Replaces a file at once, when `write` is called; nothing is left behind if that never happens.

    Args:
        path: where to; a symbolic link is followed.

    Raises:
        InvalidInput: no file can be made there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        if self.path.exists() and not self.path.is_file():
            raise InvalidInput(f"{path} is no file", field="--html")
        try:
            self._descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=".parity-", suffix=".html")
        except OSError as error:
            raise InvalidInput(
                f"nothing can be written to {path.parent}: {error.strerror}", field="--html"
            ) from None
        self._made = Path(name)

    def __enter__(self) -> PageFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._made.unlink(missing_ok=True)

    def write(self, content: bytes) -> None:
        """Put the content where the file is to be.

        Raises:
            OSError: the disk is full, say; what was there before still is.
        """
        descriptor, self._descriptor = self._descriptor, -1
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(descriptor, _usual_mode())
            file.flush()
            os.fsync(descriptor)
        os.replace(self._made, self.path)


def _usual_mode() -> int:
    """Return the mode that files of this user have: `mkstemp` makes private ones."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
