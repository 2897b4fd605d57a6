"""Products of a whole model's layers, their loops in the order of memory: the same numbers, and cells as they were."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tvm")

from oneblock.backends._relax.executable import RelaxExecutable
from oneblock.backends._relax.ops import trace
from oneblock.compilers.tvm import lowering
from oneblock.compilers.tvm.loops import in_order_of_memory
from oneblock.workloads import mlp
from oneblock.workloads._workload import Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.models import Config
from oneblock.workloads.ops.definitions import STEPS
from oneblock.workloads.ops.numpy_ops import NumpyOps
from tests.helpers.cases import TINY, TINY_GPT2, case


@pytest.mark.parametrize(("config", "dtype"), [(TINY, "bfloat16"), (TINY_GPT2, "float32")], ids=lambda one: str(one))
def test_a_layer_has_the_numbers_of_the_text_and_a_cell_is_as_tvm_leaves_it(config: Config, dtype: str) -> None:
    workload, c = mlp.WORKLOAD, case("mlp", config=config, phase=Phase.PREFILL)
    given = make_inputs(workload, c, dtype, 1) | make_weights(workload, c, dtype, 0)
    traced, outputs = trace(workload, c, given, native=False)
    fused = lowering.fuse(traced, lowering.cpu_target(1), STEPS)
    scheduled = in_order_of_memory(fused.module)
    texts = [str(module) for module in (lowering.schedule(fused), scheduled)]
    products = 3 if config.gated else 2
    assert [text.count("T.parallel") for text in texts] == [0, products]
    made = RelaxExecutable(lowering.build(scheduled, fused.target), None, list(given), outputs)
    got = made.get(made.call(made.put(given)))["y"].astype(np.float64)
    right = workload.program(NumpyOps(), c, {name: array.astype(np.float64) for name, array in given.items()})["y"]
    assert np.abs(got - right).max() <= (1e-5 if dtype == "float32" else 3e-2) * np.abs(right).max()
