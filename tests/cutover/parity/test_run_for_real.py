"""`supaqueue parity run` typed on two systems at work: the demo's files, workers of both, and a relay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from supaqueue.devstack import Stack
from tests.cutover.parity.real_systems import RealSystems, classes_of, real_systems, write_inputs
from tests.cutover.world import World
from tests.valkey import Valkey

TEXTS, SOUNDS = 80, 20
ROUNDING = "tests.cutover.parity.rounding_handlers:registry"


def shadow_all(world: World) -> None:
    world.go_to(0)
    world.change(stage="shadow", shadow_percent=5)


def check_a_hundred_match(systems: RealSystems) -> None:
    inputs = str(write_inputs(systems.folder, TEXTS, SOUNDS))
    systems.start()
    passed = systems.type("parity", "run", "--jobs", "100", "--input", inputs, "--bound", "3", "--json")
    assert (passed.code, passed.err) == (0, ""), passed
    report = json.loads(passed.out)
    assert report["classes"] == {"match": 100}
    assert report["verdict"]["upper_bound"] == pytest.approx(0.0295, abs=5e-5)
    [of_type] = report["types"]
    assert of_type["latency_seconds"]["legacy"]["jobs"] == 100
    unsure = systems.type("parity", "run", "--jobs", "40", "--input", inputs)
    assert unsure.code == 2, unsure
    assert "259 further jobs without a difference would do" in unsure.out


def check_another_rounding_is_found(systems: RealSystems) -> None:
    inputs = str(write_inputs(systems.folder, TEXTS, SOUNDS))
    systems.start(ROUNDING)
    said = systems.type("parity", "run", "--jobs", "100", "--input", inputs, "--json")
    assert said.code == 1, said
    report = json.loads(said.out)
    assert report["classes"] == {"match": TEXTS, "result_diff": SOUNDS}
    [differs] = classes_of(report, "result_diff")
    assert differs["paths"] == [{"path": "shadow.result.rms", "kind": "value", "jobs": SOUNDS}]


def test_a_hundred_match_in_a_folder(stack18: Stack, world: World, tmp_path: Path) -> None:
    shadow_all(world)
    with real_systems(stack18, tmp_path, f"folder:{tmp_path / 'legacy'}") as systems:
        check_a_hundred_match(systems)


@pytest.mark.slow
def test_another_rounding_is_found_in_a_folder(stack18: Stack, world: World, tmp_path: Path) -> None:
    shadow_all(world)
    with real_systems(stack18, tmp_path, f"folder:{tmp_path / 'legacy'}") as systems:
        check_another_rounding_is_found(systems)


@pytest.mark.slow
def test_a_hundred_match_in_rq(stack18: Stack, world: World, valkey: Valkey, tmp_path: Path) -> None:
    shadow_all(world)
    with real_systems(stack18, tmp_path, f"rq:{valkey.url}") as systems:
        check_a_hundred_match(systems)


@pytest.mark.slow
def test_another_rounding_is_found_in_rq(
    stack18: Stack, world: World, valkey: Valkey, tmp_path: Path
) -> None:
    shadow_all(world)
    with real_systems(stack18, tmp_path, f"rq:{valkey.url}") as systems:
        check_another_rounding_is_found(systems)
