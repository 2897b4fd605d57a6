"""What libtpu dumps of the machine's level: VLIW bundles, how full their slots are, and a simulation's cycles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from oneblock.compilers.api.call import steps_of
from oneblock.compilers.api.calls import TpuKernel

_SLOTS = "-final_hlo-static-per-bundle-utilization.txt"
_BUNDLES = "-final_bundles.txt"
_PROFILE = "_static_llo_profile.textproto"


@dataclass(frozen=True)
class SimulatedOperation:
    """One operation of the static simulation; it stands for `equivalents` alike."""

    cycles: int
    equivalents: int


def flags(folder: Path, *, everything: bool, simulate: bool) -> dict[str, str]:
    """libtpu's flags for dumps into that folder; the simulation is several compilations' worth of time."""
    wanted = {"xla_jf_dump_to": str(folder), "xla_jf_dump_hlo_text": "true", "xla_jf_dump_llo_text": "true"}
    if not everything:  # of some 70 stages of each operation and 385 MB of text, what people read
        wanted["xla_jf_dump_llo_pass_label_regex"] = (
            "(final_bundles|final_hlo-static-per-bundle|memory-space-assignment)"
        )
    if simulate:
        wanted["xla_jf_dump_static_llo_profile_to"] = str(folder)
    return wanted


def kernels(
    folder: Path,
    step_of: Mapping[str, str | None],
    simulated: Mapping[str, SimulatedOperation],
    estimated: Mapping[str, int],
) -> tuple[TpuKernel, ...]:
    """The kernels that were dumped, those of most bundles first."""
    found = []
    for path in sorted(folder.glob(f"*{_SLOTS}")):
        name = _operation(path, _SLOTS)
        if name in step_of:  # the program's prologue and epilogue are dumped too
            bundles, slots = slot_use(path.read_text(encoding="utf-8"))
            cycles = simulated[name].cycles if name in simulated else None
            steps, by_xla = steps_of(step_of[name]), estimated.get(name)
            kernel = TpuKernel(
                name=name, steps=steps, bundles=bundles, slots=slots, cycles=cycles, estimated_cycles=by_xla
            )
            found.append(kernel)
    return tuple(sorted(found, key=lambda kernel: -kernel.bundles))


def slot_use(text: str) -> tuple[int, dict[str, float]]:
    """(bundles, the share of each unit's slots that is filled) of one utilisation table.

    The table has a title, the units' names, their slots in a bundle, another title, then a row of counts a bundle.
    """
    lines = text.splitlines()
    units = [unit.strip() for unit in lines[1].split(",")]
    capacity = [int(word) for word in lines[2].split()]
    rows = [[int(word) for word in line.split()] for line in lines[4:] if line.strip()]
    if len(units) != len(capacity) or any(len(row) != len(units) for row in rows):
        raise ValueError(f"expected {len(units)} columns in each row of a slot utilisation table: {units}")
    if not rows:
        return 0, {}
    used = [sum(column) for column in zip(*rows, strict=True)]
    slots = [n * len(rows) for n in capacity]
    return len(rows), {unit: n / of for unit, n, of in zip(units, used, slots, strict=True)}


def simulation(folder: Path) -> dict[str, SimulatedOperation]:
    """The simulated cycles by operation; empty where the simulation did not run."""
    found: dict[str, SimulatedOperation] = {}
    for path in sorted(folder.glob(f"*{_PROFILE}")):
        for entry in path.read_text(encoding="utf-8").split("hlo_op_estimate {")[1:]:
            fields = dict(line.strip().split(": ", 1) for line in entry.splitlines() if ": " in line)
            name = fields["hlo_op_name"].strip('"')
            found[name] = SimulatedOperation(
                int(fields["estimated_cycles"]), int(fields.get("num_equivalent_hlos", "1"))
            )
    return found


def texts(folder: Path, names: list[str], *, everything: bool) -> Iterator[tuple[str, str]]:
    """(title, text) of the dumps: VMEM's tenants and the bundles of these kernels, or with them every other file."""
    vmem = sorted(folder.glob("*-memory-space-assignment-*.txt"))
    titles = {path: f"vmem-{path.stem.rpartition('-')[2]}" for path in vmem}  # who is in VMEM, where and when
    bundles = {
        _operation(path, _BUNDLES): path for path in folder.glob(f"*{_BUNDLES}") if "schedule-analysis" not in path.name
    }
    titles |= {bundles[name]: f"bundles:{name}" for name in names if name in bundles}
    for path in sorted(folder.iterdir()) if everything else titles:
        if path.is_file():
            yield titles.get(path) or _unstamped(path.name), path.read_text(encoding="utf-8", errors="replace")


def _operation(path: Path, ending: str) -> str:
    """`1795551135117457291-copy.5-03-final_bundles.txt` -> "copy.5": between the time and the stage's number."""
    middle = _unstamped(path.name).removesuffix(ending)
    return middle.rpartition("-")[0]


def _unstamped(name: str) -> str:
    stamp, _, rest = name.partition("-")
    return rest if stamp.isdigit() else name
