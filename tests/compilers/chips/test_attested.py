"""What compilers say of an architecture, beside what is stated of its chips: both are the same limits."""

from __future__ import annotations

import pytest

from oneblock.compilers.chips import every, load
from oneblock.compilers.chips.attested import ATTESTED, LIBTPU, LLVM, PTXAS, TVM, attested
from oneblock.compilers.chips.chip import Chip, Gpu, NeuronCore, Tpu
from tests.layout.test_layout import ROOT


def said(chip: Chip) -> dict[str, int]:
    return {one.what: one.value for one in attested(chip)}


def test_thirty_figures_and_more_are_attested_each_by_a_tool_its_version_and_a_test() -> None:
    found = [one for of_one in ATTESTED.values() for one in of_one]
    assert len(found) >= 30
    assert {one.tool for one in found} == {PTXAS, LLVM, LIBTPU, TVM}
    assert all(one.version and one.how and (ROOT / one.test).is_file() for one in found)
    known = {f"{chip.platform}:{chip.architecture}" for chip in every(Chip)}
    assert set(ATTESTED) <= known


@pytest.mark.parametrize("chip", every(Gpu), ids=lambda chip: chip.target)
def test_a_multiprocessors_limits_are_those_that_its_compiler_refuses_by(chip: Gpu) -> None:
    unit, told = chip.multiprocessor, said(chip)
    if chip.platform == "cuda":
        assert told["blocks resident on a multiprocessor"] == unit.blocks
        assert told["threads resident on a multiprocessor"] == unit.threads
        assert told["shared memory of a block, declared"] <= unit.shared_bytes_of_block
    else:
        assert told["LDS of a work-group"] == unit.shared_bytes_of_block
        assert told["LDS is given in pieces of"] == unit.shared_granule


@pytest.mark.parametrize("chip", every(Tpu), ids=lambda chip: chip.target)
def test_a_tpus_usable_memory_is_near_what_is_stated_and_its_vmem_is(chip: Tpu) -> None:
    assert chip.on_chip_bytes is not None
    assert 0.95 < said(chip)["usable HBM of a device"] / chip.memory_bytes.value < 1.01
    cores = 2 if chip.architecture in ("v4", "v5p") else 1  # a device of these is a chip with two cores
    assert chip.on_chip_bytes.value == cores * said(chip)["VMEM of a core"]


def test_a_page_that_states_less_memory_than_the_compiler_has_is_seen() -> None:
    v5p = load("tpu:v5p", Tpu)
    assert said(v5p)["usable HBM of a device"] > v5p.memory_bytes.value, "Google's page has 95 GB"


def test_a_neuroncores_sizes_are_those_that_tvm_has() -> None:
    trn1 = load("neuron:trn1", NeuronCore)
    assert said(trn1)["SBUF of a partition"] == trn1.generation.sbuf_bytes
    assert said(trn1)["partitions"] * said(trn1)["PSUM of a partition"] == trn1.caches["PSUM"].value


def test_a_chip_that_no_tool_was_asked_of_has_none() -> None:
    assert attested(load("neuron:trn3", NeuronCore)) == ()
