"""Exit codes. 0: they agree; 1: they differ; 2: too little is known; 3: nothing could be compared."""

from __future__ import annotations

from supaqueue.cutover.parity.verdict import Answer

CODES: dict[Answer, int] = {"pass": 0, "differences": 1, "inconclusive": 2}
