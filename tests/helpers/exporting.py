"""Programs exported in this process: what `oneblock export` does in workers, without their start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.record import Status
from oneblock.bench.records.store import to_json
from oneblock.bench.runs.export import manifest
from oneblock.bench.worker import export_job, reference_job
from oneblock.bench.worker.export_job import ExportJob
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.reference_job import ReferenceJob
from oneblock.compilers.api.export import Form
from tests.conftest import load
from tests.helpers.handed_over import HandedOver

WRITERS = {Form.STABLEHLO: "jax_xla", Form.TORCH: "torch_eager", Form.ONNX: "torch_eager"}


def do(cell: Cell, form: Form, folder: Path) -> Outcome[Any]:
    """The outcome of exporting a cell's program to a folder, its files of the stem "it"; a skip without its backend."""
    load(cell.backend)
    with pytest.MonkeyPatch.context() as patched:
        for module in (export_job, reference_job):
            patched.setattr(module, "emit", lambda event: None)
        reference = str(folder / "reference.npz")
        assert ReferenceJob(cell, reference, 2).do().status is Status.PASSED
        return ExportJob(cell, form, reference, str(folder), "it").do()


def handed_over(cell: Cell, form: Form, folder: Path) -> HandedOver:
    """The program as its reader finds it."""
    outcome = do(cell, form, folder)
    assert outcome.status is Status.PASSED, outcome.reason
    path = folder / f"it.{form}.json"
    path.write_bytes(to_json(manifest(cell, form, "it", outcome.result)))
    return HandedOver(path)
