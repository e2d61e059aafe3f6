"""`supaqueue rollout set`, `enable` and `disable`: who owns new jobs, and whether any are handed out."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import asdict
from decimal import Decimal
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from supaqueue.cli.rollout.changed import change_flag, say_flag
from supaqueue.cli.rollout.drain_proof import Waived, check_drained
from supaqueue.cli.rollout.options import (
    AsJson,
    By,
    Legacy,
    Reason,
    TaskType,
    print_json,
    read_flag,
    supabase,
)
from supaqueue.cli.rollout.overriding import gate_of
from supaqueue.contract import FeatureFlag, FlagChange, ListFlagChanges
from supaqueue.cutover.flag_steps import change_to_enable, change_to_percent, read_percent, what_changes
from supaqueue.cutover.stages import Stage
from supaqueue.errors import InvalidInput
from supaqueue.transport import Transport

OverrideGate = Annotated[
    bool,
    typer.Option(
        "--override-gate", help="Raise the share though the gate did not pass; needs --reason, and is kept."
    ),
]
Version = Annotated[
    int | None,
    typer.Option("--expect-version", help="Only if the flag stands at this version; see status."),
]
NEXT = {
    Stage.OFF: "nothing is mirrored; on leads `supaqueue rollout set 0 --stage mirror`",
    Stage.MIRROR: "every new job is mirrored; on leads `set 0 --stage shadow --shadow 5`, or `set 10`",
    Stage.SHADOW: "a sample also runs in Supabase, without effects; on leads `supaqueue rollout set 10`",
    Stage.CANARY: "back leads `supaqueue rollout disable`, and at once",
    Stage.LIVE: "when the holdback is 0 and the drain-proof passes: `set 100 --stage complete`",
    Stage.COMPLETE: "legacy gets nothing any more and may be switched off",
}


class NegativePercent(TyperCommand):
    """A command to which `-1` is a number out of range, and no option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse it before it is read as an option."""
        if any(re.fullmatch(r"-[0-9.]+", one) for one in args):
            raise InvalidInput("must be from 0 to 100 in steps of 0.01, for example 12.5", field="percent")
        return super().parse_args(ctx, args)


def set_percent(
    percent: Annotated[str, typer.Argument(metavar="PERCENT", help="0 to 100, in steps of 0.01.")],
    stage: Annotated[
        Stage | None, typer.Option(help="Go to this stage; by default the one that the percent means.")
    ] = None,
    holdback: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="What stays with legacy at 100 percent.")
    ] = None,
    shadow: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="Of which a copy also runs here, without effects.")
    ] = None,
    supabase_tenant: Annotated[
        list[str] | None, typer.Option("--supabase-tenant", help="Pin to Supabase; may be given again.")
    ] = None,
    legacy_tenant: Annotated[
        list[str] | None, typer.Option("--legacy-tenant", help="Pin to legacy; may be given again.")
    ] = None,
    unpin_tenant: Annotated[
        list[str] | None, typer.Option("--unpin-tenant", help="Take off both lists; may be given again.")
    ] = None,
    relay_unrouted: Annotated[
        bool | None,
        typer.Option(
            "--relay-unrouted/--no-relay-unrouted",
            help="Jobs that come past the router may become legacy's: a relay takes them there.",
        ),
    ] = None,
    route_by_tenant: Annotated[
        bool | None,
        typer.Option(
            "--route-by-tenant/--no-route-by-tenant",
            help="The share counts tenants: all new jobs of one go to the same side.",
        ),
    ] = None,
    override_gate: OverrideGate = False,
    expect_version: Version = None,
    task_type: TaskType = None,
    waive: Waived = None,
    legacy: Legacy = None,
    reason: Reason = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Set the share of new jobs that Supabase owns, and with it the stage.

    Mirror and shadow go on to canary with a percent above 0. To complete it goes only with the drain-proof.
    Where a gate or a watch has declared what the present share must prove, only what passed is raised.
    A tenant that is pinned to one side is taken off the other list.
    """
    wanted = read_percent(percent)
    with supabase() as transport:
        flag, own = read_flag(transport, task_type)
        change = change_to_percent(flag, wanted, stage)
        change |= _shares(holdback, shadow)
        change |= _tenants(flag, supabase_tenant or (), legacy_tenant or (), unpin_tenant or ())
        change |= _routes(relay_unrouted, route_by_tenant)
        if change["stage"] == "complete" and flag.stage != "complete":
            check_drained(transport, legacy, waive or ())
        rests_on = gate_of(transport, flag, change, is_overridden=override_gate, reason=reason)
        _change(
            transport, flag, own, change, task_type, expect_version, by=by, reason=reason, evidence=rests_on
        )
        say_flag(transport, task_type, next_step=NEXT[Stage(change["stage"])], as_json=as_json)


