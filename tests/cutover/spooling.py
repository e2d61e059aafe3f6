"""A process that appends numbered records to a spool until it is stopped, and prints each once stored.

Run as `python -m tests.cutover.spooling FOLDER NAME PADDING [soon]`; `soon`: it does not wait for the disk.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from supaqueue.contract import Json
from supaqueue.cutover.errors import SpoolError
from supaqueue.cutover.spool import Spool


def main(folder: str, name: str, padding: str, sync: str = "") -> None:
    spool = Spool(Path(folder), segment_bytes=20_000)
    for number in count():
        try:
            record: Json = {"from": name, "number": number, "padding": "x" * int(padding)}
            spool.append([record], wait_for_disk=sync != "soon")
        except SpoolError as error:
            sys.exit(str(error))
        print(number, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
