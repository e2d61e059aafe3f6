"""The suite that every old queue's adapter has to pass; yours too. Needs pytest.

    from functools import partial
    from supaqueue.cutover.legacy.conformance import LegacyConformance

    class TestMyQueue(LegacyConformance):
        @pytest.fixture
        def connect(self, tmp_path):
            return partial(connect_to_my_queue, tmp_path)  # returns a LegacyQueue

What `connect` returns opens the same empty queue again and again, also in another process: it has to be
picklable. No consumer may run meanwhile. `IndexConformance` asks the same of an index alone.
"""

import pytest

pytest.register_assert_rewrite(
    f"{__name__}.index_break_glass",
    f"{__name__}.index_calls",
    f"{__name__}.index_endings",
    f"{__name__}.index_races",
    f"{__name__}.index_reservations",
    f"{__name__}.queue_calls",
    f"{__name__}.queue_crashes",
)

from supaqueue.cutover.legacy.conformance.index_break_glass import IndexBreakGlass  # noqa: E402
from supaqueue.cutover.legacy.conformance.index_calls import IndexCalls  # noqa: E402
from supaqueue.cutover.legacy.conformance.index_endings import IndexEndings  # noqa: E402
from supaqueue.cutover.legacy.conformance.index_races import IndexRaces  # noqa: E402
from supaqueue.cutover.legacy.conformance.index_reservations import IndexReservations  # noqa: E402
from supaqueue.cutover.legacy.conformance.queue_calls import QueueCalls  # noqa: E402
from supaqueue.cutover.legacy.conformance.queue_crashes import QueueCrashes  # noqa: E402


class IndexConformance(IndexCalls, IndexEndings, IndexRaces, IndexReservations, IndexBreakGlass):
    """What every index has to do; override the fixture `connect_index`."""


class LegacyConformance(QueueCalls, QueueCrashes):
    """What every old queue with its index has to do; override the fixture `connect`."""


__all__ = ["IndexConformance", "LegacyConformance"]
