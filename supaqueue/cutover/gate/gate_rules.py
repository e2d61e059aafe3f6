"""What a gate asks for, by a TOML file: everything has a default.

    least_backlog_minutes = 15  # of which a backlog must be known before it counts as stable

    legacy_probes = true        # whether legacy's workers run probes; those without a registry may not

    failing_looks_seconds = 300 # after how long of looks that fail a watch tells owners

    [[step]]
    percent = 10            # the share that is entered,
    mismatch_bound = 1.0    # what must be ruled out before it, in percent,
    holding_hours = 48      # and how long it is stood at before the next one

    [default]
    error_objective = 1.0   # percent: under it a canary may have errors, whatever the control has

    [type.invoice]
    error_objective = 0.1
    oldest_waiting_seconds = 900

Without `[[step]]` the shares are 10, 50 and 100 percent, with bounds of 1, 0.5 and 0.1 percent, held for 48,
48 and 72 hours. `first_seconds` and `settle_seconds` say after how long first attempts and final outcomes are
counted, where 2 minutes and at least a quarter of an hour are not wanted, as in a rehearsal.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from supaqueue.cutover.gate.growing_backlog import MINUTES
from supaqueue.cutover.gate.latency_margin import LATENCY_MARGIN_SECONDS
from supaqueue.errors import InvalidInput

ERROR_OBJECTIVE = 0.01
HOUR = 3600.0
FAILING_LOOKS_SECONDS = 300.0
"""Five looks of a minute: a restart of anything is over by then."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share of new jobs that a rollout stands at for a while.

    Attributes:
        percent: what Supabase gets.
        mismatch_bound: the rate of differing jobs, from 0 to 1, to be ruled out before it is entered.
        holding_seconds: how long it is stood at, at least.
    """

    percent: Decimal
    mismatch_bound: float
    holding_seconds: float


SHARES = (
    Share(Decimal(10), 0.01, 48 * HOUR),
    Share(Decimal(50), 0.005, 48 * HOUR),
    Share(Decimal(100), 0.001, 72 * HOUR),
)
"""Requirements, B9, and semantics, section 7."""


@dataclass(frozen=True, slots=True)
class Objectives:
    """What a type is to keep, whatever the control does.

    Attributes:
        error_objective: the rate of jobs that fail for good, from 0 to 1.
        oldest_waiting_seconds: how old the oldest waiting job may be; None: there is no objective.
        latency_margin_seconds: what jobs may take longer than the control's; 10 percent if that is more.
    """

    error_objective: float = ERROR_OBJECTIVE
    oldest_waiting_seconds: float | None = None
    latency_margin_seconds: float = LATENCY_MARGIN_SECONDS


@dataclass(frozen=True, slots=True)
class GateRules:
    """What a gate asks for.

    Attributes:
        least_backlog_minutes: of how many a backlog must be known; one that grows shows in 15.
        first_seconds: after how long first attempts are counted; None: as usual.
        settle_seconds: after how long final outcomes are counted; None: by what jobs take.
        legacy_probes: whether probes are sent through the legacy queue.
        failing_looks_seconds: after how long of looks that all fail a watch tells owners; 0: at the first.
    """

    shares: tuple[Share, ...] = SHARES
    default: Objectives = Objectives()
    types: Mapping[str, Objectives] = field(default_factory=dict)
    least_backlog_minutes: int = MINUTES
    first_seconds: float | None = None
    settle_seconds: float | None = None
    legacy_probes: bool = True
    failing_looks_seconds: float = FAILING_LOOKS_SECONDS

    def of(self, task_type: str) -> Objectives:
        """Return what a type is to keep."""
        return self.types.get(task_type, self.default)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Share(_Strict):
    percent: Annotated[Decimal, Field(gt=0, le=100, decimal_places=2)]
    mismatch_bound: Annotated[float, Field(gt=0, lt=100)]
    holding_hours: Annotated[float, Field(ge=0, le=8784)]


class _Objectives(_Strict):
    error_objective: Annotated[float, Field(gt=0, lt=100)] | None = None
    oldest_waiting_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    latency_margin_seconds: Annotated[float, Field(ge=LATENCY_MARGIN_SECONDS, le=86_400)] | None = None


class _File(_Strict):
    least_backlog_minutes: Annotated[int, Field(ge=1, le=MINUTES)] = MINUTES
    first_seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None
    settle_seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None
    legacy_probes: bool = True
    failing_looks_seconds: Annotated[float, Field(ge=0, le=86_400)] = FAILING_LOOKS_SECONDS
    step: tuple[_Share, ...] = ()
    default: _Objectives = _Objectives()
    type: dict[str, _Objectives] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _rises(self) -> _File:
        percents = [one.percent for one in self.step]
        if any(later <= earlier for earlier, later in pairwise(percents)):
            raise ValueError("each step's percent must be above the one before")
        return self


def load_gate_rules(path: Path) -> GateRules:
    """Read a file.

    Raises:
        InvalidInput: it cannot be read, is no TOML, or says something unknown; the error names the place.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"cannot be read: {error}", field=str(path)) from None
    try:
        given = _File.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidInput(str(first["msg"]), field=f"{path}: {place}".removesuffix(": ")) from None
    default = _objectives(given.default, Objectives())
    return GateRules(
        tuple(map(_share, given.step)) or SHARES,
        default,
        {name: _objectives(one, default) for name, one in given.type.items()},
        given.least_backlog_minutes,
        given.first_seconds,
        given.settle_seconds,
        given.legacy_probes,
        given.failing_looks_seconds,
    )


def _share(given: _Share) -> Share:
    return Share(given.percent, given.mismatch_bound / 100, given.holding_hours * HOUR)


def _objectives(given: _Objectives, default: Objectives) -> Objectives:
    objective = given.error_objective
    return Objectives(
        default.error_objective if objective is None else objective / 100,
        given.oldest_waiting_seconds or default.oldest_waiting_seconds,
        given.latency_margin_seconds or default.latency_margin_seconds,
    )
