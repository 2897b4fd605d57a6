"""XLA through JAX: jaxpr, StableHLO and HLO, what they come to, and a count of what was compiled."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax._src.hardware_utils import num_available_tpu_chips_and_device_id

from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.stages import Artifact, Capture, Detail, Lowering, Stage
from oneblock.compilers.hlo import counts as _hlo_facts
from oneblock.compilers.hlo import parser as _hlo
from oneblock.compilers.xla import dump as _dump_job
from oneblock.compilers.xla import errors as _xla_errors
from oneblock.compilers.xla import tpu_env as _libtpu
from oneblock.compilers.xla import xprof as _xprof

_SCOPE = re.compile(r" +# \[([^#]*)\]$")
_COMPILE_EVENT = "/jax/core/compile/backend_compile_duration"
_seen: list[str] = []

# Source files as "workloads/ops/definitions.py", wherever oneblock is installed, so that a program gives one text.
_ROOT = re.escape(str(Path(__file__).parent.parent.parent)) + "/"
jax.config.update("jax_hlo_source_file_canonicalization_regex", f"^(?:{_ROOT}|.*/)")


def tpu_chips_here() -> int:
    """How many TPU chips this machine has, by its PCI devices, as JAX looks for them."""
    return int(num_available_tpu_chips_and_device_id()[0])


if not tpu_chips_here():
    _libtpu.compile_only()  # before libtpu is loaded: if it is installed, JAX does as soon as it looks for devices


def _count(event: str, duration_s: float, **_: Any) -> None:
    if event == _COMPILE_EVENT:
        _seen.append(event)


jax.monitoring.register_event_duration_secs_listener(_count)


def compilations() -> int:
    """How many programs XLA has compiled in this process since this module was loaded."""
    return len(_seen)


Place = Callable[[str, tuple[int, ...]], jax.sharding.Sharding]  # of an array by its name and shape


def on(device: Any) -> Place:
    """Everything on one device."""
    where = jax.sharding.SingleDeviceSharding(device)
    return lambda name, shape: where


def over(
    devices: Sequence[Any], axes: Mapping[str, int], split: Callable[[str, tuple[int, ...]], tuple[str | None, ...]]
) -> Place:
    """Arrays split over a mesh with these axes; the devices of a torus are arranged along its links."""
    from jax.experimental import mesh_utils

    shape = tuple(axes.values())
    if devices[0].platform == "tpu":
        grid = mesh_utils.create_device_mesh(shape, devices=devices, allow_split_physical_axes=True)
    else:
        grid = np.array(devices).reshape(shape)
    mesh = jax.sharding.Mesh(grid, tuple(axes))

    def place(name: str, array: tuple[int, ...]) -> jax.sharding.Sharding:
        return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*split(name, array)))

    return place


def named(program: Callable[..., Any], ops: Any, case: Any, name: str) -> Callable[..., Any]:
    """A workload's program as a function of its arrays alone, whose name the compiler's texts carry."""
    function = partial(program, ops, case)
    function.__name__ = name  # type: ignore[attr-defined]
    return function


def precision(shapes: Mapping[str, tuple[tuple[int, ...], Any]]) -> AbstractContextManager[Any]:
    """The precision of products, for arrays of these (shape, dtype).

    Where it is not said, a TPU multiplies float32 in bfloat16 and an Ampere GPU in TF32: that is not float32. A
    product of 16 bits has but one precision, and Mosaic refuses to be told of another.
    """
    float32 = any(np.dtype(dtype) == np.float32 for _, dtype in shapes.values())
    return jax.default_matmul_precision("highest" if float32 else "default")  # type: ignore[no-any-return]


def lower(
    program: Callable[..., Any], shapes: Mapping[str, tuple[tuple[int, ...], Any]], place: Place,
    state: Collection[str] = (),
) -> tuple[jax.stages.Lowered, Artifact]:  # fmt: skip
    """(a function of named arrays lowered for its (shape, dtype) and place by name, its jaxpr).

    What is compiled of it takes two mappings: the arrays but those of the state, and the state, whose memory is the
    outputs' of the same names.
    """
    specs = {
        name: jax.ShapeDtypeStruct(shape, dtype, sharding=place(name, shape)) for name, (shape, dtype) in shapes.items()
    }

    single = len({device for spec in specs.values() for device in spec.sharding.device_set}) == 1

    def function(a: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
        out: dict[str, Any] = program({**a, **state})
        if single:
            return out
        return {name: jax.lax.with_sharding_constraint(x, place(name, x.shape)) for name, x in out.items()}

    function.__name__ = program.__name__
    with precision(shapes):
        traced = jax.jit(function, donate_argnames="state").trace(*divided(specs, state))
        return traced.lower(), Artifact(Stage.GRAPH, "jaxpr", _with_scopes(traced.jaxpr))


def divided(arrays: Mapping[str, Any], state: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(all but those of the state, those of the state) by name."""
    return (
        {name: a for name, a in arrays.items() if name not in state},
        {name: a for name, a in arrays.items() if name in state},
    )


