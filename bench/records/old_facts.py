"""Facts up to schema 5, which had a field for each sort of call, as those of 6, which have `calls`."""

from __future__ import annotations

from typing import Any

_SORTS = ("gpu_kernels", "tir_calls", "neuron_calls", "kernels")
_RENAMED = {
    "gpu_kernels": {"declared_flops": "flops", "declared_bytes": "hbm_bytes"},
    "tir_calls": {"function": "name"},
    "neuron_calls": {"kernel": "name", "dma_bytes": "hbm_bytes"},
    "kernels": {},
}
_TAGS = {"gpu_kernels": "gpu", "tir_calls": "tir", "neuron_calls": "neuron", "kernels": "tpu"}


def with_calls(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts as they stand in the JSON of a record up to schema 5, as schema 6 has them."""
    calls = [_call(sort, one) for sort in _SORTS for one in facts.get(sort, ())]
    return {name: value for name, value in facts.items() if name not in _SORTS} | {"calls": calls}


def _call(sort: str, old: dict[str, Any]) -> dict[str, Any]:
    new = {_RENAMED[sort].get(name, name): value for name, value in old.items()} | {"tag": _TAGS[sort]}
    if "steps" not in new:
        new["steps"] = [step for step in (new.pop("step") or "").split("+") if step]
    if isinstance(new.get("modelled_s"), int | float | str):  # of NKI's kernels there was one model
        new["modelled_s"] = {"timeline": new["modelled_s"]}
    return new
