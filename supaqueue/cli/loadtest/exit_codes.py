"""Exit codes. 0: the objective was met; 1: missed; 2: too little is known; 3: it could not run."""

from __future__ import annotations

from supaqueue.cli.loadtest.verdict import Answer

CODES: dict[Answer, int] = {"met": 0, "missed": 1, "inconclusive": 2}
