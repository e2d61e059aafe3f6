"""A relay that works until it is told to stop: beside a worker, or by command."""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from supaqueue.contract import HoldLease
from supaqueue.cutover.errors import SpoolError
from supaqueue.cutover.relay import Relay
from supaqueue.cutover.relayed import Relayed
from supaqueue.errors import CallError
from supaqueue.transport import Transport

_log = logging.getLogger(__name__)

LEASE_NAME = "relay"
LEASE_SECONDS = 30.0
SHORTEST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
FAILURE_SECONDS = 5.0
INDEX_KEPT = timedelta(days=30)
"""Longer than any broker redelivers, than flags are kept, and than the weeks of which parity is asked."""
FORGET_SECONDS = 60.0


class RelayLoop:
    """Takes a relay's turns, from a thread of its own or in the caller's; a `Companion` of a worker.

    Each host's loop sends what lies in its spool. Of all loops one at a time does the rest, as long as it
    holds a lease; a second one that takes over too early does no harm.

    Args:
        relay: what takes the turns.
        transport: to Supabase; not closed here.
        done: told after every turn in which something was done.
        index_kept: how long the legacy queue's index keeps what is over.
    """

    def __init__(
        self,
        relay: Relay,
        transport: Transport,
        done: Callable[[Relayed], None] | None = None,
        *,
        index_kept: timedelta = INDEX_KEPT,
    ) -> None:
        self._relay = relay
        self._transport = transport
        self._done = done
        self._index_kept = index_kept
        self._forget_at = 0.0
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"[-200:]
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Run in a thread. It is a daemon: a process that leaves at once does not wait for it."""
        self._thread = threading.Thread(target=self.run, name="supaqueue-relay", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Ask it to stop, and wait for its thread, `timeout` seconds at most."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def run(self) -> None:
        """Take turns until `stop`; failures are waited out."""
        pause = SHORTEST_PAUSE
        while not self._stopped.is_set():
            try:
                done = self.turn()
            except (CallError, SpoolError) as failed:
                _log.warning("the relay's turn failed (%s: %s)", type(failed).__name__, failed)
                pause = random.uniform(SHORTEST_PAUSE, FAILURE_SECONDS)  # noqa: S311
            except Exception:
                # Once it was asked to stop, what it works with may be closed under it.
                if not self._stopped.is_set():
                    _log.exception("the relay's turn failed")
                pause = FAILURE_SECONDS
            else:
                pause = SHORTEST_PAUSE if done else min(2 * pause, LONGEST_PAUSE)
            self._stopped.wait(pause)
        self._give_back()

    def turn(self) -> Relayed:
        """Take one turn, and say what was done.

        Raises:
            CallError: Supabase or legacy gave no usable answer.
            SpoolError: the spool cannot be read.
        """
        done = self._relay.send_spooled()
        if self._transport.send(HoldLease(LEASE_NAME, self._holder, LEASE_SECONDS)).is_held:
            done += self._relay.hand_back()
            done += self._relay.turn()
            done += self._forget()
        if done and self._done is not None:
            self._done(done)
        return done

    def _forget(self) -> Relayed:
        """Remove what has been over for long: now and then, until nothing is left to go."""
        if time.monotonic() < self._forget_at:
            return Relayed()
        done = self._relay.forget(datetime.now(UTC) - self._index_kept)
        self._forget_at = 0.0 if done else time.monotonic() + FORGET_SECONDS
        return done

    def _give_back(self) -> None:
        try:
            self._transport.send(HoldLease(LEASE_NAME, self._holder, 0.0))
        except Exception:
            _log.info("the relay's lease was not given back: it runs out")
