"""Processes of their own that need not import the package again: each is forked from one that has."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

forkserver = multiprocessing.get_context("forkserver")
# Not the commands themselves: what they print goes by the environment that they are imported in.
forkserver.set_forkserver_preload(
    ["__main__", "supaqueue", "typer.main", "rich.table", "rich.progress", "tests.faults.crash_points_child"]
)


def typed(
    *arguments: str, env: Mapping[str, str], cwd: Path | None = None, timeout: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run `python -m supaqueue` with these arguments and this environment, without a terminal, to its end."""
    with TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = forkserver.Process(target=_run, args=(arguments, dict(env), cwd or Path.cwd(), out, err))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, timeout, out.read_text(), err.read_text())
        return subprocess.CompletedProcess(arguments, process.exitcode, out.read_text(), err.read_text())


def _run(arguments: tuple[str, ...], env: dict[str, str], cwd: Path, out: Path, err: Path) -> None:
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    for descriptor, path, flags in (
        (0, Path(os.devnull), os.O_RDONLY),
        (1, out, os.O_WRONLY | os.O_CREAT),
        (2, err, os.O_WRONLY | os.O_CREAT),
    ):
        os.dup2(os.open(path, flags), descriptor)
    sys.argv = ["supaqueue", *arguments]
    sys.path[0] = str(cwd)
    runpy.run_module("supaqueue", run_name="__main__", alter_sys=True)
