"""Bringing one program of a stack up or down, whatever an earlier start left behind."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from supaqueue.devstack import ports
from supaqueue.devstack.processes import (
    Identity,
    Program,
    StopSignals,
    is_alive,
    leftovers,
    start,
    stop,
)
from supaqueue.devstack.state import State
from supaqueue.errors import DevStackError

_START_ATTEMPTS = 3
_POLL_SECONDS = 0.01


class Service(Protocol):
    """One program of the stack; the first of `port_names` is the one that it serves on."""

    @property
    def name(self) -> str: ...

    @property
    def port_names(self) -> tuple[str, ...]: ...

    @property
    def log(self) -> Path: ...

    @property
    def directories(self) -> tuple[Path, ...]: ...

    @property
    def stop_signals(self) -> StopSignals: ...

    @property
    def ready_seconds(self) -> float: ...

    def program(self, ports: Mapping[str, int]) -> Program: ...

    def is_ready(self, identity: Identity, ports: Mapping[str, int]) -> bool: ...


def ensure_running(services: Sequence[Service], state: State, fixed_ports: Mapping[str, int]) -> None:
    """Start what does not run, in order; if one fails, stop again what this call has started.

    `fixed_ports` holds, by the service's name, a port that must be the one.

    Raises:
        DevStackError: a fixed port is taken, or a program is missing or does not start.
    """
    known_ports = dict(state.ports)
    started: list[Service] = []
    try:
        for service in services:
            fixed_port = fixed_ports.get(service.name)
            told_a_wrong_port = state.ports != known_ports
            if told_a_wrong_port or not _runs(service, state, fixed_port):
                started.append(service)
                _start_anew(service, state, fixed_port)
    except BaseException:
        for service in reversed(started):
            end(service, state)
        raise


def end(service: Service, state: State, *, immediate: bool = False) -> None:
    """Stop `service` and every process it has left; with `immediate` by SIGKILL.

    Raises:
        DevStackError: a process could not be ended.
    """
    identity = state.processes.get(service.name)
    if identity and is_alive(identity):
        stop(identity, () if immediate else service.stop_signals)
    end_leftovers(service.directories)
    if state.processes.pop(service.name, None):
        state.save()


def end_leftovers(directories: tuple[Path, ...]) -> None:
    """Kill the stack's programs in `directories`: children of a dead server, work of a dead starter."""
    while found := leftovers(directories):  # again, since what is killed may just have started another
        for identity in found:
            stop(identity, ())


def _runs(service: Service, state: State, fixed_port: int | None) -> bool:
    identity = state.processes.get(service.name)
    as_asked = fixed_port in (None, state.ports.get(service.port_names[0]))
    if identity is None or not is_alive(identity) or not as_asked:
        return False
    try:
        _wait_until_ready(service, identity, state)  # whoever started it may have been killed meanwhile
    except DevStackError:
        return False
    return True


def _start_anew(service: Service, state: State, fixed_port: int | None) -> None:
    end(service, state)
    for attempt in range(1, _START_ATTEMPTS + 1):
        _choose_ports(service, state, fixed_port)
        try:
            _start(service, state)
            return
        except DevStackError:
            end(service, state, immediate=True)
            if attempt == _START_ATTEMPTS or not _lost_a_port(service, state):
                raise


def _start(service: Service, state: State) -> None:
    identity = start(service.program(state.ports))
    state.processes[service.name] = identity
    state.save()
    _wait_until_ready(service, identity, state)


def _wait_until_ready(service: Service, identity: Identity, state: State) -> None:
    deadline = time.monotonic() + service.ready_seconds
    while not service.is_ready(identity, state.ports):
        if not is_alive(identity):
            raise DevStackError(f"{service.name} ended while it was starting: see {service.log}")
        if time.monotonic() > deadline:
            raise DevStackError(
                f"{service.name} was not ready after {service.ready_seconds:.0f} s: see {service.log}"
            )
        time.sleep(_POLL_SECONDS)


def _choose_ports(service: Service, state: State, fixed_port: int | None) -> None:
    if fixed_port is not None and not ports.is_free(fixed_port):
        raise DevStackError(
            f"port {fixed_port} on 127.0.0.1 is taken: stop what listens there, or choose another with --port"
        )
    for name in service.port_names:
        state.ports[name] = ports.choose(state.ports.get(name))
    if fixed_port is not None:
        state.ports[service.port_names[0]] = fixed_port


def _lost_a_port(service: Service, state: State) -> bool:
    """Whether somebody took a port between our look and the program's start."""
    return not all(ports.is_free(state.ports[name]) for name in service.port_names)