def _with_scopes(jaxpr: Any) -> str:
    """A jaxpr as JAX prints it, with the scope of each equation behind it: "# [attention]"; nothing where it has none.

    The scopes inside a jaxpr are relative to the equation that holds it. JAX sets them all behind the longest line,
    which has thousands of characters where there is a Pallas kernel.
    """
    parts = (_SCOPE.split(line) for line in str(jaxpr.pretty_print(name_stack=True)).splitlines())
    return "\n".join(f"{code.rstrip():80} # [{scope[0]}]" if any(scope) else code.rstrip() for code, *scope in parts)


def inputs(lowered: jax.stages.Lowered) -> tuple[Artifact, Artifact]:
    """What the compiler is given: StableHLO with the names of steps, and HLO before its passes."""
    return (
        Artifact(Stage.LOWERED, "stablehlo", str(lowered.as_text(debug_info=True))),
        Artifact(Stage.LOWERED, "hlo-before", str(lowered.as_text(dialect="hlo", debug_info=True))),
    )


def compile_and_capture(
    lowered: jax.stages.Lowered, graph: Artifact, steps: Sequence[str]
) -> tuple[jax.stages.Compiled, Capture]:
    """Compile for the device of this machine that the program was lowered for; stages and facts when asked for."""
    before = inputs(lowered)
    with _xla_errors.typed(before[1].text):
        compiled = lowered.compile()

    def capture(detail: Detail) -> Lowering:
        text = compiled.as_text() or ""
        on_cpu = next(iter(jax.tree.leaves(compiled.input_shardings)[0].device_set)).platform == "cpu"
        dumped = _dump_job.XlaDump()
        if on_cpu and detail is not Detail.BRIEF:
            dumped = _dump_job.dump_cpu(before[0].text, everything=detail is Detail.ALL)
        final = Artifact(Stage.OPTIMIZED, "hlo", text)
        stages = (graph, *before, *dumped.passes, final, *dumped.machine)
        counts = _hlo_facts.count(_hlo.parse(text), steps)
        return Lowering(stages, facts(counts, compiled.cost_analysis(), compiled.memory_analysis(), dumped.caveats))

    return compiled, capture


def own_costs(costs: Any) -> dict[str, float]:
    """A cost analysis as one mapping: JAX gives that, XLA's executable a list of one, XLA:GPU nothing."""
    return (costs[0] if isinstance(costs, list) else costs) or {}


def facts(counts: _hlo_facts.Counts, costs: Any, memory: Any, caveats: tuple[str, ...]) -> Facts:
    """The counts of a module with what the compiler's own analyses say beside them; None where it has none.

    An output that is in an argument's memory is counted there.
    """
    output, aliased = (getattr(memory, f"{of}_size_in_bytes", None) for of in ("output", "alias"))
    return Facts(
        flops=counts.flops,
        compiler_flops=own_costs(costs).get("flops"),
        hbm_bytes=counts.hbm_bytes,
        traffic=counts.traffic,
        scratch_bytes=getattr(memory, "temp_size_in_bytes", None),
        argument_bytes=getattr(memory, "argument_size_in_bytes", None),
        output_bytes=None if output is None else output - (aliased or 0),
        code_bytes=getattr(memory, "generated_code_size_in_bytes", None),
        operations=counts.operations,
        fusions=counts.fusions,
        custom_calls=counts.custom_calls,
        attributed=counts.attributed,
        attributed_by_name=counts.attributed_by_name,
        steps=counts.steps,
        collectives=counts.collectives,
        caveats=(*counts.caveats, *caveats),
    )


def device_seconds(run: Callable[[], None], program: str, runs: int) -> list[float]:
    """The time on the TPU of each of the `runs` of a program that `run` makes; RuntimeError if XProf saw others."""
    with tempfile.TemporaryDirectory(prefix="oneblock-xla-xprof-") as folder:
        with jax.profiler.trace(folder):
            run()
        profiles = [jax.profiler.ProfileData.from_file(str(path)) for path in Path(folder).rglob("*.xplane.pb")]
        found = [s for profile in profiles for s in _xprof.module_seconds(profile.planes, program)]
    if len(found) != runs:
        raise RuntimeError(f"expected {runs} runs of {program} in XProf's profile of the TPU, got {len(found)}")
    return found


def compile_stablehlo(text: str, device: Any) -> Any:
    """A StableHLO module of any origin, compiled for one device, here or of a topology: XLA's own executable."""
    from jax._src import compiler
    from jax._src.interpreters import mlir
    from jax._src.lib import xla_client
    from jax._src.lib.mlir import ir

    with mlir.make_ir_context():
        module = ir.Module.parse(text)
        if "sym_name" not in module.operation.attributes:
            module.operation.attributes["sym_name"] = ir.StringAttr.get("main")
        assignment = np.array([[device.id]])
        options = compiler.get_compile_options(num_replicas=1, num_partitions=1, device_assignment=assignment)
        return compiler.backend_compile_and_load(device.client, module, xla_client.DeviceList((device,)), options, [])


def hlo_of(stablehlo: str) -> str:
    """The HLO that XLA makes of a StableHLO module before its passes, with the names of steps."""
    from jax._src.lib import _jax

    computation = _jax.mlir.mlir_module_to_xla_computation(stablehlo, use_tuple_args=False, return_tuple=False)
    return str(computation.get_hlo_module().to_string())
