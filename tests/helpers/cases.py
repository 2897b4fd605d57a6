"""Cases that the tests share: every workload and phase, in both families, small enough for a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from oneblock import workloads
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import PRESETS, Config, Latent

TINY = PRESETS["tiny"]
TINY_GPT2 = replace(PRESETS["gpt2"], name="tiny-gpt2", width=48, heads=3, kv_heads=3, head_width=16, ffn_width=96)
TINY_QWEN2 = replace(TINY, name="tiny-qwen2", family="qwen2", qkv_bias=True)
RAGGED = replace(TINY, name="ragged", width=40, heads=6, kv_heads=3, head_width=10, ffn_width=52)
# All that a configuration may have, small: no model has all of it, and each property is one's of ours.
TINY_GEMMA = replace(
    TINY, name="tiny-gemma", family="gemma3", activation="gelu", norms="both", qk_norm="head", window=12, soft_cap=5.0,
    score_scale=0.3,
)  # fmt: skip
TINY_NEOX = replace(
    TINY_GPT2, name="tiny-neox", family="gpt_neox", activation="gelu_erf", rope_theta=10_000.0, rotary_width=8,
    parallel=True,
)  # fmt: skip
TINY_MIXTRAL = replace(
    TINY, name="tiny-mixtral", family="mixtral", experts=5, experts_per_token=2, ffn_width=64, window=9
)
# Latent attention of both sorts, with queries' latent and without, and experts in groups beside a shared part.
TINY_DEEPSEEK = replace(
    TINY, name="tiny-deepseek", family="deepseek_v2", kv_heads=4, head_width=24, ffn_width=32, experts=8,
    experts_per_token=3, renormalised=False, expert_scale=2.5, expert_groups=4, groups_per_token=2, shared_width=64,
    latent=Latent(32, 8, 20, 48),
)  # fmt: skip
TINY_LITE = replace(TINY, name="tiny-lite", family="deepseek_v2", kv_heads=4, latent=Latent(24, 8, 12))
TINY_OLMO = replace(TINY, name="tiny-olmo", family="olmo2", norms="after", qk_norm="whole")


def case(workload: str = "block", config: Config = TINY, phase: Phase = Phase.PREFILL, B: int = 1, n: int = 33) -> Case:
    """n tokens in prefill, n cache slots in decode."""
    return Case(workload, config, phase, B, 1 if phase is Phase.DECODE else n, n)


ALL = [
    case(name, config, phase)
    for name in workloads.names()
    for phase in workloads.load(name).phases
    for config in (TINY, TINY_GPT2)
]
OTHERS = [
    case(config=config, phase=phase)
    for config in (TINY_GEMMA, TINY_NEOX, TINY_OLMO, TINY_MIXTRAL, TINY_DEEPSEEK, TINY_LITE)
    for phase in Phase
]


def steps_of(of: Case) -> list[str]:
    """The steps of a case's program, in their order: those that it counts the cost of."""
    return [cost.step for cost in workloads.load(of.workload).costs(of, 4)]


def name(value: object) -> str | None:
    """For pytest's ids."""
    return f"{value.workload}-{value.config.name}-{value.phase}" if isinstance(value, Case) else None


def cover(of: Mapping[Any, Set[Any]], first: Sequence[Any] = ()) -> list[Any]:
    """Few of the keys whose sets have together what all sets have: after `first`, again and again what adds most."""
    found = list(first)
    left: set[Any] = set().union(*of.values()).difference(*(of[key] for key in found))
    while left:
        found.append(max(of, key=lambda key: len(of[key] & left)))
        left -= of[found[-1]]
    return found
