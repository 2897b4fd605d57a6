"""What a whole model needs of a chip: caches held against transformers' own, sums against memories of every size."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.format.errors import Refused
from oneblock.bench.judge.model_memory import kept
from oneblock.bench.records.record import Status
from oneblock.bench.runs import fit, model_fit
from oneblock.bench.runs.model_fit import ModelRoom
from oneblock.bench.terminal import model_fit as shown
from oneblock.bench.terminal.screen import console
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.measure_job import Measurement
from oneblock.bench.worker.watch import Bounds
from oneblock.compilers.api.facts import Facts, Memory
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import Model, preset_model, read_model
from tests.helpers.oneblock_process import oneblock_here
from tests.workloads.models.test_families import LLAMA, MODELS

BOUNDS = Bounds(1, 60.0, 2**30)


def cell_of(model: Model, phase: Phase = Phase.DECODE, B: int = 1, S: int = 4096) -> Cell:
    T = S if phase is Phase.PREFILL else 1
    case = Case("block", model.layers[0], phase, B, T, S)
    return Cell(case, "bfloat16", "xla_tpu", "plain", Target("tpu", "v5e"))


def model_of(name: str) -> Model:
    model = preset_model(name)
    assert model is not None
    return model


@pytest.mark.parametrize("name", ["gemma2", "gemma3", "mixtral", "qwen2-windows", "llama", "gpt2"])
@pytest.mark.parametrize("S", [8, 40])
def test_caches_are_those_that_transformers_allocates(authority: ModuleType, tmp_path: Path, name: str, S: int) -> None:
    import torch

    kind, given = MODELS[name]
    config = getattr(authority, kind)(**given)
    config.save_pretrained(tmp_path)
    model = read_model(tmp_path)
    c = model.layers[0]
    cache = authority.StaticCache(config=config, max_cache_len=S)
    cache.early_initialization(3, c.kv_heads, c.head_width, torch.bfloat16, torch.device("meta"))
    allocated = sum(one.nbytes for layer in cache.layers for one in (layer.keys, layer.values))
    for phase in Phase:  # a prefill leaves them
        assert kept(model, cell_of(model, phase, B=3, S=S).case, "bfloat16")["caches"] == allocated, phase


def test_the_parts_of_a_model_in_bytes() -> None:
    parts = kept(model_of("llama-8b"), cell_of(model_of("llama-8b"), B=2).case, "bfloat16")
    assert parts == {
        "layers": 2 * 6_979_584_000, "final norm": 2 * 4096, "embedding": 2 * 525_336_576, "head": 2 * 525_336_576,
        "caches": 2 * 2 * 32 * 2 * 4096 * 8 * 128, "logits": 2 * 2 * 128_256,
        "x and y of one block": 2 * (4 * 4096 + 128),
    }  # fmt: skip


class Compiler:
    """One that needs so much scratch for a sequence, pads each argument's bytes, and has so much memory."""

    def __init__(self, available: int | None, scratch: int = 0, padding: int = 0) -> None:
        self.available, self.scratch, self.padding = available, scratch, padding
        self.asked: list[Cell] = []

    def __call__(self, cell: Cell, bounds: Bounds, records: Path | None = None) -> Outcome[Measurement]:
        if cell.case.workload == "norm":
            memory = None if self.available is None else Memory("hbm", 2**40, self.available, ())
            status = Status.COMPILED if memory is None else Status.OUT_OF_MEMORY
            return Outcome(status, result=Measurement(memory=memory))
        self.asked.append(cell)
        given = model_fit._arguments(cell) + self.padding
        facts = Facts(scratch_bytes=self.scratch * cell.case.B, argument_bytes=given)
        return Outcome(Status.COMPILED, result=Measurement(facts=facts))


def searched(
    monkeypatch: pytest.MonkeyPatch, compiler: Any, model: Model, axis: str, cell: Cell | None = None
) -> tuple[fit.Fit, ModelRoom]:
    monkeypatch.setattr(model_fit, "compiled", compiler)
    monkeypatch.setattr(fit, "not_run_here", lambda pairs, bounds: set(pairs))
    room = ModelRoom(model, BOUNDS, Path(), lambda cell, what: None)
    return fit.fit(cell or cell_of(model), axis, BOUNDS, room.tell, room.fits), room


def test_a_model_whose_weights_do_not_fit_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler, model = Compiler(available=14 * 2**30), model_of("llama-8b")
    found, room = searched(monkeypatch, compiler, model, "batch")
    assert found.fits is None
    assert found.fails is not None
    assert not room.found[found.fails].fits
    assert compiler.asked == []


