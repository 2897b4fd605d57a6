"""Asks compilers for operators: OUT CHIP NARROW OPERATOR...; or tries a learner's `logcumsumexp`: OUT FILE."""

from __future__ import annotations

import json
import os
import re
import runpy
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oneblock import backends
from oneblock.backends.api.backend import Unavailable
from oneblock.backends.api.target import Target
from oneblock.compilers.api.export import Mark
from oneblock.compilers.chips.topology import topology
from oneblock.compilers.hlo.parser import parse
from oneblock.compilers.neuron.operators import operators

OPERATORS = Path(__file__).with_name("operators.py")
SIDE = 64
MOST = 1e-4
SHOWN = 160


def main(out: str, *words: str) -> None:
    """Write what is told as JSON."""
    warnings.simplefilter("ignore")  # what exporters deprecate is not the lesson
    told = _tried(words[0]) if len(words) == 1 else _probed(words[0], words[1], words[2:])
    Path(out).write_text(json.dumps(told), encoding="utf-8")


def _probed(chip: str, narrow: str, names: tuple[str, ...]) -> dict[str, Any]:
    told: dict[str, Any] = {"absent": {}}
    for part, target, asked in (
        ("jax_xla", "cpu", lambda: _by_xla(names, narrow, None)),
        ("xla_tpu", f"tpu:{chip}", lambda: _by_xla(names, narrow, chip)),
        ("neuron_list", "cpu", lambda: _by_list(names)),
        ("tvm_relax", "cpu", lambda: _by_tvm(names)),
        ("stablehlo", "cpu", lambda: _by_tvm_from_jax(names)),
    ):
        for needed in {"neuron_list": ["jax_xla"], "stablehlo": ["jax_xla", "tvm_relax"]}.get(part, [part]):
            try:
                backends.ours(needed).probe(Target.parse(target))
            except Unavailable as error:
                told["absent"][part] = f"{error}; {error.hint}"
        if part not in told["absent"]:
            told[part] = asked()
    return told


def _asked(ask: Callable[..., Any], *of: Any) -> tuple[str | None, Any]:
    """(what a compiler said that did not take it, in a line; what it made where it did): one of them is None."""
    try:
        return None, ask(*of)
    except Exception as error:  # noqa: BLE001  a compiler refuses in any way: what it says is kept
        return f"{type(error).__name__}: {' '.join(str(error).split())}"[:SHOWN], None


def _by_xla(names: tuple[str, ...], narrow: str, chip: str | None) -> dict[str, Any]:
    """Of each operator a refusal, or the routines that it is handed to; and of a product of two narrow matrices."""
    import jax
    import jax.numpy as jnp

    place = None
    if chip is not None:
        from oneblock.compilers.xla.tpu import devices

        place = jax.sharding.SingleDeviceSharding(devices(topology(chip, None))[0])
    functions, made = runpy.run_path(str(OPERATORS))["in_jax"](), {}

    def compiled(function: Any, many: int, dtype: str) -> str:
        array = jax.ShapeDtypeStruct((SIDE, SIDE), dtype, sharding=place)
        return str(jax.jit(function).lower(*[array] * many).compile().as_text())

    for name in names:
        refused, text = _asked(compiled, functions[name], 1, "float32")
        calls = sorted(set(re.findall(r'custom_call_target="([^"]+)"', text or "")))
        made[name] = {"refused": refused, "custom_calls": calls}
    product, _ = _asked(compiled, lambda a, b: jnp.dot(a, b, preferred_element_type=jnp.float32), 2, narrow)
    return {"operators": made, "product": {"dtype": narrow, "refused": product}}


def _lowered(name: str) -> Any:
    import jax

    function = runpy.run_path(str(OPERATORS))["in_jax"]()[name]
    return jax.jit(function).lower(jax.ShapeDtypeStruct((SIDE, SIDE), "float32"))


def _by_list(names: tuple[str, ...]) -> dict[str, Any]:
    """Opcodes of each operator's HLO that Neuron's list does not have; a call is no work, and left out."""
    listed = operators()
    made = {}
    for name in names:
        module = parse(_lowered(name).compiler_ir("hlo").as_hlo_text())
        opcodes = {one.opcode for part in module.computations.values() for one in part.instructions} - {"call"}
        made[name] = sorted(one for one in opcodes if listed.mark(one)[0] is Mark.NOT_LISTED)
    return {"title": listed.title, "not_listed": made}


def _by_tvm(names: tuple[str, ...]) -> dict[str, str | None]:
    """What TVM's importer says of each as PyTorch exports it."""
    functions = runpy.run_path(str(OPERATORS))["in_torch"]()
    return {name: _asked(_imported, functions[name])[0] for name in names}


def _imported(function: Any) -> Any:
    import torch
    from tvm.relax.frontend.torch import from_exported_program

    class Module(torch.nn.Module):  # type: ignore[misc]  # torch's types are skipped
        def forward(self, x: Any) -> Any:
            return function(x)

    return from_exported_program(torch.export.export(Module(), (torch.rand(SIDE, SIDE),)))


def _by_tvm_from_jax(names: tuple[str, ...]) -> dict[str, str | None]:
    """What TVM's other importer says of the StableHLO that XLA takes."""
    from tvm.relax.frontend.stablehlo import from_stablehlo

    return {name: _asked(from_stablehlo, _lowered(name).as_text())[0] for name in names}


def _tried(path: str) -> dict[str, str]:
    """Whether a learner's function is right, stays finite, and is imported; as a word."""
    import torch

    function = runpy.run_path(path)["logcumsumexp"]
    torch.manual_seed(0)
    for size, word in ((1.0, "differs"), (80.0, "overflows")):
        x = size * torch.rand(SIDE, SIDE) + 2 * (size - 1)
        exact, answer = torch.logcumsumexp(x.double(), -1), torch.as_tensor(function(x)).double()
        if answer.shape != exact.shape or not bool((answer - exact).abs().max() <= MOST * exact.abs().max()):
            return {"word": word}
    said, _ = _asked(_imported, function)
    return {"word": "refused", "said": said} if said else {"word": "taken"}


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    main(*sys.argv[1:])
