"""The suite that every old queue's adapter has to pass; yours too. Needs pytest.

    from functools import partial
    from supaqueue.cutover.legacy.conformance import LegacyConformance

    class TestMyQueue(LegacyConformance):
        @pytest.fixture
        def connect(self, tmp_path):
            return partial(connect_to_my_queue, tmp_path)  # returns a LegacyQueue

        @pytest.fixture
        def put_unstamped(self, tmp_path):
            return partial(send_as_the_application_does, tmp_path)  # takes a NewJob

What `connect` returns opens the same empty queue again and again, also in another process: it has to be
picklable. No consumer may run meanwhile. `IndexConformance` asks the same of an index alone.
"""

import pytest

pytest.register_assert_rewrite(
    f"{__name__}.index_break_glass",
    f"{__name__}.index_calls",
    f"{__name__}.index_endings",
    f"{__name__}.index_first_failures",
    f"{__name__}.index_races",
    f"{__name__}.index_reservations",
    f"{__name__}.index_unstamped",
    f"{__name__}.queue_calls",
    f"{__name__}.queue_crashes",
    f"{__name__}.queue_unstamped",
)

from supaqueue.cutover.legacy.conformance.index_break_glass import IndexBreakGlass  # noqa: E402
from supaqueue.cutover.legacy.conformance.index_calls import IndexCalls  # noqa: E402
from supaqueue.cutover.legacy.conformance.index_endings import IndexEndings  # noqa: E402
from supaqueue.cutover.legacy.conformance.index_first_failures import IndexFirstFailures  # noqa: E402
from supaqueue.cutover.legacy.conformance.index_races import IndexRaces  # noqa: E402
from supaqueue.cutover.legacy.conformance.index_reservations import IndexReservations  # noqa: E402
from supaqueue.cutover.legacy.conformance.index_unstamped import IndexUnstamped  # noqa: E402
from supaqueue.cutover.legacy.conformance.queue_calls import QueueCalls  # noqa: E402
from supaqueue.cutover.legacy.conformance.queue_crashes import QueueCrashes  # noqa: E402
from supaqueue.cutover.legacy.conformance.queue_unstamped import QueueUnstamped  # noqa: E402


class IndexConformance(
    IndexCalls,
    IndexEndings,
    IndexFirstFailures,
    IndexRaces,
    IndexReservations,
    IndexBreakGlass,
    IndexUnstamped,
):
    """What every index has to do; override the fixture `connect_index`."""


class LegacyConformance(QueueCalls, QueueCrashes, QueueUnstamped):
    """What every old queue with its index has to do; override the fixtures `connect` and `put_unstamped`."""


__all__ = ["IndexConformance", "LegacyConformance"]
