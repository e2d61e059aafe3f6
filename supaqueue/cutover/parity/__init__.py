"""Proof that two queues agree: both are listed independently, and each job's two records are compared.

`check` answers a `Question`, as `supaqueue parity check` does; what it returns has a report and a `Verdict`.
`missing` and `repair` bring what one of them lost; `watch` compares again and again.
"""

from supaqueue.cutover.parity.check import Checked, check
from supaqueue.cutover.parity.differing import Differing
from supaqueue.cutover.parity.question import Question
from supaqueue.cutover.parity.repair import Missing, Repair, missing, repair
from supaqueue.cutover.parity.report import evidence, written
from supaqueue.cutover.parity.rules import Rule, load_rules
from supaqueue.cutover.parity.verdict import Verdict
from supaqueue.cutover.parity.watch import Watched, watch

__all__ = [
    "Checked",
    "Differing",
    "Missing",
    "Question",
    "Repair",
    "Rule",
    "Verdict",
    "Watched",
    "check",
    "evidence",
    "load_rules",
    "missing",
    "repair",
    "watch",
    "written",
]
