"""Certificates: the same tokens where backends are right, and each planted bug unexplained, with its layer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from oneblock.bench.format.errors import Refused
from oneblock.bench.records.certificate import Divergence, add, certificates
from oneblock.bench.records.reading import adapter
from oneblock.bench.runs import certifying, forms
from oneblock.bench.runs.certifying import certify
from oneblock.bench.runs.decoding import Decoder
from oneblock.bench.runs.model_weights import Checkpoint
from oneblock.workloads.models import read_model
from tests.bench.commands.test_completion import completed
from tests.conftest import load
from tests.helpers.oneblock_process import oneblock_here
from tests.helpers.whole_models import tokenizer_json
from tests.workloads.models.test_families import MODELS

PROMPTS = [np.random.default_rng(seed).integers(0, 32, 9 + seed) for seed in range(3)]
LAYER = 1  # with a bug
Given = dict[str, Any]


@pytest.fixture(scope="module")
def folder(authority: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.helpers.transformers_models import made

    kind, given = MODELS["llama"]
    found = tmp_path_factory.mktemp("llama")
    made(getattr(authority, kind)(**given)).save_pretrained(found)
    tokenizer_json(found)
    return found


def checkpoint(folder: Path, dtype: str = "float32") -> Checkpoint:
    return Checkpoint(read_model(folder), folder / "model.safetensors", dtype)


@pytest.mark.parametrize(
    ("name", "form"), [("torch_eager", "layers"), ("jax_xla", "layers"), ("jax_xla", "pages"), ("jax_xla", "whole")]
)
def test_a_right_backend_writes_the_same_tokens(folder: Path, name: str, form: str) -> None:
    load(name)
    (found,) = certify(checkpoint(folder), [name], PROMPTS, 12, form)
    assert found == (name, ())


def test_rounding_explains_what_it_may_and_its_measure_is_not_the_backends(folder: Path) -> None:
    """In bfloat16 tokens of a random model differ; a budget of the backend's own error would explain a bug as well."""
    ((_, found),) = certify(checkpoint(folder, "bfloat16"), ["reference"], [*PROMPTS] * 4, 24)
    assert found
    assert all(one.explained and one.step is None for one in found)
    assert {one.layer is None for one in found if one.position > 0} == {False}
    one = Divergence(0, 0, 1, 2, margin=0.3, budget=0.2)
    assert not one.explained
    assert replace(one, margin=0.2).explained


def test_where_numpys_own_logits_overflow_nothing_is_explained_by_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A budget of infinity would explain any bug."""

    class Overflows(Decoder):
        def begin(self, *what: Any) -> np.ndarray:
            return super().begin(*what) * (np.inf if self.dtype == np.float32 else 1.0)

    monkeypatch.setattr(certifying, "Decoder", Overflows)
    with pytest.raises(Refused, match="not finite"):
        list(certify(checkpoint(folder), ["reference"], PROMPTS, 3))


def _other_base(given: Given) -> Given:
    angles = np.arctan2(given["rope_sin"], given["rope_cos"]) * 0.9
    return given | {"rope_cos": np.cos(angles).astype(np.float32), "rope_sin": np.sin(angles).astype(np.float32)}


def _off_by_one(given: Given) -> Given:
    late = given["position"] >= 14
    return given | {"position": np.where(late, given["position"] - 1, given["position"]).astype(np.int32)}


def _same(given: Given) -> Given:
    return given


def _heads_swapped(weights: Given) -> Given:
    heads = weights["q_weight"].reshape(64, 4, 16)
    return weights | {"q_weight": np.ascontiguousarray(heads[:, [1, 0, 2, 3]]).reshape(64, 64)}


def test_looking_for_a_layer_changes_nothing_of_what_follows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes to the caches in between, at a slot that is then written anew."""
    told = list(certify(checkpoint(folder, "bfloat16"), ["torch_eager"], [*PROMPTS] * 4, 24))
    monkeypatch.setattr(certifying, "_most", lambda at_one, *_: at_one)
    ((_, bare),) = certify(checkpoint(folder, "bfloat16"), ["torch_eager"], [*PROMPTS] * 4, 24)
    assert len(bare) > 3
    assert [(name, tuple(replace(one, layer=None) for one in found)) for name, found in told] == [("torch_eager", bare)]


def test_of_what_is_explained_the_layer_that_errs_most_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One layer's weights are rougher than rounding makes them, by too little to explain nothing any more."""

    class Rough(Decoder):
        def prepare(self, *what: Any) -> None:
            super().prepare(*what)
            if not hasattr(self, "planted"):
                noise, w = np.random.default_rng(3), self._weights[LAYER]
                for name in ("down_weight", "proj_weight"):
                    rough = w[name].astype(np.float32) * (1 + 0.03 * noise.standard_normal(w[name].shape))
                    w[name] = rough.astype(w[name].dtype)
                self.planted = w

    monkeypatch.setitem(forms.FORMS, "layers", Rough)
    ((_, found),) = certify(checkpoint(folder, "bfloat16"), ["reference"], [*PROMPTS] * 6, 24)
    layers = [one.layer for one in found if one.explained and one.position > 0]
    assert len(layers) > 3
    assert layers.count(LAYER) > len(layers) / 2


