"""A backend that does something hostile costs its own cell: the run goes on, and nothing outlives it."""

from __future__ import annotations

import pytest

from tests.faults.hostile import ACTS, HANGS, MOMENTS, PEAKS, RETURNS, VALUES
from tests.faults.scene import NORM, Scene, hold

FAULTS = [f"{act}@{moment}" for act in ACTS for moment in MOMENTS] + [f"{peak}@peak" for peak in PEAKS]
FAULTS += [f"{value}@{method}=" for value in VALUES for method in RETURNS]
BOUND_S = 10


@pytest.mark.campaign
@pytest.mark.parametrize("fault", FAULTS)
def test_a_hostile_backend_costs_its_own_cell(scene: Scene, fault: str) -> None:
    act, _, _ = fault.partition("@")
    bound = [f"--timeout={BOUND_S}"] if act in HANGS or act == "endless" else []
    words = [*NORM, "--backend", "hostile", "--backend", "reference", "--dtype", "float16", "-o", "records", *bound]
    scene.holds(scene.run(*words, env={"ONEBLOCK_FAULT": fault}), (0, 1))
    found = scene.statuses()
    hold(found.get("reference") == ["passed"], "records lost", found)
    hold(len(found.get("hostile", [])) == 1, "records lost", found)
    scene.swept()
    if act in HANGS:  # one that floods the pipe comes to the bound of its bytes before that of time, or after
        ends = [["timed_out"], ["crashed"]] if "flood" in act else [["timed_out"]]
        hold(found["hostile"] in ends, "records wrong", found)
    if act.startswith("outcome_"):
        hold(found["hostile"] != ["passed"], "records wrong", "its word is believed")
