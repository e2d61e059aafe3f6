"""Settles an application's records in doubt while two queues are in use, beside a relay."""

from __future__ import annotations

from collections.abc import Callable

from supaqueue.client.records import Records
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.relayed import Relayed
from supaqueue.cutover.rollout import Rollout
from supaqueue.cutover.router import DualWriteQueue
from supaqueue.cutover.spool import Spool
from supaqueue.cutover.switches import Switches
from supaqueue.maintain.settling import SettleLoop, log_settled
from supaqueue.transport import Transport


def settle_loop(
    transport: Transport,
    legacy: LegacyQueue,
    spool: Spool,
    records: Records,
    done: Callable[[Relayed], None] | None = None,
) -> SettleLoop:
    """Return what settles records by asking whichever system owns their jobs. Nothing given is closed here.

    Args:
        transport: to Supabase.
        legacy: the old queue.
        spool: this host's.
        records: the application's.
        done: told after every turn in which something was settled; by default the log is.
    """
    # Taking back asks flags and both systems; the switches have no part in it.
    router = DualWriteQueue(
        legacy, transport=transport, rollout=Rollout(transport), spool=spool, switches=Switches()
    )
    if done is None:
        return SettleLoop(router, records, log_settled)
    return SettleLoop(router, records, lambda answers: done(Relayed(settled_unknown=len(answers))))
