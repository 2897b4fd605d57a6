"""The contract, asked of every backend in the directory: `nox -s "backend(NAME)"` forbids it to skip."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from oneblock import backends, workloads
from oneblock.backends.api.backend import Backend, Compiled, Executable, Unsupported
from oneblock.backends.api.target import Target
from oneblock.compilers import Detail, dialects
from oneblock.compilers.api.kind import Kind
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.answers.reference import ReferenceAnswer, make_reference
from oneblock.workloads.models import PRESETS
from tests.conftest import target_of
from tests.helpers.cases import ALL, OTHERS, RAGGED, TINY_QWEN2, case, cover, name, steps_of

CASES = [
    *ALL,
    *OTHERS,
    case(config=RAGGED, B=2, n=37),
    case(config=RAGGED, phase=Phase.DECODE, B=3, n=37),
    case(config=TINY_QWEN2, n=16),
    case(config=PRESETS["gpt2"], n=16),
    case(config=PRESETS["gpt2"], phase=Phase.DECODE, n=64),
]


DTYPES = ("float32", "bfloat16", "float16")
SHARED = [(case(phase=phase), "float32") for phase in Phase]  # of which several tests ask


def answers() -> list[Any]:
    """Every case in every dtype; each case, and each program and each norm in each dtype, is in those marked `few`.

    Families that share a norm differ in a bias alone. The few are for a compiler, in a session that has it do more than
    this; of `backend(NAME)` all are asked. What is compiled for other tests anyway is among them.
    """
    of = {(c, d): {c, (c.workload, c.phase, d), (c.config.norm, d)} for c in CASES for d in DTYPES}
    few = cover(of, SHARED)
    return [pytest.param(*one, marks=[pytest.mark.few] if one in few else []) for one in of]


def lacking(ops_set: str) -> tuple[type[Exception], ...]:
    """How a backend may say that it has no such program: of schedules also that nobody has searched for them."""
    return (Unsupported, backends.Unavailable) if ops_set == "tuned" else (Unsupported,)


@cache
class Made:
    """A case in a dtype with its arrays and its reference, the same for every backend: none may change an array."""

    def __init__(self, c: Case, dtype: str) -> None:
        self.case, self.dtype, self.workload = c, dtype, workloads.load(c.workload)
        self.weights = make_weights(self.workload, c, dtype, 0)
        self.inputs = [make_inputs(self.workload, c, dtype, 1 + i) for i in range(2)]
        self.expected: ReferenceAnswer = make_reference(self.workload, c, dtype, self.weights, 1, 2)

    def compile(self, backend: Backend, ops_set: str) -> Executable:
        try:
            compiled = (once if (self.case, self.dtype) in SHARED else compile_anew)(self, backend, ops_set)
        except lacking(ops_set) as error:
            pytest.skip(f"{backend.name} says it does not do this: {error}")
        assert compiled.executable is not None
        return compiled.executable


def compile_anew(made: Made, backend: Backend, ops_set: str) -> Compiled:
    return backend.compile(
        made.workload, made.case, {**made.weights, **made.inputs[0]}, ops_set, target_of(backend.name)
    )


once = cache(compile_anew)  # for all the tests that ask of the same program


def must_run(backend: Backend) -> None:
    """Skip what is asked of answers where a backend gives none."""
    target = target_of(backend.name)
    if backend.probe(target).kind is Kind.COMPILED:
        pytest.skip(f"{backend.name} only compiles for {target}")


@pytest.mark.parametrize(("c", "dtype"), answers(), ids=name)
def test_every_ops_set_gives_the_right_answer_for_inputs_old_and_new(backend: Backend, c: Case, dtype: str) -> None:
    must_run(backend)
    if dtype not in backend.dtypes:
        pytest.skip(f"{backend.name} declares no {dtype}")
    made = Made(c, dtype)
    for ops_set in backend.ops_sets:
        try:
            executable = made.compile(backend, ops_set)
            weights = executable.put(made.weights)
            executable.call({**weights, **executable.put(made.inputs[0])})  # what compiles nothing refuses here
        except (pytest.skip.Exception, Unsupported):
            if ops_set == "plain":
                raise
            continue
        before = backend.compilations()
        for i in (0, 1, 0):
            out = executable.call({**weights, **executable.put(made.inputs[i])})
            executable.wait(out)
            verdict = made.expected.check(executable.get(out), i)
            assert verdict.passed, f"{ops_set}: {verdict.why}"
        assert backend.compilations() == before, f"{ops_set}: a call compiled"


@pytest.mark.parametrize("phase", Phase)
def test_a_call_leaves_its_arguments_and_ours_alone(backend: Backend, phase: Phase) -> None:
    must_run(backend)
    made = Made(case(phase=phase), "float32")
    ours = {**made.weights, **made.inputs[0]}
    kept = {n: a.copy() for n, a in ours.items()}
    for ops_set in backend.ops_sets:
        executable = made.compile(backend, ops_set)
        before = backend.compilations()
        args = executable.put(ours)
        assert backend.compilations() == before, f"{ops_set}: what takes the arguments compiled, and no time has it"
        state, answers = made.workload.state(made.case), []
        for _ in range(2):
            out = executable.call(args)
            executable.wait(out)
            answers.append({name: y.copy() for name, y in executable.get(out).items()})
            left = executable.get({name: args[name] for name in state})
            assert all(np.array_equal(left[n], answers[-1][n]) for n in state), "what was written is not in the state"
        a, b = answers
        assert all(np.array_equal(a[n], b[n]) for n in a), "two calls of the same arguments differ"
        assert all(np.array_equal(ours[n], kept[n]) for n in ours), "an array of ours was changed"
        verdict = made.expected.check(a, 0)
        assert verdict.passed, f"{ops_set}: {verdict.why}"


def test_an_output_outlives_the_next_call(backend: Backend) -> None:
    must_run(backend)
    made = Made(case(), "float32")
    executable = made.compile(backend, [*backend.ops_sets][-1])
    weights = executable.put(made.weights)
    outs = [executable.call({**weights, **executable.put(inputs)}) for inputs in made.inputs]
    for i, out in enumerate(outs):
        executable.wait(out)
        assert made.expected.check(executable.get(out), i).passed, "the output of one call was overwritten by another"


def test_compiling_is_counted_where_there_is_a_compiler(backend: Backend) -> None:
    made = Made(case("norm", n=29), "float32")
    before = backend.compilations()
    compiled = compile_anew(made, backend, next(iter(backend.ops_sets)))
    stages = compiled.capture(Detail.BRIEF).artifacts
    assert (backend.compilations() > before) == bool(stages), "a backend with stages compiles, and one without does not"


def test_stages_are_texts_in_order_and_name_the_steps(backend: Backend) -> None:
    made, before = Made(case(), "float32"), backend.compilations()
    for ops_set in backend.ops_sets:
        try:
            compiled = once(made, backend, ops_set)
        except lacking(ops_set):
            assert ops_set != next(iter(backend.ops_sets))  # a kernel may ask for longer sequences
            continue
        stages = compiled.capture(Detail.DEFAULT).artifacts
        if not stages:
            assert backend.compilations() == before
            continue
        order = list(type(stages[0].stage))
        positions = [order.index(artifact.stage) for artifact in stages]
        assert positions == sorted(positions)
        assert all(artifact.text.strip() for artifact in stages)
        for artifact in stages:
            known = dialects.find(artifact.dialect)
            assert known is not None, f"compilers/dialects has nothing of {artifact.dialect}"
            assert artifact.stage in known.stages
        whole = "\n".join(artifact.text for artifact in stages)
        assert [step for step in steps_of(case()) if step not in whole] == [], "steps that no stage names"


def test_what_is_not_here_says_why(backend: Backend) -> None:
    for platform in backend.platforms:
        target = Target(platform)
        found: Any
        try:
            found = backend.probe(target)
        except backends.Unavailable as error:
            found = error
        sentence = (found.reason, found.hint) if isinstance(found, backends.Unavailable) else (found.name, found.kind)
        assert all(sentence)


def test_the_seam_is_as_declared(backend: Backend) -> None:
    assert backend.name in backends.names()
    assert set(backend.dtypes) <= {"float32", "bfloat16", "float16"}
