"""A relay that empties a spool, as a process of its own: `python relay_process.py SPOOL`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from supaqueue import Settings
from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.relay import Relay
from supaqueue.cutover.spool import Spool
from supaqueue.transport import RestTransport


def resident_bytes(kind: str) -> int:
    """Return VmRSS (now) or VmHWM (the most so far) of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{kind}:"))


def main() -> None:
    folder = Path(sys.argv[1])
    with RestTransport(Settings.load()) as transport:
        relay = Relay(transport, folder_queue(folder.parent / "legacy"), Spool(folder))
        before, began = resident_bytes("VmRSS"), time.perf_counter()
        relayed = relay.send_spooled().mirrored
        seconds = time.perf_counter() - began
    peak = resident_bytes("VmHWM")
    print(json.dumps({"relayed": relayed, "seconds": seconds, "before_bytes": before, "peak_bytes": peak}))


if __name__ == "__main__":
    main()