@pytest.mark.parametrize("most", [1, 5, 64])
def test_the_largest_batch_is_what_arithmetic_says(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    model = model_of("llama-1b")
    weights = 2 * 1_235_814_400
    each = 16 * 2 * 2 * 4096 * 8 * 64 + 2 * 128_256 + 2 * 2 * 2048 + 1000  # cache, logits, x and y, scratch
    once = 2 * 64 + 16 * 77  # tables, padding
    compiler = Compiler(available=weights + once + most * each, scratch=1000, padding=77)
    found, room = searched(monkeypatch, compiler, model, "batch")
    assert found.fits is not None
    assert most == found.fits.case.B
    assert room.found[found.fits].needed_bytes == weights + once + most * each
    one_less = Compiler(available=weights + once + most * each - 1, scratch=1000, padding=77)
    found, _ = searched(monkeypatch, one_less, model, "batch")
    assert (found.fits.case.B if found.fits else 0) == most - 1


def test_a_layer_with_a_window_is_compiled_with_its_rolling_cache(
    monkeypatch: pytest.MonkeyPatch, authority: ModuleType, tmp_path: Path
) -> None:
    authority.Gemma2Config(**LLAMA | {"sliding_window": 12, "num_hidden_layers": 3}).save_pretrained(tmp_path)
    model = read_model(tmp_path)
    compiler = Compiler(available=2**40)
    _, room = searched(monkeypatch, compiler, model, "context")
    first = {(one.case.S, one.case.config.window) for one in compiler.asked[:2]}
    assert first == {(128, None), (12, 12)}
    assert all(one.layers == 3 for one in room.found.values())


def test_a_context_ends_where_learned_positions_do(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("gpt2")
    found, room = searched(monkeypatch, Compiler(available=2**45), model, "context")
    assert found.fits is not None
    assert found.fails is not None
    assert (found.fits.case.S, found.fails.case.S) == (1024, 1152)
    assert room.found[found.fails].refused == "the model has 1,024 positions, and this is 1,152"


def test_a_compiler_that_refuses_nothing_is_held_to_what_the_maker_states(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("tiny")
    found, room = searched(monkeypatch, Compiler(available=None), model, "batch")
    assert found.fits is not None
    stated = room.found[found.fits]
    assert stated.available_bytes == 16 * 2**30
    assert stated.available_by.startswith("as stated: ")


def test_a_block_that_is_refused_ends_it_with_the_compilers_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Small(Compiler):
        def __call__(self, cell: Cell, bounds: Bounds, records: Path | None = None) -> Outcome[Measurement]:
            if cell.case.workload == "block" and cell.case.B > 3:
                memory = Memory("vmem", 2, 1, ())
                return Outcome(Status.OUT_OF_MEMORY, reason="needs 2 of vmem", result=Measurement(memory=memory))
            return super().__call__(cell, bounds, records)

    found, room = searched(monkeypatch, Small(available=2**50), model_of("tiny"), "batch")
    assert found.fits is not None
    assert found.fails is not None
    assert (found.fits.case.B, room.found[found.fails].refused) == (3, "one block alone: needs 2 of vmem")


def test_what_is_no_question_of_memory_is_left_to_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(cell: Cell, *_: Any) -> Outcome[Measurement]:
        return Outcome(Status.UNSUPPORTED, reason="no")

    found, room = searched(monkeypatch, crash, model_of("tiny"), "batch")
    assert (found.fits, room.found) == (None, {})


def test_a_compiler_that_hides_its_scratch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(cell: Cell, *_: Any) -> Outcome[Measurement]:
        return Outcome(Status.COMPILED, result=Measurement(facts=Facts()))

    with pytest.raises(Refused, match="does not say how much scratch"):
        searched(monkeypatch, silent, model_of("tiny"), "batch")


def test_the_table_says_what_was_summed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    model = model_of("llama-8b")
    found, room = searched(monkeypatch, Compiler(available=int(15.75 * 2**30), scratch=2**20), model, "batch")
    console().print(shown.table([room.found[one] for one in found.cells], "batch"))
    said = capsys.readouterr().out
    for words in ("fit of the model llama-8b", "32 layers", "head", "caches", "15.459 GiB", "15.750 GiB", "does not"):
        assert words in said
    (fits, fails) = shown.data([room.found[one] for one in found.cells])
    assert (fits["fits"], fails["fits"]) == (True, False)
    assert fits["needed_bytes"] == sum(fits["parts_bytes"].values())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("norm", "--preset", "tiny", "--fit-of", "model"), "sums blocks, and norm is none: --fit-of block"),
        (("block", "--preset", "tiny", "--target", "tpu:v5e:2x4@tp8"), "tpu:v5e:2x4@tp8 is a mesh of chips"),
        (("block", "--preset", "tiny", "--phase", "prefill", "-T", "8", "--inputs", "x.npz"), "and x.npz has one:"),
        (("block", "--model", "config.json"), "no vocab_size: expected a model that says"),
    ],
)
def test_what_no_model_is_summed_for_is_said(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    told = {"model_type": "llama", **{key: value for key, value in LLAMA.items() if key != "vocab_size"}}
    (tmp_path / "config.json").write_text(json.dumps(told))
    np.savez(tmp_path / "x.npz", x=np.ones((1, 8, 64)))
    target = () if "--target" in words else ("--target", "tpu:v5e")
    done = oneblock_here("run", *words, *target, "--backend", "xla_tpu", "--fit", "batch", cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert says in done.stderr


def test_what_to_fit_of_without_a_fit_is_a_mistake(tmp_path: Path) -> None:
    done = oneblock_here("run", "norm", "--preset", "tiny", "--fit-of", "block", cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "expected --fit batch or --fit context beside it" in done.stderr


def test_of_a_configuration_alone_no_model_is_summed() -> None:
    model = model_of("tiny")
    alone = replace(model, vocabulary=None)
    with pytest.raises(ValueError, match="no vocab_size"):
        kept(alone, cell_of(alone).case, "bfloat16")
