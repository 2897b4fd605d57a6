"""libtpu is asked again how much memory a device has: a program that wants too much is refused with the number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from oneblock import backends
from oneblock.backends.api.backend import Unavailable
from oneblock.backends.api.target import Target
from oneblock.compilers.chips import every
from oneblock.compilers.chips.attested import attested
from oneblock.compilers.chips.chip import Tpu
from tests.conftest import REQUIRED

try:
    backends.load("xla_tpu").probe(Target("tpu", "v5e"))
except Unavailable as error:
    if "xla_tpu" in REQUIRED:
        raise
    pytest.skip(f"xla_tpu: {error}; {error.hint}", allow_module_level=True)

import jax
from jax.experimental import pallas, topologies
from jax.experimental.pallas import tpu as pltpu

from oneblock.compilers.chips.topology import topology
from oneblock.compilers.xla import errors


@pytest.mark.parametrize("chip", every(Tpu), ids=lambda chip: chip.target)
def test_libtpu_refuses_by_the_numbers_that_it_is_said_to_attest(chip: Tpu) -> None:
    told = {one.what: one.value for one in attested(chip)}
    device = topologies.get_topology_desc(**topology(chip.architecture, None).query()).devices[0]
    on = jax.sharding.SingleDeviceSharding(device)

    def refusal(program: Any, *shape: int) -> Any:
        argument = jax.ShapeDtypeStruct(shape, np.float32, sharding=on)
        with pytest.raises(jax.errors.JaxRuntimeError) as caught:
            jax.jit(program).lower(argument).compile()
        return errors.read(str(caught.value))

    def twice(x: Any) -> Any:
        return x + 1

    def large_scratch(x: Any) -> Any:
        def kernel(x_ref: Any, y_ref: Any, scratch: Any) -> None:
            scratch[0:8, :] = x_ref[...]
            y_ref[...] = scratch[0:8, :] + 1

        made = pallas.pallas_call(kernel, out_shape=x, scratch_shapes=[pltpu.VMEM((2**20, 128), np.float32)])
        return made(x)

    hbm = refusal(twice, chip.memory_bytes.value // 2048, 1024)  # 2 x its memory, in numbers of four bytes
    assert (hbm.space, hbm.available_bytes) == ("hbm", told["usable HBM of a device"])
    vmem = refusal(large_scratch, 8, 128)
    assert (vmem.space, vmem.available_bytes) == ("vmem", told["VMEM of a core"])
