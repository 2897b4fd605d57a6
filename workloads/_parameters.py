"""The parameters of a whole model: those of its blocks, and of what is around them."""

from __future__ import annotations

from collections import Counter
from functools import cache
from math import prod

from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.block import WORKLOAD
from oneblock.workloads.models import Config, Model, ModelError
from oneblock.workloads.norm import norm_specs


@cache
def of_block(config: Config) -> int:
    """How many parameters a block has; tables such as RoPE's are computed, and none."""
    specs = WORKLOAD.specs(_least(config))
    return sum(prod(spec.shape) for spec in specs.values() if not spec.is_input and spec.table is None)


def of_model(model: Model) -> dict[str, int]:
    """How many each part of a model has: all layers as they are, the norm behind them, embeddings and head.

    Embedding V*C, and as many for a head that is not tied to it; one of positions has as many rows as the model has
    positions. ModelError where a model does not say its vocabulary.
    """
    if model.vocabulary is None:
        raise ModelError(f"{model.name}: no vocab_size: expected a model that says how large its embedding is")
    last = model.layers[-1]
    embedding = model.vocabulary * last.width
    found = {
        "layers": sum(of_block(config) * many for config, many in Counter(model.layers).items()),
        "final norm": sum(prod(spec.shape) for spec in norm_specs(_least(last), "norm").values()),
        "embedding": embedding,
    }
    if model.positions is not None:
        found["positions"] = model.positions * last.width
    return found if model.tied_head else found | {"head": embedding}


def _least(config: Config) -> Case:
    return Case("block", config, Phase.PREFILL, 1, 1, 1)
