"""`oneblock chips`: each chip in a line, and of one every figure with its sources, who says otherwise, what agrees."""

from __future__ import annotations

import json
import re

import pytest

from oneblock.bench.commands.chips import COMMAND
from oneblock.compilers.chips import every
from oneblock.compilers.chips.chip import Chip
from tests.helpers.stage_records import run

ALL = [chip.target for chip in every(Chip)]


def words(text: str) -> str:
    """A table's text without its frame and without where lines break."""
    return re.sub(r"[\s│┃]+", " ", text)


def test_every_chip_has_a_line_and_units_stand_in_the_headings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, said = run(COMMAND)
    rows = {cells[1]: cells[2:] for line in said.splitlines() if len(cells := re.split(r"\s*│\s*", line)) > 3}
    assert (code, [*rows]) == (0, ALL)
    assert {"(TFLOP/s)", "(TOP/s)", "(GiB)", "(GB/s)", "(MiB)", "(W)"} <= set(re.findall(r"\(\S+\)", said))
    assert rows["cuda:sm_90"][:3] == ["989.4", "1,979", "–"], "dense, and no float4"
    assert rows["tpu:v5e"][8] == "–", "a TDP that Google does not publish is absent, and no 0"


def test_a_narrow_terminal_leaves_out_whole_columns_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    said = run(COMMAND)[1]
    assert "left out, as they do not fit: contradicted, attested" in words(said)
    assert "cuda:sm_90:h100pcie" in said
    assert "1,513" in said


def test_a_figure_has_its_source_and_what_others_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    said = words(run(COMMAND, "cuda:sm_103")[1])
    assert "sms 148 aburan28/crypto, SURVEY.md, as rented devices report it, 889defce of 2026-09" in said
    assert "0.937 times this 158 OpenXLA, target_config/specs/b300.txtpb" in said
    assert "registers of a thread 255 ptxas 12.9.86 Too big maxrregcount" in said
    assert "holds: 148 multiprocessors x 1.835 GHz x 8192 = peak of float16" in said
    assert "does not hold: 7680 pins x 7.992 Gbit/s / 8 = bandwidth" in said, "8 TB/s is a rounded figure"
    assert "multiprocessor: 64 warps of 32, 32 blocks, 228 KiB shared" in said
    assert "absent: tdp_w: Google publishes no power of it" in words(run(COMMAND, "tpu:v5e")[1])
    assert "by the word of tools" not in run(COMMAND, "neuron:trn2")[1], "of which no tool here was asked"


def test_json_has_all_of_it_in_units_that_it_names() -> None:
    code, said = run(COMMAND, "--json")
    told = {chip["target"]: chip for chip in json.loads(said)}
    assert (code, [*told]) == (0, ALL)
    assert json.loads(run(COMMAND, "tpu:v4", "--json")[1]) == told["tpu:v4"]
    figures = {figure["name"]: figure for figure in told["cuda:sm_89"]["figures"]}
    assert (figures["peak of float8_e4m3fn"]["value"], figures["peak of float8_e4m3fn"]["unit"]) == (733e12, "FLOP/s")
    assert [other["value"] for other in figures["tdp_w"]["others"]] == [300]
    assert all(figure["source"] and figure["unit"] is not None for figure in figures.values())
    assert {one["holds"] for one in told["cuda:sm_120"]["equations"]} == {True, False}
    assert told["tpu:v5p"]["attested"][0]["tool"] == "libtpu"


@pytest.mark.parametrize("target", ["cuda:sm_91", "h100", "cuda"])
def test_a_chip_that_is_not_there_is_refused_with_those_that_are(target: str) -> None:
    code, said = run(COMMAND, target)
    assert (code, "cuda:sm_90" in said) == (2, True)
    assert f"unknown chip '{target}'" in said
