"""A page of the study: the source that TVM's `trn` target emits, under a label that says what it is worth."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from oneblock.bench.format.text import plain
from oneblock.bench.records.files import write_asked
from oneblock.compilers.api.export import TrnSource

LABEL = "obsolete dialect (neuronxcc.nki, rejected by Neuron SDK 2.30 and later), source emission only, not runnable"
_PARTITIONS = 128  # of SBUF and of PSUM, whose first axis, or the one that par_dim marks, may not be longer


def write(found: TrnSource, directory: Path) -> Path:
    """Write the page to a folder; its path."""
    path = directory / "tvm-trn.html"
    write_asked(path, render(found).encode(errors="replace"), "-o")
    return path


def render(found: TrnSource) -> str:
    """The page. Every text of TVM's is escaped."""
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, finalize=plain)
    template = page.from_string(
        Path(__file__).parent.parent.joinpath("report", "assets", "tvm_trn.html").read_text(encoding="utf-8")
    )
    return template.render(
        label=LABEL, found=found, wrong=illegal(found.source), laid_out_wrong=illegal(found.laid_out)
    )


def illegal(source: str) -> list[str]:
    """The allocations of a source that have more partitions than there are."""
    lines = [line.strip() for line in source.splitlines() if "nl.ndarray(shape=[" in line]
    return [line for line in lines if _partitions(line) > _PARTITIONS]


def _partitions(line: str) -> int:
    marked = re.search(r"nl\.par_dim\((\d+)\)", line) or re.search(r"shape=\[(\d+)", line)
    return int(marked[1]) if marked else 0
