"""From the words of the command line to cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, product
from pathlib import Path

from oneblock import backends, workloads
from oneblock.backends.api.backend import TUNED
from oneblock.backends.api.own_kernels import KERNELS, OwnKernel, TakesKernels
from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell, Inputs
from oneblock.bench.cells.probe import PlatformProbe
from oneblock.bench.cells.replaced import own_kernels
from oneblock.bench.cells.subject import Subject, model_subject, odd_norms, preset_subject
from oneblock.bench.format.errors import Refused
from oneblock.compilers.api.kind import Kind
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.inputs import load_inputs
from oneblock.workloads.models import Config, Model
from oneblock.workloads.ops.dtypes import DTYPES, dtype_of
from oneblock.workloads.ops.nearest import unknown


@dataclass(frozen=True)
class CellQuery:
    """A query for cells, as the command line states it; an empty tuple asks for all there is."""

    workloads: Sequence[str]
    presets: Sequence[str]
    phases: Sequence[str]
    B: Sequence[int]
    T: Sequence[int]
    S: Sequence[int]
    dtypes: Sequence[str]
    backends: Sequence[str]
    ops_sets: Sequence[str]
    targets: Sequence[str]
    weights: Path | None = None
    layer: int = 0
    overrides: Sequence[str] = ()
    weight_seed: int = 0
    input_seed: int = 1
    models: Sequence[Path] = ()
    inputs: Path | None = None
    replaced: Sequence[str] = ()
    toolchain: str | None = None  # the releases that are installed because they were asked for

    def cells(self, probed: Sequence[PlatformProbe]) -> list[Cell]:
        """Every combination of what was asked for, in a readable order; LookupError and ValueError say what is wrong.

        `probed` is what the backends asked for have here.
        """
        for dtype in self.dtypes:
            dtype_of(dtype)
        _ = self._replaced  # a mistake is told before anything is started
        ways = self._ways(probed)
        found: list[Cell] = []
        for subject in self._subjects:
            for case, dtype in product(self._cases(subject.config), self.dtypes):
                inputs = self._given(case, dtype)
                found += [
                    Cell(case, dtype, backend, ops_set, target, subject.weights, self.weight_seed, self.input_seed,
                         toolchain=self.toolchain, model=subject.model, inputs=inputs, replaced=self._replaced)
                    for backend, ops_set, target in ways
                ]  # fmt: skip
        return list(dict.fromkeys(found))

    def _given(self, case: Case, dtype: str) -> Inputs | None:
        """The file of inputs, which must have those of a case, whoever computes it."""
        if self.inputs is None:
            return None
        _, sha256 = load_inputs(workloads.load(case.workload), case, dtype, self.inputs)
        return Inputs(str(self.inputs), sha256)

    @cached_property
    def _replaced(self) -> tuple[OwnKernel, ...]:
        """The kernels of one's own, each in the language of the one backend that was asked for."""
        if not self.replaced:
            return ()
        able = {
            name: one for name in backends.having(TakesKernels) if isinstance(one := backends.ours(name), TakesKernels)
        }
        names = [*dict.fromkeys(self.backends)]
        if len(names) != 1 or names[0] not in able:
            got = f"--backend {' --backend '.join(names)}" if names else "none"
            raise Refused(
                f"--replace: expected one --backend whose kernels it may replace ({', '.join(able)}), got {got}"
            )
        return own_kernels(self.replaced, names[0], able[names[0]].signatures, self.ops_sets)

    def model_of(self, cell: Cell) -> Model | None:
        """The model that a cell's block is a layer of; None where nobody says."""
        found = {(subject.config, subject.model): subject.whole for subject in self._subjects}
        return found[cell.case.config, cell.model]

    def remarks(self) -> list[str]:
        """What whoever asked for models' blocks may take for granted, and what is otherwise here."""
        said = []
        for one in self._subjects:
            if one.model is not None and one.weights is None:
                said.append(f"{one.model}: its configuration alone: the weights are drawn from the seed")
            if one.weights is not None and one.weights.stored:
                said.append(f"{one.weights.path}: layer {one.weights.layer} is stored as {one.weights.stored}")
            said += [remark] if (remark := odd_norms(one)) else []
            own = None if one.whole is None else one.whole.dtype
            if own is not None and (others := [dtype for dtype in self.dtypes if dtype != own]):
                instead = f" (--dtype {own})" if own in DTYPES else ""
                said.append(f"{one.config.name}: its config.json says {own}, and this is {', '.join(others)}{instead}")
        return sorted(dict.fromkeys(said))

    @cached_property
    def _subjects(self) -> list[Subject]:
        """The configurations that were asked for, each with where its weights come from."""
        overrides = dict(_override(text) for text in self.overrides)
        given = [preset_subject(name, overrides, self.weights, self.layer) for name in self.presets]
        return given + [model_subject(path, overrides, self.weights, self.layer) for path in self.models]

    def _cases(self, config: Config) -> list[Case]:
        found = []
        for name in self.workloads:
            workload = workloads.load(name)
            phases = [_phase(text) for text in self.phases] or list(workload.phases)
            for phase in phases:
                if phase not in workload.phases:
                    raise Refused(f"{name} has no {phase} phase (it has {', '.join(workload.phases)})")
                lengths = [(n, n) for n in self.T] if phase is Phase.PREFILL else [(1, n) for n in self.S]
                found += [Case(name, config, phase, B, T, S) for B, (T, S) in product(self.B, lengths)]
        return found

    def _ways(self, probed: Sequence[PlatformProbe]) -> list[tuple[str, str, Target]]:
        """(backend, ops set, target). What is not said is taken from each backend; what is said is never changed."""
        if self.ops_sets and (probed or not backends.registered()):  # before the probes those of others are not known
            known = [*dict.fromkeys([*backends.ops_sets(), *(ops_set for row in probed for ops_set in row.ops_sets)])]
            for ops_set in self.ops_sets:
                if ops_set not in known:
                    raise LookupError(unknown("ops set", ops_set, known))
        targets = [Target.parse(text) for text in self.targets]
        found: list[tuple[str, str, Target]] = []
        for name, rows in groupby(probed, key=lambda row: row.backend):
            first, *more = rows
            if not self.backends and not _fits([first, *more], targets):
                continue  # nobody asked for it, and it would answer nothing but why not
            chosen = (
                self.ops_sets
                or [KERNELS] * bool(self.replaced)
                or [ops_set for ops_set in first.ops_sets if ops_set != TUNED]
            )
            if not chosen:
                raise Refused(f"{name} does not say which ops it has: {first.reason}; {first.hint}")
            found += [
                (name, ops_set, target) for ops_set, target in product(chosen, targets or _default_targets(first))
            ]
        if probed and not found:
            raise Refused(
                "no backend that is here does what was asked; `oneblock doctor` says why, --backend asks for one"
            )
        return found


def _phase(text: str) -> Phase:
    if text not in list(Phase):
        raise LookupError(unknown("phase", text, list(Phase)))
    return Phase(text)


def _override(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise Refused(f"--set takes NAME=VALUE, e.g. --set kv_heads=4; got {text!r}")
    return key, value


def _fits(rows: Sequence[PlatformProbe], targets: Sequence[Target]) -> bool:
    """Whether a backend that nobody named has a part in the run: it is timed here, or has one of the targets."""
    if not targets:
        return rows[0].kind is Kind.MEASURED
    return any(_has(row, target) for row in rows for target in targets)


def _has(row: PlatformProbe, target: Target) -> bool:
    elsewhere = f"{target.platform}:{target.architecture}" in row.elsewhere
    return row.platform == target.platform and (row.device is not None or elsewhere)


def _default_targets(first: PlatformProbe) -> Sequence[Target]:
    """The backend's first platform; if no such device is here, everything of it that the backend needs none for."""
    by_itself = first.elsewhere if first.device is None and first.elsewhere else [first.platform or "cpu"]
    return [Target.parse(text) for text in by_itself]
