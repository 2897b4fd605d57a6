"""A whole program of a few layers, and what is foreseen of all: held against a compiler's own count of more of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oneblock.backends.api.target import Target
from oneblock.bench.commands import whole
from oneblock.bench.runs import growth
from oneblock.bench.runs.growth import ADDED, Asked, apart, foreseen
from oneblock.workloads.models import Model, preset_model, read_model
from tests.conftest import load
from tests.helpers.oneblock_process import oneblock_here

CONFIG: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 128, "num_hidden_layers": 8, "vocab_size": 512, "rms_norm_eps": 1e-5,
    "rope_theta": 1e4, "tie_word_embeddings": True, "hidden_act": "silu", "max_position_embeddings": 4096,
}  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG))
    return path


def asked(model: Model | None, backend: str, target: str) -> Asked:
    assert model is not None
    return Asked(model, backend, "plain", Target.parse(target), "bfloat16", 1, 512)


@pytest.mark.parametrize(("backend", "target"), [("xla_tpu", "tpu:v5e"), ("jax_xla", "cpu")])
def test_three_programs_foresee_the_eighth_layer(config: Path, backend: str, target: str) -> None:
    load(backend, target)
    # A TPU keeps layers of a small model on the chip, as many as there is room for: there HBM does not add up.
    model = preset_model("llama-1b") if backend == "xla_tpu" else read_model(config)
    programs = list(asked(model, backend, target).programs(8))
    assert [one.layers for one in programs] == [1, 2, 3, 8]
    off = apart(foreseen(programs, 8), programs[-1])
    assert off.keys() >= set(ADDED)
    assert all(off[name] <= 0.005 for name in ADDED), off
    layers = [one.step for one in programs[-1].facts.steps if one.step is not None]
    assert layers == [*(f"layer{number}" for number in range(8)), "head"]
    flops = {one.step: one.flops for one in programs[-1].facts.steps}
    assert abs(flops["layer5"] / flops["layer2"] - 1) <= 0.005


def test_what_grows_otherwise_is_seen(config: Path) -> None:
    """A program whose later layers cost more than the first three is told apart, and a third that grows is said."""
    load("jax_xla")
    programs = list(asked(read_model(config), "jax_xla", "cpu").programs(8))
    last = programs[-1]
    dearer = replace(last, facts=replace(last.facts, flops=1.01 * (last.facts.flops or 0.0)))
    assert apart(foreseen(programs, 8), dearer)["FLOPs"] > 0.005
    third = programs[2]
    programs[2] = replace(third, facts=replace(third.facts, flops=1.01 * (third.facts.flops or 0.0)))
    assert growth.uneven(programs)["FLOPs"] > 0.005


def test_the_command_compiles_counts_and_writes_stages(config: Path, tmp_path: Path) -> None:
    load("jax_xla")
    words = ("whole", "--model", str(config), "--backend", "jax_xla", "-S", "64")
    done = oneblock_here(*words, "--check", "4", "--stages", "texts", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "foreseen of 4 layers: FLOPs 0.00% off" in done.stdout
    assert "4 layers compiled in" in done.stderr
    texts = {path.name: path.read_text() for path in (tmp_path / "texts").iterdir()}
    assert "layer3/" in texts["llama-4-layers.hlo.txt"]
    told = json.loads(oneblock_here(*words, "--json", cwd=tmp_path).stdout)
    assert [one["layers"] for one in told["programs"]] == [1, 2, 3]
    assert (told["foreseen"]["layers"], told["foreseen"]["kind"]) == (8, "modelled")


def test_a_count_that_is_off_is_no_success(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load("jax_xla")
    monkeypatch.setattr(whole, "apart", lambda *_: {"HBM": 0.006, "scratch": 0.1})
    words = ["--model", str(config), "--backend", "jax_xla", "-S", "64", "--check", "4"]
    with pytest.raises(SystemExit) as ended:
        whole.COMMAND.main(words, standalone_mode=False)
    assert ended.value.code == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--model", "CONFIG", "--backend", "xla_tpu"), "xla_tpu: expected a target of tpu; got cpu"),
        (("--model", "CONFIG", "--target", "tpu:v99"), "tpu:v99"),
        (("--model", "CONFIG", "--check", "3"), "--check: expected more layers than the 3 that are compiled anyway"),
        (("--model", "CONFIG", "--check", "9"), "at most the model's 8, got 9"),
        (("--model", "CONFIG", "--preset", "gpt2"), "--model is in place of --preset: give one of them"),
        (("--model", "CONFIG", "--backend", "jax_xla", "--ops", "kernels"), "expected one of its ops sets"),
        (("--model", "CONFIG", "--backend", "jax_xla", "--target", "tpu:v5e"), "JAX finds no tpu device"),
        (("--model", "CONFIG", "--backend", "reference"), "reference counts nothing of what it compiles"),
        (("--model", "CONFIG", "--backend", "jx"), "unknown backend 'jx'"),
        (("--model", "CONFIG", "--dtype", "float12"), "unknown dtype 'float12'"),
        (("--model", "TWO"), "its 2 layers repeat every 1, and 3 times that are compiled"),
        (("--model", "BARE"), "no vocab_size"),
    ],
)
def test_a_mistake_is_a_sentence(config: Path, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    two, bare = tmp_path / "two", tmp_path / "bare"
    for folder, given in ((two, CONFIG | {"num_hidden_layers": 2}), (bare, CONFIG)):
        folder.mkdir()
        kept = {key: value for key, value in given.items() if key != "vocab_size" or folder is two}
        (folder / "config.json").write_text(json.dumps(kept))
    names = {"CONFIG": str(config), "TWO": str(two / "config.json"), "BARE": str(bare / "config.json")}
    done = oneblock_here("whole", *(names.get(word, word) for word in words), cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert says in done.stderr
