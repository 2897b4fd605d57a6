"""What the configurations of each launch come to, as a search tells it: ranked by the model, or timed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from oneblock.backends._triton import plan
from oneblock.backends._triton.measured import measured
from oneblock.backends._triton.plan import PlannedLaunch
from oneblock.backends._triton.runners import TracedLaunch
from oneblock.backends.api.backend import TuningResult
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.search import TaskState, Tell, Trial
from oneblock.compilers.chips.chip import Gpu
from oneblock.compilers.triton import choice as _gpu_choice
from oneblock.compilers.triton.choice import Candidate

_MODELLED = (
    "compilers/chips/launch_model.py: the static model, of every configuration built; one that spills more is out"
)
_MEASURED = "the median of a few calls by CUDA events, each with a cold L2; the default is the static model's choice"


def tune(started: Sequence[TracedLaunch], gpu: Gpu, kind: Kind, tell: Tell) -> TuningResult:
    """One task of all launches whose configurations the model ranks alike; their trials are in its order."""
    measuring = kind is Kind.MEASURED
    tasks: dict[tuple[Candidate, ...], TaskState] = {}
    for one in started:
        (planned,) = plan.plan([one], gpu)
        if not planned.candidates:
            continue
        known = tasks.get(planned.candidates)
        state = _once_more(known, one.step) if known else _task(planned, [*tasks.values()], measuring=measuring)
        tasks[planned.candidates] = state
        tell(state)
    return TuningResult(kind, _MEASURED if measuring else _MODELLED, tuple(tasks.values()))


def _once_more(task: TaskState, step: str | None) -> TaskState:
    return replace(task, steps=tuple(dict.fromkeys((*task.steps, *_named(step)))), calls=task.calls + 1)


def _named(step: str | None) -> tuple[str, ...]:
    return () if step is None else (step,)


def _task(one: PlannedLaunch, before: Sequence[TaskState], *, measuring: bool) -> TaskState:
    order = _gpu_choice.rank(one.candidates)
    spills = one.candidates[one.chosen].spill_bytes or 0
    found = measured(one).candidates if measuring else one.candidates
    trials = tuple(_measured(found[i]) if measuring else _modelled(found[i], spills) for i in order)
    name = _name([call.kernel.fn.__name__ for call in one.started.alternatives])
    number = 1 + sum(task.name.partition(".")[0] == name for task in before)
    return TaskState(
        name if number == 1 else f"{name}.{number}", _named(one.started.step), calls=1,
        flops=one.call.work(one.config).flops, trials=trials, default=order.index(one.chosen),
    )  # fmt: skip


def _name(kernels: Sequence[str]) -> str:
    """The words that kernels share at first: "linear" of linear_grouped_kernel and linear_persistent_kernel."""
    words = [kernel.removesuffix("_kernel").split("_") for kernel in kernels]
    return "_".join(same[0] for same in takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False)))


def _config(candidate: Candidate) -> str:
    return f"{candidate.kernel} {candidate.config}"


def _measured(candidate: Candidate) -> Trial:
    return Trial(candidate.measured_s, _config(candidate), candidate.why_not)


def _modelled(candidate: Candidate, fewest_spills: int) -> Trial:
    """The formula knows nothing of spills: its seconds say nothing of one that spills where another does not."""
    spilled = candidate.spill_bytes or 0
    if spilled > fewest_spills:
        return Trial(None, _config(candidate), f"spills {spilled} bytes a thread where another spills {fewest_spills}")
    return Trial(candidate.modelled_s, _config(candidate), candidate.why_not)
