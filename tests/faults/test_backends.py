"""A backend that does something hostile costs its own cell: the run goes on, and nothing outlives it."""

from __future__ import annotations

import pytest

from tests.faults.hostile import ACTS, HANGS, MOMENTS, PEAKS
from tests.faults.scene import NORM, Scene

FAULTS = [f"{act}@{moment}" for act in ACTS for moment in MOMENTS] + [f"{peak}@peak" for peak in PEAKS]
BOUND_S = 10


@pytest.mark.campaign
@pytest.mark.parametrize("fault", FAULTS)
def test_a_hostile_backend_costs_its_own_cell(scene: Scene, fault: str) -> None:
    act, _, _ = fault.partition("@")
    bound = [f"--timeout={BOUND_S}"] if act in HANGS else []
    words = [*NORM, "--backend", "hostile", "--backend", "reference", "--dtype", "float16", "-o", "records", *bound]
    scene.holds(scene.run(*words, env={"ONEBLOCK_FAULT": fault}), (0, 1))
    found = scene.statuses()
    assert found["reference"] == ["passed"]
    assert len(found["hostile"]) == 1
    scene.swept()
    if act in HANGS:
        assert found["hostile"] == ["timed_out"]
    if act.startswith("outcome_"):
        assert found["hostile"] != ["passed"], "its word is not believed"
