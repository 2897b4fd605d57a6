"""A target is parsed once: it is its text, of which each part can be asked for."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from oneblock.backends.api.target import Target
from oneblock.bench.records.reading import adapter
from oneblock.bench.records.store import read_record, to_json
from oneblock.bench.records.texts import StoreError
from oneblock.bench.worker.launch import to_data
from oneblock.bench.worker.limits_job import LimitsJob
from oneblock.bench.worker.main import read_job
from tests.bench.report.test_report import record

PARTS = {
    "cpu": ("cpu", None, None, None, {}),
    "cuda:sm_90": ("cuda", "sm_90", None, None, {}),
    "cuda:sm_90:h200": ("cuda", "sm_90", "h200", None, {}),
    "tpu:v5e:2x4@dp2,tp4": ("tpu", "v5e", "2x4", "dp2,tp4", {"dp": 2, "tp": 4}),
    "cpu@tp8": ("cpu", None, None, "tp8", {"tp": 8}),
    "mps": ("mps", None, None, None, {}),
}


@pytest.mark.parametrize("text", PARTS)
def test_it_has_its_parts_and_is_its_text(text: str) -> None:
    target = Target.parse(text)
    assert (target.platform, target.architecture, target.topology, target.mesh, target.axes) == PARTS[text]
    assert target == text == str(target)
    assert Target(*PARTS[text][:4]) == target
    for again in (copy.deepcopy(target), pickle.loads(pickle.dumps(target))):
        assert (type(again), again.platform, again.mesh) == (Target, target.platform, target.mesh)


@pytest.mark.parametrize("text", [*PARTS, "tpu:v99", "abacus", "abacus:beads:10x9@tp2"])
def test_a_record_has_it_as_text_and_gives_it_parsed_known_here_or_not(text: str, tmp_path: Path) -> None:
    made = replace(record(), cell=replace(record().cell, target=Target(text)))
    (tmp_path / "r.json").write_bytes(to_json(made))
    assert json.loads((tmp_path / "r.json").read_text())["cell"]["target"] == text
    found = read_record(tmp_path / "r.json")
    assert found == made
    assert found.cell.target.platform == text.partition("@")[0].partition(":")[0]
    assert adapter().json_schema()["$defs"]["Cell"]["properties"]["target"]["type"] == "string"


@pytest.mark.parametrize(
    "topology", ["../../../../x", "2x", "x2", "2X4", "2x4/..", "2x4\x1b[31m", "", "٢x٤", "2x4x2x2x2"]
)
def test_a_topology_that_is_none_is_refused_where_it_is_typed(topology: str) -> None:
    """And not by the store, when a record of it is to be written."""
    with pytest.raises(LookupError, match="with a topology as in tpu:v5e:2x4"):
        Target.parse(f"tpu:v5e:{topology}")


NONE = ("", "cpu@", "cpu@tp", "cpu@xx2", "tpu:", ":v5e", "tpu:v5e:2x4:8", "cpu@tp2,tp2", "cpu\x1b[31m", "tpu:<b>", 7)


@pytest.mark.parametrize("text", NONE)
def test_a_record_with_no_target_is_none(text: object, tmp_path: Path) -> None:
    raw = json.loads(to_json(record()))
    raw["cell"]["target"] = text
    (tmp_path / "r.json").write_text(json.dumps(raw))
    with pytest.raises(StoreError, match="target"):
        read_record(tmp_path / "r.json")


def test_a_job_carries_it_over_the_pipe() -> None:
    job = LimitsJob("reference", Target("tpu", "v5e", "2x4", "tp8"), ("float32",), 1)
    again = read_job(json.loads(json.dumps(to_data(job))))
    assert again == job
    assert isinstance(again, LimitsJob)
    assert again.target.axes == {"tp": 8}
    assert asdict(record().cell)["target"] == "cpu"


@pytest.mark.parametrize(
    ("name", "target"), [("H100", "cuda:sm_90"), ("a100", "cuda:sm_80"), ("nvidia b200", "cuda:sm_100")]
)
def test_who_names_a_product_is_told_its_target_and_not_the_nearest_spelling(name: str, target: str) -> None:
    with pytest.raises(LookupError, match=f"expected {target}, which is "):
        Target.parse(name)
    with pytest.raises(LookupError, match="did you mean"):
        Target.parse("cuda:sm_91")
