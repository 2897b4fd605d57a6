"""Configurations have properties: each does what it says alone, and what no operation does is refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oneblock import workloads
from oneblock.workloads import models
from oneblock.workloads._workload import Phase
from oneblock.workloads.models import FAMILIES, PRESETS, Config
from tests.helpers.cases import TINY, TINY_GPT2, TINY_QWEN2, case


def arrays(config: Config) -> set[str]:
    return set(workloads.load("block").specs(case(config=config)))


def flops(config: Config, step: str) -> int:
    (cost,) = (cost for cost in workloads.load("block").costs(case(config=config), 4) if cost.step == step)
    return cost.flops


def test_the_directory_is_the_list_of_families_and_each_holds_what_it_says() -> None:
    files = {path.stem for path in Path(models.__file__).parent.glob("[!_]*.py")}
    assert FAMILIES.keys() == files == {family.name for family in FAMILIES.values()}
    for name, family in FAMILIES.items():
        assert {config.family for config in family.presets} <= {name}
        for config in family.presets:
            weights = {array.rpartition("_")[0] for array in arrays(config) if array.endswith("_weight")}
            assert weights == family.tensors.parts.keys(), (
                "every weight has a name in its checkpoints, and nothing else"
            )
    assert [*PRESETS] == ["tiny", "gpt2", "qwen2-0.5b", "llama-1b", "llama-8b"]


@pytest.mark.parametrize(
    ("changed", "more", "fewer"),
    [
        ({"qkv_bias": True}, {"q_bias", "k_bias", "v_bias"}, set()),
        ({"proj_bias": True}, {"proj_bias"}, set()),
        ({"mlp_bias": True}, {"up_bias", "gate_bias", "down_bias"}, set()),
        ({"norm": "layer_norm"}, {"norm1_bias", "norm2_bias"}, set()),
        ({"activation": "gelu", "gated": False}, set(), {"gate_weight"}),
        ({"rope_theta": None}, set(), {"rope_cos", "rope_sin"}),
        ({"qk_norm": "head"}, {"q_norm_weight", "k_norm_weight"}, set()),
        (
            {"experts": 4, "experts_per_token": 2},
            {"router_weight", "expert_gate_weight", "expert_up_weight", "expert_down_weight"},
            {"gate_weight", "up_weight", "down_weight"},
        ),
        ({"norms": "both"}, {"post_norm1_weight", "post_norm2_weight"}, set()),
        ({"norms": "after"}, {"post_norm1_weight", "post_norm2_weight"}, {"norm1_weight", "norm2_weight"}),
        ({"parallel": True, "window": 4, "soft_cap": 5.0, "score_scale": 0.1, "rotary_width": 8}, set(), set()),
    ],
)
def test_a_property_changes_its_own_arrays_and_no_others(
    changed: dict[str, Any], more: set[str], fewer: set[str]
) -> None:
    before, after = arrays(TINY), arrays(replace(TINY, **changed))
    assert (after - before, before - after) == (more, fewer)


def test_a_property_costs_what_it_computes() -> None:
    rows = case().B * case().T
    with_bias = replace(TINY, mlp_bias=True)
    assert flops(with_bias, "mlp") - flops(TINY, "mlp") == rows * (2 * TINY.ffn_width + TINY.width)
    heads = TINY.heads + 2 * TINY.kv_heads
    assert flops(TINY_QWEN2, "qkv") - flops(TINY, "qkv") == rows * heads * TINY.head_width
    assert flops(TINY_QWEN2, "proj") == flops(TINY, "proj")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"norm": "rmsnorm"}, "did you mean 'rms_norm'"),
        (
            {"activation": "gelu_erf"},
            "expected one of activation=silu gated=True, .* got activation=gelu_erf gated=True",
        ),
        ({"experts": 4}, "experts=4 experts_per_token=None"),
        ({"experts": 4, "experts_per_token": 5}, "experts=4 experts_per_token=5"),
        ({"experts": 4, "experts_per_token": 2, "activation": "gelu"}, "expected experts of SwiGLU"),
        ({"rotary_width": 7}, "rotary_width must be even, got 7"),
        ({"rotary_width": 18}, "rotary_width of at most head_width=16, got 18"),
        ({"window": 0}, "expected a whole number from 1 or None, got 0"),
        ({"norms": "around"}, "unknown norms of tiny: 'around'"),
        ({"gated": False}, "got activation=silu gated=False, which no operation does"),
        ({"activation": "relu", "gated": False}, "unknown activation of tiny: 'relu'"),
    ],
)
def test_what_is_not_modelled_is_refused_by_name(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(TINY, **changed)


def test_a_family_decides_nothing_but_the_names_in_a_checkpoint() -> None:
    for other in FAMILIES:
        for config in (TINY, TINY_GPT2, TINY_QWEN2):
            assert arrays(replace(config, family=other)) == arrays(config)


def test_every_array_says_how_it_splits_and_halves_end_in_one_sum() -> None:
    specs = workloads.load("block").specs(
        case(config=replace(TINY_QWEN2, proj_bias=True, mlp_bias=True), phase=Phase.DECODE)
    )
    assert all(len(spec.split) in (0, len(spec.shape)) for spec in specs.values())
    along = {name: spec.split.index("tp") for name, spec in specs.items() if "tp" in spec.split}
    assert along == {
        "q_weight": 1, "k_weight": 1, "v_weight": 1, "up_weight": 1, "gate_weight": 1, "q_bias": 0, "k_bias": 0,
        "v_bias": 0, "up_bias": 0, "gate_bias": 0, "proj_weight": 0, "down_weight": 0, "k_cache": 1, "v_cache": 1,
    }  # fmt: skip
    assert {name for name, spec in specs.items() if "dp" in spec.split} == {"x", "k_cache", "v_cache"}
    projections = {name for name, spec in specs.items() if spec.projection}
    assert projections == {f"{part}_weight" for part in ("q", "k", "v", "proj", "up", "gate", "down")}


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("width", 32.0, "expected a whole number, got 32.0"),
        ("heads", True, "expected a whole number, got True"),
        ("kv_heads", 0, "expected at least 1, got 0"),
        ("norm_eps", float("nan"), "expected a positive number, got nan"),
        ("norm_eps", "1e-5", "expected a positive number, got '1e-5'"),
        ("rope_theta", -1e4, "expected a positive number or None, got -10000.0"),
        ("rope_theta", float("inf"), "expected a positive number or None, got inf"),
        ("gated", 1, "expected True or False, got 1"),
        ("qkv_bias", "no", "expected True or False, got 'no'"),
        ("name", "a\nb", "expected a word"),
        ("family", "", "expected a word, got ''"),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_field(field: str, value: Any, why: str) -> None:
    with pytest.raises(ValueError, match=f"{field} of ") as caught:
        replace(TINY, **{field: value})
    assert why in str(caught.value)
