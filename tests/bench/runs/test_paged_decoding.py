"""A decoder over pages: the same logits as by slots, on whatever runs it, and a stale page found out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oneblock.bench.format.errors import Refused
from oneblock.bench.runs import forms
from oneblock.bench.runs.certifying import certify
from oneblock.bench.runs.decoding import Decoder
from oneblock.bench.runs.model_weights import Checkpoint
from oneblock.bench.runs.paged_decoding import PagedDecoder, Pages
from oneblock.workloads.models import read_model
from tests.conftest import load
from tests.workloads.models.test_families import MODELS, distance

PROMPTS = [np.random.default_rng(seed).integers(0, 32, n) for seed, n in enumerate((3, 16, 37))]
TOKENS = np.random.default_rng(9).integers(0, 32, (20, 3)).tolist()  # past the end of a page of each


@pytest.fixture(scope="module")
def folders(authority: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from tests.helpers.transformers_models import made

    found = {}
    for name in ("llama", "gemma2"):  # the latter sees windows of 12 in every other layer
        kind, given = MODELS[name]
        found[name] = tmp_path_factory.mktemp(name)
        made(getattr(authority, kind)(**given)).save_pretrained(found[name])
    return found


def checkpoint(folder: Path) -> Checkpoint:
    return Checkpoint(read_model(folder), folder / "model.safetensors", "float32")


def logits(decoder: Decoder) -> np.ndarray:
    return np.stack([decoder.begin(PROMPTS, len(TOKENS)), *(decoder.step(each) for each in TOKENS)])


PAGED = {
    "reference": "plain", "torch_eager": "plain", "torch_inductor": "plain", "jax_xla": "plain", "tvm_relax": "plain",
    "pallas_tpu": "kernels", "triton_kernels": "kernels",
}  # fmt: skip
LONG = {("pallas_tpu", "gemma2"), ("tvm_relax", "gemma2"), ("torch_inductor", "llama")}
EACH = [
    pytest.param(name, backend, ops_set, marks=[pytest.mark.slow] if (backend, name) in LONG else [])
    for name in ("llama", "gemma2")
    for backend, ops_set in PAGED.items()
]


@pytest.mark.parametrize(("name", "backend", "ops_set"), EACH)
def test_by_pages_is_by_slots(folders: dict[str, Path], name: str, backend: str, ops_set: str) -> None:
    load(backend)
    by_slots = logits(Decoder(checkpoint(folders[name]), "reference"))
    assert distance(logits(PagedDecoder(checkpoint(folders[name]), backend, ops_set)), by_slots) < 1e-5


def test_no_two_sequences_have_a_page() -> None:
    pages = Pages(3, 64, 9)
    for step in range(30):
        pages.reach([3 + step, 16 + step, step])
    assert pages.taken == [3, 3, 2]
    held = [int(page) for b, taken in enumerate(pages.taken) for page in pages.table[b, :taken]]
    assert sorted([*held, *pages.free]) == list(range(9))
    assert pages.rows([17, 0, 31]).tolist() == [
        16 * page + at for page, at in ((held[1], 1), (held[3], 0), (held[7], 15))
    ]


def test_a_stale_page_is_unexplained_and_found(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """From the 14th token on the first page of each sequence is the one that another had."""

    class Stale(PagedDecoder):
        def _at(self, case: Any) -> Any:
            told = super()._at(case)
            if min(self._read) >= 17:
                told["pages"][:, 0] = np.roll(told["pages"][:, 0], 1)
            return told

    monkeypatch.setitem(forms.FORMS, "pages", Stale)
    ((_, found),) = certify(checkpoint(folders["llama"]), ["reference"], PROMPTS, len(TOKENS), "pages")
    unexplained = [one for one in found if not one.explained]
    assert unexplained
    assert {(one.layer, one.step) for one in unexplained} == {(0, "attention, or behind it")}
    assert min(one.position for one in unexplained) >= 14


def test_a_text_kernel_that_sees_ends_only_is_refused_by_slots(folders: dict[str, Path]) -> None:
    with pytest.raises(Refused, match="kernels"):
        Decoder(checkpoint(folders["llama"]), "reference", "kernels")
