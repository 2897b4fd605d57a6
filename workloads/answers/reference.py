"""The reference of a case: float64 answers for several inputs, what each may err by, and proof that the check bites."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from oneblock.workloads._workload import Arrays, Case, Workload
from oneblock.workloads.answers.arrays import Named, make_inputs, sha256_of
from oneblock.workloads.answers.checkpoint_files import CheckpointError
from oneblock.workloads.answers.routing import answered, nearest
from oneblock.workloads.answers.verdict import Allowance, Check, allow, check
from oneblock.workloads.answers.wrong import accepted, wrong_answers


@dataclass(frozen=True)
class InputReference:
    """The reference for one input: what is right, and what each output may err by."""

    reference: dict[str, np.ndarray]  # float64; NaN for tokens whose router's choice rounding may turn, see `routing`
    allowances: dict[str, Allowance]


@dataclass(frozen=True)
class ReferenceAnswer:
    """The reference answer of one case in one dtype for some inputs; those of answer i have seed `input_seed + i`."""

    dtype: str
    input_seed: int
    answers: tuple[InputReference, ...]
    wrong_tried: tuple[str, ...]  # the wrong answers shown to the check
    wrong_accepted: tuple[str, ...]  # those it let pass: one with any must not be used
    weights_sha256: str | None = None  # of a checkpoint's weights that the answers are of; None for seeded ones
    nearest_logits: float = 0.0  # of a router, that are told apart

    @property
    def undecided(self) -> bool:
        """Whether of the first input nothing can be judged, as rounding may turn each token's choice."""
        return any(bool(np.isnan(y).all()) for y in self.answers[0].reference.values())

    def check(self, got: Arrays, i: int = 0) -> Check:
        """Judge the answer to input i."""
        return check(got, self.answers[i].reference, self.answers[i].allowances, self.dtype)

    def check_weights(self, weights: Named) -> None:
        """CheckpointError where these, read from a checkpoint, are not those that the reference is of."""
        check_weights(weights, self.weights_sha256)

    def save(self, path: Path) -> None:
        """Write it as one .npz file, which carries its own description."""
        head = {
            "dtype": self.dtype,
            "input_seed": self.input_seed,
            "wrong_tried": self.wrong_tried,
            "wrong_accepted": self.wrong_accepted,
            "weights_sha256": self.weights_sha256,
            "nearest_logits": self.nearest_logits,
            "allowances": [{name: asdict(a) for name, a in answer.allowances.items()} for answer in self.answers],
        }
        arrays = {f"{i}/{name}": y for i, answer in enumerate(self.answers) for name, y in answer.reference.items()}
        path.unlink(missing_ok=True)  # a link perhaps: nothing is written through it
        with path.open("xb") as file:
            np.savez(file, allow_pickle=False, head=np.array(json.dumps(head)), **arrays)

    @staticmethod
    def read(path: Path) -> ReferenceAnswer:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            head = json.loads(str(file["head"]))
            answers = tuple(
                InputReference(
                    {name: file[f"{i}/{name}"] for name in allowances},
                    {name: Allowance(**a) for name, a in allowances.items()},
                )
                for i, allowances in enumerate(head["allowances"])
            )
        tried, let_pass = tuple(head["wrong_tried"]), tuple(head["wrong_accepted"])
        return ReferenceAnswer(
            head["dtype"], head["input_seed"], answers, tried, let_pass, head["weights_sha256"], head["nearest_logits"]
        )


def check_weights(weights: Named, sha256: str | None) -> None:
    """CheckpointError where these, read from a checkpoint, have another hash than those that a reference is of."""
    if sha256 is not None and sha256_of(weights) != sha256:
        raise CheckpointError("the checkpoint changed since the reference was computed: the weights are others")


def make_reference(
    workload: Workload, case: Case, dtype: str, weights: Arrays, input_seed: int, count: int = 4,
    inputs: Callable[[int], Named] | None = None,
) -> ReferenceAnswer:  # fmt: skip
    """Compute the references from the rounded numbers: all take the dtype once, and float64 derives from those.

    An answer is thus never charged with the rounding of what it was given. `count` inputs, at least two: the second's
    answer is the stale one that the check of the first must reject. Input i is drawn of the seed `input_seed + i`, or
    it is what `inputs` has by that number.
    """
    if count < 2:
        raise ValueError(f"expected at least 2 inputs, got {count}")
    exact_weights = {name: w.astype(np.float64) for name, w in weights.items()}
    found, exact = [], {}
    for i in reversed(range(count)):  # ends with input 0 in `exact`
        given = make_inputs(workload, case, dtype, input_seed + i) if inputs is None else inputs(i)
        exact = exact_weights | {name: x.astype(np.float64) for name, x in given.items()}
        right = answered(workload, case, exact)
        with np.errstate(over="ignore", invalid="ignore"):  # which is diagnosed where an answer is not finite
            found.append((right, answered(workload, case, {**weights, **given})))
    near = max(nearest(right, eager) for right, eager in found)
    references = [(right.decided(case, near), eager.outputs) for right, eager in reversed(found)]
    answers = [InputReference(right, allow(case, right, eager, dtype)) for right, eager in references]
    expected = ReferenceAnswer(dtype, input_seed, tuple(answers), (), (), None, near)
    if expected.undecided:
        return expected
    wrong = wrong_answers(workload, case, exact, answers[0].reference, stale=found[-2][0].outputs)
    tried, let_pass = accepted(wrong, answers[0].reference, answers[0].allowances, dtype)
    return replace(expected, wrong_tried=tuple(tried), wrong_accepted=tuple(let_pass))