def enable(
    percent: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="Supabase's share from now on; not at complete.")
    ] = None,
    clear_latch: Annotated[
        bool, typer.Option("--clear-latch", help="Also clear the latch of a rollback; needs --reason.")
    ] = False,
    override_gate: OverrideGate = False,
    expect_version: Version = None,
    task_type: TaskType = None,
    reason: Reason = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Enable again what was disabled: claims hand out jobs. The share is not guessed: say --percent."""
    if clear_latch and not reason:
        raise InvalidInput("say why the latch is cleared", field="--reason")
    wanted = None if percent is None else read_percent(percent)
    with supabase() as transport:
        flag, own = read_flag(transport, task_type)
        before = _percent_before(transport, flag) if wanted is None else None
        change = change_to_enable(flag, wanted, before)
        if clear_latch:
            change["latched"] = False
        rests_on = None
        if flag.is_enabled:  # else it is the way back from an emergency, which a person chooses
            rests_on = gate_of(transport, flag, change, is_overridden=override_gate, reason=reason)
        change_flag(
            transport,
            change,
            task_type=task_type,
            by=by,
            reason=reason,
            expect_version=_version(expect_version, own),
            evidence=rests_on,
        )
        say_flag(transport, task_type, next_step="", as_json=as_json)


def disable(
    task_type: TaskType = None, reason: Reason = None, by: By = None, as_json: AsJson = False
) -> None:
    """In an emergency: give Supabase no new jobs, and hand out none, from the very next claim on.

    What waits there stays until it is enabled again, or goes back to legacy by `hand-back`.
    """
    with supabase() as transport:
        began = time.monotonic()
        flag = change_flag(
            transport,
            FlagChange(is_enabled=False, rollout_percent=Decimal(0)),
            task_type=task_type,
            by=by,
            reason=reason,
        )
        took = time.monotonic() - began
    effect = _effect(flag)
    if as_json:
        print_json(asdict(flag) | {"took_seconds": took, "effect": effect})
    else:
        print(f"disabled in {1000 * took:.0f} ms (version {flag.version}): {effect}")


def _effect(flag: FeatureFlag) -> str:
    whose = f" of type {flag.task_type}" if flag.task_type else ""
    effect = f"claims hand out no jobs{whose} any more"
    if flag.drain:
        effect = f"claims hand out only jobs{whose} that were started before: its flag says drain"
    if flag.stage == "complete":
        return f"{effect}; at complete there is no other queue, so they wait until `supaqueue rollout enable`"
    return f"{effect}; new ones are legacy's; what waits goes back with `supaqueue rollout hand-back`"


def _routes(relay_unrouted: bool | None, route_by_tenant: bool | None) -> FlagChange:
    change = FlagChange()
    if relay_unrouted is not None:
        change["relays_unrouted"] = relay_unrouted
    if route_by_tenant is not None:
        change["routes_by_tenant"] = route_by_tenant
    return change


def _change(
    transport: Transport,
    flag: FeatureFlag,
    own: FeatureFlag | None,
    change: FlagChange,
    task_type: str | None,
    expect_version: int | None,
    *,
    by: str | None,
    reason: str | None,
    evidence: str | None = None,
) -> None:
    if own is not None:
        change = what_changes(flag, change)
    if own is not None and expect_version not in (None, own.version):
        raise InvalidInput(
            f"the flag is at version {own.version} by now, not at {expect_version}; nothing was changed: look"
            " at `supaqueue rollout history`, then decide again",
            field="--expect-version",
        )
    if change or own is None:
        change_flag(
            transport,
            change,
            task_type=task_type,
            by=by,
            reason=reason,
            expect_version=_version(expect_version, own),
            evidence=evidence,
        )


def _version(expected: int | None, own: FeatureFlag | None) -> int | None:
    """The version that was asked for, else the one that was read: two people at once are one too many."""
    if expected is not None:
        return expected
    return own.version if own else None


def _shares(holdback: str | None, shadow: str | None) -> FlagChange:
    change = FlagChange()
    if holdback is not None:
        change["holdback_percent"] = read_percent(holdback, "--holdback")
    if shadow is not None:
        change["shadow_percent"] = read_percent(shadow, "--shadow")
    return change


def _tenants(
    flag: FeatureFlag, to_supabase: Iterable[str], to_legacy: Iterable[str], unpinned: Iterable[str]
) -> FlagChange:
    here, there, free = set(to_supabase), set(to_legacy), set(unpinned)
    if here & there or free & (here | there):
        raise InvalidInput(
            "the same tenant is named for two places", field="--supabase-tenant, --legacy-tenant"
        )
    if not here | there | free:
        return FlagChange()
    return FlagChange(
        supabase_tenants=_ordered((set(flag.supabase_tenants) | here) - there - free),
        legacy_tenants=_ordered((set(flag.legacy_tenants) | there) - here - free),
    )


def _ordered(names: set[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


def _percent_before(transport: Transport, flag: FeatureFlag) -> Decimal | None:
    """The percent that the flag had last, above 0, if it is among its latest changes."""
    for change in transport.send(ListFlagChanges()):
        before = change.before
        if change.flag_name == flag.flag_name and isinstance(before, dict) and before["rollout_percent"]:
            return Decimal(str(before["rollout_percent"]))
    return None