@pytest.mark.parametrize(
    ("calls", "weights", "step"),
    [
        (_other_base, _same, "rope"), (_off_by_one, _same, "qkv, or the cache"),
        (_same, _heads_swapped, "attention, or behind it"),
    ],
)  # fmt: skip
def test_a_planted_bug_is_unexplained_and_found_in_its_layer(
    folder: Path, monkeypatch: pytest.MonkeyPatch, calls: Callable[[Given], Given], weights: Callable[[Given], Given],
    step: str,
) -> None:  # fmt: skip
    class Planted(Decoder):
        def prepare(self, *what: Any) -> None:
            super().prepare(*what)
            if not hasattr(self, "planted"):
                self.planted = self._weights[LAYER] = weights(self._weights[LAYER])

        def begin(self, *what: Any) -> np.ndarray:
            logits = super().begin(*what)
            layer = self._layers[LAYER]
            right = layer.call
            monkeypatch.setattr(layer, "call", lambda given: right(calls(dict(given))))
            return logits

    monkeypatch.setitem(forms.FORMS, "layers", Planted)
    ((_, found),) = certify(checkpoint(folder), ["reference"], PROMPTS, 24)
    unexplained = [one for one in found if not one.explained]
    assert unexplained
    located = {(one.layer, one.step) for one in unexplained if one.position > 0}
    assert located == {(LAYER, step)}


@pytest.fixture
def words(folder: Path, tmp_path: Path) -> tuple[str, ...]:
    """A command whose text lies in the folder of the test."""
    (tmp_path / "text").write_text("a text of small letters, " * 40)
    of = ("certify", "--model", str(folder), "--backend", "reference", "--text", "text", "--prompts", "2")
    return (*of, "--prompt-tokens", "5")


def test_the_command_says_it_for_each_backend_and_keeps_it(words: tuple[str, ...], tmp_path: Path) -> None:
    done = oneblock_here(*words, "--tokens", "4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "reference, float32: the same tokens as float64, at 8 positions behind 2 prompts\n"
    (told,) = json.loads(oneblock_here(*words, "--tokens", "4", "--json", cwd=tmp_path).stdout)
    assert (told["positions"], told["divergences"], told["prompts"]["text"]) == (8, [], "text")
    ((path, kept),), problems = certificates([tmp_path / "records"])
    assert problems == []
    assert adapter(type(kept)).dump_python(kept, mode="json") == told
    assert len(list(path.parent.iterdir())) == 2, "append-only"
    verdict = "reference, float32: the same tokens as float64, at 8 positions behind 2 prompts\n"
    assert oneblock_here("show", kept.name, cwd=tmp_path).stdout == verdict
    assert oneblock_here("show", cwd=tmp_path).stdout.endswith(f"{kept.name}: {verdict}")
    assert json.loads(oneblock_here("show", "certify", "--json", cwd=tmp_path).stdout) == told
    assert "is a certificate of tokens" in oneblock_here("show", "certify", "--stats", cwd=tmp_path).stderr
    (offered,) = completed("show", "-o", str(tmp_path / "records"), "cert")
    assert offered == kept.name


def test_a_text_that_is_too_short_is_refused_before_anything_is_computed(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    done = oneblock_here(*words[:-2], "--prompt-tokens", "900", cwd=tmp_path)
    assert done.returncode == 2
    assert "expected a text of 2 times 900 tokens" in done.stderr


def test_a_certificate_is_made_again_from_itself(words: tuple[str, ...], tmp_path: Path) -> None:
    """Tokens that are not those of the record, and a text or weights that are not the record's, are all seen."""
    assert oneblock_here(*words, "--tokens", "12", "--dtype", "bfloat16", cwd=tmp_path).returncode == 0
    again = ("reproduce", "certify reference bfloat16")
    done = oneblock_here(*again, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "agrees with the certificate of" in done.stdout
    ((path, kept),), _ = certificates([tmp_path / "records"])
    there = {(one.prompt, one.position) for one in kept.divergences}
    free = next(p for p in range(12) if (0, p) not in there)
    wrong = replace(kept, divergences=(*kept.divergences, Divergence(0, free, 1, 2, 0.1, 0.2)))
    other = add(tmp_path / "records", wrong)
    done = oneblock_here("reproduce", str(other), "--json", cwd=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["differs"] == [
        f"prompt 0, token {free}: 2 for 1, explained then, the same token now"
    ]
    (tmp_path / "text").write_text("another text of small letters, " * 40)
    done = oneblock_here("reproduce", str(path), cwd=tmp_path)
    assert done.returncode == 2
    assert "text: another text than the certificate's: expected SHA-256" in done.stderr


def test_what_is_done_is_kept_where_the_rest_is_interrupted(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Decoder.__init__

    def interrupted(self: Decoder, checkpoint: Checkpoint, backend: str) -> None:
        if backend == "torch_eager":
            raise KeyboardInterrupt
        made(self, checkpoint, backend)

    monkeypatch.setattr(Decoder, "__init__", interrupted)
    done = oneblock_here(*words, "--backend", "torch_eager", "--tokens", "4", cwd=tmp_path)
    assert done.returncode == 130
    assert [one.backend for _, one in certificates([tmp_path / "records"])[0]] == ["reference"]
