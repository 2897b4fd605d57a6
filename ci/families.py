"""Run every family of models through every backend that needs no device: what came of it is docs/families.md.

`python ci/families.py [-o RECORDS] [FAMILY]...` is `oneblock run` over all of them: a block of each family, tiny, from
a config.json that transformers wrote, in prefill and in decode. What has a record there already is not run again, so
the same command goes on after an interruption. The rows of the families asked for, by default all, are written anew.
It is an error if an answer was wrong, or if more than a tenth of the cells is unsupported.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.tiers import tier
from oneblock.bench.commands._options import bounds
from oneblock.bench.commands._progress import go
from oneblock.bench.records.record import WITHOUT_TIMES, Record, Status
from oneblock.bench.records.store import Store
from oneblock.bench.runs.run import Run
from oneblock.compilers import Detail
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import FAMILIES, Config, read_model

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "families.md"
MOST_UNSUPPORTED = 0.10
NOT_RUN = "not run"
B, LENGTH = 2, 24  # two tokens of a decode, of which a router's choice is not left open; beyond the windows of 12
_TABLE = re.compile(r"(?<=<!-- table -->\n).*(?=<!-- end -->)", re.DOTALL)
_RIGHT = (Status.PASSED, Status.DISTURBED, *WITHOUT_TIMES)  # a disturbed time is no evidence; the answer is


class Way(NamedTuple):
    """A column: a backend, its ops set, and what it runs on or compiles for."""

    backend: str
    ops_set: str
    target: str

    @property
    def title(self) -> str:
        """What stands above it."""
        return f"`{self.backend}`" if self.target == "cpu" else f"`{self.backend}` for `{self.target}`"


WAYS = (
    *(Way(name, "plain", "cpu") for name in ("reference", "torch_eager", "torch_inductor", "jax_xla", "tvm_relax")),
    Way("pallas_tpu", "kernels", "cpu"),
    Way("triton_kernels", "kernels", "cpu"),
    Way("neuron_nki", "kernels", "neuron:trn2"),
    Way("xla_tpu", "plain", "tpu:v5e"),
    Way("triton_kernels", "kernels", "cuda:sm_90"),
)


def small(family: str) -> tuple[str, dict[str, Any]]:
    """(transformers' class of its configuration, what that is given): the model that holds the family in the tests."""
    sys.path.insert(0, str(ROOT))
    models: dict[str, tuple[str, dict[str, Any]]] = importlib.import_module(
        "tests.workloads.models.test_families"
    ).MODELS
    return next(given for name, given in models.items() if name.partition("-")[0] == family)


def written(family: str, folder: Path) -> Path:
    """The folder with a config.json of a tiny model of that family, by transformers."""
    kind, given = small(family)
    model = folder / family
    getattr(importlib.import_module("transformers"), kind)(**given).save_pretrained(model)
    return model


def block_of(layers: Sequence[Config]) -> Config:
    """The block to run: the first with experts, if the model has any; else the first."""
    return next((layer for layer in layers if layer.experts), layers[0])


def cells(families: Sequence[str], folder: Path) -> Iterator[Cell]:
    """Every way of every family, in both phases."""
    for family in families:
        path = written(family, folder)
        config = block_of(read_model(path).layers)
        for phase in Phase:
            case = Case("block", config, phase, B, 1 if phase is Phase.DECODE else LENGTH, LENGTH)
            for way in WAYS:
                yield Cell(case, "float32", way.backend, way.ops_set, Target.parse(way.target), model=str(path))


def way_of(cell: Cell) -> Way:
    return Way(cell.backend, cell.ops_set, str(cell.target))


def rows(records: Sequence[Record]) -> dict[str, str]:
    """The row of each family, by its name."""
    found: dict[str, dict[Way, list[Record]]] = {}
    for record in records:
        by_way = found.setdefault(record.cell.case.config.family, {})
        by_way.setdefault(way_of(record.cell), []).append(record)
    return {
        family: _row([f"`{family}`", *(_both(by_way.get(way, [])) for way in WAYS)]) for family, by_way in found.items()
    }


def page(said: str, new: dict[str, str]) -> str:
    """A page's text with these rows; those of other families stay, and one that was never run says so."""
    (old,) = _TABLE.findall(said)
    kept = {name: f"{line}\n" for line in old.splitlines() if (name := line.split("`")[1:2][0] if "`" in line else "")}
    none = {family: _row([f"`{family}`", *(NOT_RUN for _ in WAYS)]) for family in sorted(FAMILIES)}
    found = {family: (none | kept | new)[family] for family in none}
    head = _row(["family", *(way.title for way in WAYS)]) + _row(["---"] * (1 + len(WAYS)))
    return _TABLE.sub(lambda _: head + "".join(found.values()), said)


def _row(words: Sequence[str]) -> str:
    return f"| {' | '.join(words)} |\n"


def _both(records: Sequence[Record]) -> str:
    """One word for both phases, or one for each."""
    words = dict.fromkeys(map(str, Phase), NOT_RUN) | {str(one.cell.case.phase): _word(one) for one in records}
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return "; ".join(f"{phase} {word}" for phase, word in words.items())


def _word(record: Record) -> str:
    """How a cell ended, and why where it is not right; a time that was disturbed says nothing against the answer."""
    if record.status in _RIGHT:
        return "passed" if record.status is Status.DISTURBED else str(record.status)
    return f"{record.status}: {(record.reason or 'no reason').splitlines()[0]}".replace("|", "\\|")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help="by default all")
    parser.add_argument("-o", "--records", type=Path, help="a folder of records; by default one for the time being")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="oneblock-families-") as scratch:
        asked = list(cells(args.families or sorted(FAMILIES), Path(scratch)))
        store = Store(args.records or Path(scratch, "records"))
        records = go(Run(asked, tier("smoke"), store, bounds(None, 600.0, None), detail=Detail.BRIEF), quiet=False)
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), rows(records)), encoding="utf-8")
    wrong = [record for record in records if record.status not in (*_RIGHT, Status.UNSUPPORTED, Status.UNAVAILABLE)]
    unsupported = sum(record.status is Status.UNSUPPORTED for record in records)
    print(f"{len(records)} cells: {unsupported} unsupported, {len(wrong)} wrong or broken")
    for record in wrong:
        print(f"{record.cell.name}: {record.status}: {record.reason}")
    sys.exit(bool(wrong) or unsupported > MOST_UNSUPPORTED * len(records))


if __name__ == "__main__":
    main()
