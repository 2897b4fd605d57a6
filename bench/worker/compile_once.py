"""A program that compiles one cell, and prints the seconds of that alone: `python -m ... CELL`, a cell as JSON.

It is started anew for each time, so that nothing compiled before helps.
"""

from __future__ import annotations

import json
import resource
import sys
from time import perf_counter, process_time

from oneblock import backends, workloads
from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.reading import adapter
from oneblock.bench.worker.admit import admit
from oneblock.bench.worker.measure_job import compile_cell
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.process import die_with_parent
from oneblock.workloads.answers.arrays import abstract_arrays


def main(text: str) -> None:
    """Print {case: {clock: seconds}} as the last line; the processor's are of this process and those that it ran."""
    cell: Cell = adapter(Cell).validate_json(text)
    backend = backends.load(cell.backend)
    admit(backend, cell.target, cell.ops_set, cell.dtype)
    only_compiled = backend.probe(cell.target).kind is Kind.COMPILED
    workload = workloads.load(cell.case.workload)
    arrays = (
        abstract_arrays(workload, cell.case, cell.dtype)
        if only_compiled
        else {**cell.weight_arrays(workload), **cell.input_arrays(workload)}
    )
    start, used = perf_counter(), process_time() + of_children()
    compile_cell(cell, backend, workload, arrays)
    seconds = {"wall": perf_counter() - start, "processor": process_time() + of_children() - used}
    print(json.dumps({cell.name: seconds}))


def of_children() -> float:
    """Seconds of a processor that ended children had, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    die_with_parent()
    main(sys.argv[1])
