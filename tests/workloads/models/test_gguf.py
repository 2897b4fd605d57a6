"""Every family from a GGUF file in llama.cpp's layout, against transformers' own layers in float64."""

from __future__ import annotations

from dataclasses import asdict
from types import ModuleType
from typing import Any

import pytest

from oneblock.workloads.gguf.config import ARCHITECTURES
from oneblock.workloads.models import Config, read_model
from tests.workloads.models.test_families import EXPERTS, LLAMA, MODELS, distance, ours

# What a GGUF file does not say is as llama.cpp computes: Gemma's scores are scaled by D, experts' weights sum to 1.
SAID = {
    "gemma2": LLAMA | {"sliding_window": 12, "attn_logit_softcapping": 3.0, "query_pre_attn_scalar": 16},
    "gemma3": LLAMA | {"sliding_window": 12, "num_hidden_layers": 7, "query_pre_attn_scalar": 16},
    "qwen3_moe": LLAMA | EXPERTS | {"norm_topk_prob": True},
    "mixtral": LLAMA | {"num_local_experts": 5, "num_experts_per_tok": 2, "sliding_window": None},
}
MORE = {"mistral": {"llama.attention.sliding_window": 12}}  # which its converter leaves out
UNTOLD = (
    "dynamic",
    "qwen2-windows",
    "qwen3_moe-normed",
    "qwen3_moe-windows",
)  # of which llama.cpp's format has no word
UNREAD = "deepseek_v2"  # which is not read of such files
FLOAT32 = ("llama3", "phi3-long")  # whose factors it stores in float32
CASES = {
    name: (kind, SAID.get(name, given))
    for name, (kind, given) in MODELS.items()
    if name not in UNTOLD and not name.startswith(UNREAD)
}


@pytest.fixture(scope="module", params=CASES)
def both(request: pytest.FixtureRequest, authority: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(transformers' model, its folder, the same as a GGUF file, what may be between them)."""
    pytest.importorskip("gguf")
    from tests.helpers.gguf_files import written
    from tests.helpers.transformers_models import made

    kind, given = CASES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    model = made(getattr(authority, kind)(**given))
    model.save_pretrained(folder)
    file = written(folder, tmp_path_factory.mktemp("packed") / "model.gguf", **MORE.get(request.param, {}))
    return model, folder, file, 1e-6 if request.param in FLOAT32 else 1e-10


def test_its_layers_are_transformers(both: Any) -> None:
    from tests.helpers.transformers_models import prefill

    model, _, file, within = both
    told = read_model(file)
    for layer, seen in enumerate(prefill(model, 40)):
        assert distance(ours(file.parent, layer, told.layer(layer), seen.x, {}, file.name), seen.y) <= within
    assert len(told.layers) == layer + 1


def test_its_configuration_is_that_of_its_config_json(both: Any) -> None:
    _, folder, file, within = both
    packed, whole = read_model(file), read_model(folder)
    assert (packed.vocabulary, packed.tied_head, packed.context) == (whole.vocabulary, whole.tied_head, whole.context)
    if within == 1e-10:
        assert [_own(one) for one in packed.layers] == [_own(one) for one in whole.layers]


def _own(config: Config) -> dict[str, Any]:
    return {key: value for key, value in asdict(config).items() if key not in ("name", "family")}


def test_rows_that_pair_neighbours_are_not_taken_for_halves(both: Any) -> None:
    """The check that says 1e-10 is shown what a permutation comes to that is left out, or made where there is none."""
    from oneblock.workloads.answers import naming
    from tests.helpers.transformers_models import prefill

    model, _, file, _ = both
    told, seen = read_model(file), prefill(model, 40)[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(naming, "NEIGHBOURS", tuple(set(ARCHITECTURES) - {"llama"}))
        got = ours(file.parent, 0, told.layer(0), seen.x, {}, file.name)
    assert distance(got, seen.y) > 1e-4 or told.layer(0).rope_theta is None, "without a rotation it is no change"


def test_every_architecture_is_held_to_transformers() -> None:
    pytest.importorskip("gguf")
    from tests.helpers.gguf_files import ARCHITECTURES as WRITTEN

    families = {name.partition("-")[0] for name in CASES}
    assert {one.family for one in ARCHITECTURES.values()} | {"mixtral", "mistral"} <= families
    assert set(WRITTEN.values()) == set(ARCHITECTURES)
