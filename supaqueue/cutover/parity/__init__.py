"""Proof that two queues agree: both are listed independently, and each job's two records are compared.

`check` answers a `Question`, as `supaqueue parity check` does; what it returns has a report and a `Verdict`.
"""

from supaqueue.cutover.parity.check import Checked, check
from supaqueue.cutover.parity.question import Question
from supaqueue.cutover.parity.report import evidence, written
from supaqueue.cutover.parity.rules import Rule, load_rules
from supaqueue.cutover.parity.verdict import Verdict

__all__ = ["Checked", "Question", "Rule", "Verdict", "check", "evidence", "load_rules", "written"]
