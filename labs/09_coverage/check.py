"""Truth of coverage: what compilers say of eight operators, and backends of a type of numbers."""

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from oneblock.bench.format.out import note
from oneblock.bench.lessons.commands import ask, run_script
from oneblock.bench.lessons.item import Answer, Artifact, Item, Lesson, Misconception, Part, Shape
from oneblock.bench.records.files import write_whole

PROBES, OPERATORS = (Path(__file__).with_name(name) for name in ("probes.py", "operators.py"))
COMMON = ("softmax", "silu", "gelu", "rms_norm", "top_k", "sort", "argmax", "cumsum", "cumprod", "erf", "tan", "round")
RARE = ("erf_inv", "lgamma", "fft", "cholesky", "det", "logcumsumexp", "searchsorted", "histogram", "kth_value")
MANY = 8
CHIPS = ("v4", "v5e", "v5p", "v6e")
NARROW = ("int4", "float8_e4m3fn", "float4_e2m1fn", "int8", "float8_e5m2")
ELSEWHERE = ("xla_tpu", "neuron_nki", "pallas_tpu")
LANES = ("jax_xla", "xla_tpu", "tvm_relax", "neuron_list")


def _shapes(many: int = 120) -> list[Shape]:
    found: list[Shape] = []
    for n in range(many):
        rng = random.Random(n)
        rare = rng.sample(RARE, 3 + n % 3)
        names = rare + rng.sample(COMMON, MANY - len(rare))
        rng.shuffle(names)
        one, need = rng.choice(rare), " ".join(rng.sample(names, 3))
        where = {"chip": CHIPS[n % 4], "narrow": NARROW[n % 5], "backend": ELSEWHERE[n // 2 % 3]}
        found.append({"operators": " ".join(names), "one": one, "need": need, **where})
    return found


def run(shape: Shape, folder: Path) -> dict[str, Any]:
    """Each compiler asked for each operator, the doctor for devices that are elsewhere, and a norm in two types."""
    write_whole(folder / OPERATORS.name, OPERATORS.read_bytes())
    made: dict[str, Any] = run_script(PROBES, shape["chip"], shape["narrow"], *shape["operators"].split())
    rows, _ = ask("doctor", "--backend", shape["backend"], cwd=folder)
    made["doctor"] = [
        {name: row[name] for name in ("backend", "platform", "reason", "compiles_for", "interprets_for")}
        for row in rows["backends"] if row["backend"] == shape["backend"]
    ]  # fmt: skip
    if missing := [why for lane, why in made["absent"].items() if lane in LANES]:
        made["absent"]["lanes"] = "; ".join(missing)
    else:
        made["lanes"] = [*LANES]
    cells = ("--backend", "neuron_nki", "--target", "neuron:trn2", "--dtype", "float16", "--dtype", "bfloat16")
    records, _ = ask("run", "norm", "--preset", "tiny", "-T", "16", *cells, cwd=folder, accept=(0, 1))
    made["norm"] = {one["cell"]["dtype"]: {"status": one["status"], "reason": one["reason"]} for one in records}
    told = [f"{name:<13}taken by: " + ", ".join(lane for lane in LANES if lane in made and takes(lane, name, made))
            for name in shape["operators"].split()]  # fmt: skip
    return {**made, "told": told}


def takes(lane: str, name: str, artifact: Artifact) -> bool:
    """Whether a compiler took an operator, or of Neuron's list, whether it has all its opcodes."""
    of = artifact[lane]
    if lane == "neuron_list":
        return not of["not_listed"][name]
    return (of[name] if lane == "tvm_relax" else of["operators"][name]["refused"]) is None


def refused(lane: str, shape: Shape, artifact: Artifact) -> list[str]:
    """The operators that it does not take."""
    return [name for name in shape["operators"].split() if not takes(lane, name, artifact)]


def many(lane: str, shape: Shape, artifact: Artifact) -> Answer:
    """How many."""
    return len(refused(lane, shape, artifact)) if lane in artifact else -1


def code(which: Iterable[str], shape: Shape) -> int:
    """A set of operators as a sum: the first counts 1, the second 2, the third 4."""
    chosen = {*which}
    return sum(1 << n for n, name in enumerate(shape["operators"].split()) if name in chosen)


def sum_of(lane: str, shape: Shape, artifact: Artifact) -> Answer:
    """The set that a compiler does not take."""
    return code(refused(lane, shape, artifact), shape)


def handed(shape: Shape, artifact: Artifact) -> Answer:
    """The set that XLA:CPU hands to a routine that it did not compile."""
    return code([name for name, one in artifact["jax_xla"]["operators"].items() if one["custom_calls"]], shape)


def others(answer: Any, shape: Shape, artifact: Artifact) -> Answer:
    """The set of all that is not in another."""
    return (1 << MANY) - 1 - int(answer(shape, artifact))


def narrow(shape: Shape, artifact: Artifact) -> Answer:
    """Whether XLA:CPU compiles a product of narrow numbers."""
    return "no" if artifact["jax_xla"]["product"]["refused"] else "yes"


def elsewhere(shape: Shape, artifact: Artifact) -> Answer:
    """Targets for which there is a compiler or an interpreter here, and no device."""
    return sum(len(row["compiles_for"]) + len(row["interprets_for"]) for row in artifact["doctor"])


def why_half(shape: Shape, artifact: Artifact) -> Answer:
    """Whose the refusal is."""
    of = artifact["norm"]["float16"]
    return {"unsupported": "backend", "unavailable": "machine"}.get(of["status"], "compiler")


def how_refused(shape: Shape, artifact: Artifact) -> Answer:
    """How TVM's importer puts it."""
    said = artifact["tvm_relax"][shape["one"]]
    if said is None:
        return "taken"
    return "named" if "Unsupported function types" in said else "value"


def why_import(shape: Shape, artifact: Artifact) -> Answer:
    """What keeps TVM from the StableHLO of JAX: the same for all, or the operators."""
    said = set(artifact["stablehlo"].values())
    if said == {None}:
        return "nothing"
    return "version" if len(said) == 1 else "operators"


def gate(quantifier: Any, shape: Shape, artifact: Artifact) -> Answer:
    """Lanes that take all of what a model needs, or any of it."""
    need = shape["need"].split()
    return sum(bool(quantifier(takes(lane, name, artifact) for name in need)) for lane in LANES)


def score(shape: Shape, artifact: Artifact) -> Answer:
    """Percent of all pairs of operator and lane that are taken."""
    taken = sum(MANY - len(refused(lane, shape, artifact)) for lane in LANES)
    return 100 * taken / (MANY * len(LANES))


def measure(script: Path, shape: Shape) -> Answer:
    """How a learner's `logcumsumexp` does, as a word."""
    told = run_script(PROBES, str(script.resolve()))
    if "said" in told:
        note(f"TVM: {told['said']}")
    return str(told["word"])


def _said(answer: Answer) -> Any:
    return lambda shape, artifact: answer


_wrong = Misconception
LIST = "Neuron's list of operators"
TAKEN = "(Handed on counts as taken; for Neuron: no opcode missing from the list.)"
SUM = "Of {operators} the first counts 1, the second 2, the next 4, and so on to 128. What is the sum of "
PREDICTED = (
    Item("tvm_refused", Part.PREDICT, "How many of your operators does TVM's importer of PyTorch programs refuse? "
         "{operators}", partial(many, "tvm_relax"), "it has a converter for each operator by name, or none", (
             _wrong("none", _said(0), "a compiler has an entry for each operator, and the rare ones come last"),
             _wrong("as_listed", partial(many, "neuron_list"), f"that is how many {LIST} lacks: another compiler"),
         ), needs="tvm_relax"),
    Item("tpu_refused", Part.PREDICT, "And XLA:TPU, for {chip}?", partial(many, "xla_tpu"),
         "XLA takes programs apart into some hundred opcodes before its backend sees them", (
             _wrong("as_tvm", partial(many, "tvm_relax"), "JAX lowers each to opcodes that every backend of XLA has"),
         ), needs="xla_tpu"),
    Item("narrow_cpu", Part.PREDICT, "Does XLA:CPU compile a product of two {narrow} matrices, summed in float32?",
         narrow, "try it: a type that a compiler reads is not one that it computes with", (
             _wrong("all_types", _said("yes"), "it knows {narrow}, and refuses it: read product.refused"),
             _wrong("no_unit", _said("no"), "no unit is needed: it is converted first"),
         ), {"yes": "it does", "no": "it refuses"}, needs="jax_xla"),
)  # fmt: skip
OBSERVED = (
    Item("tvm_sum", Part.OBSERVE, SUM + "those that TVM refused?", partial(sum_of, "tvm_relax"), "those not null", (
             _wrong("the_taken", partial(others, partial(sum_of, "tvm_relax")), "null is taken: the others count"),
         ), needs="tvm_relax"),
    Item("list_sum", Part.OBSERVE, SUM + f"those with an opcode that {LIST} lacks?", partial(sum_of, "neuron_list"),
         "neuron_list.not_listed", (
             _wrong("the_listed", partial(others, partial(sum_of, "neuron_list")), "what is in not_listed is lacking"),
             _wrong("as_tvm", lambda s, a: sum_of("tvm_relax", s, a) if "tvm_relax" in a else -1, "that is TVM's"),
         ), needs="neuron_list"),
    Item("handed_sum", Part.OBSERVE, SUM + "those that XLA:CPU hands to a routine, by custom_calls?", handed,
         "those whose list in jax_xla is not empty", (
             _wrong("none", _said(0), "taken is not compiled: custom_calls name LAPACK's routines, say"),
             _wrong("the_compiled", partial(others, handed), "an empty list is one that it compiles itself"),
         ), needs="jax_xla"),
    Item("elsewhere", Part.OBSERVE, "For how many targets of {backend} is there a compiler or an interpreter here, but "
         "no device?", elsewhere, "compiles_for and interprets_for of the doctor", (
             _wrong("no_device", _said(0), "a missing device costs the measurement, never the compilation"),
             _wrong("rows", lambda s, a: len(a["doctor"]), "a row is a platform: count the targets in its lists"),
         )),
    Item("half_status", Part.OBSERVE, "What is the status of the norm in float16 on neuron_nki?",
         lambda s, a: str(a["norm"]["float16"]["status"]), "norm.float16 of the artifact", (
             _wrong("failed", _said("failed"), "nothing was computed that could be wrong: read its status"),
             _wrong("unavailable", _said("unavailable"), "nothing is missing here: bfloat16 ran"),
         ),
         {"interpreted": "run by an interpreter, and right", "passed": "measured, and right", "failed": "wrong",
          "unsupported": "not in this backend", "unavailable": "something is missing on this machine"}),
)  # fmt: skip
EXPLAINED = (
    Item("why_half", Part.EXPLAIN, "Why has it that status?", why_half, "read the reason", (
             _wrong("machine", _said("machine"), "on any machine it says so: bfloat16 ran on this one"),
             _wrong("compiler", _said("compiler"), "nothing was compiled: the backend declares its types beforehand"),
         ),
         {"backend": "the backend has no such type, on any machine", "machine": "something is not installed here",
          "compiler": "a compiler failed"}),
    Item("how_refused", Part.EXPLAIN, "How does TVM's importer answer {one}?", how_refused, "tvm_relax.{one}", (
             *(_wrong(word, _said(word), "read the messages of tvm_relax") for word in ("value", "named")),
             _wrong("taken", _said("taken"), "read tvm_relax: it is not null"),
         ),
         {"named": "it has no converter for an operator, which it names",
          "value": "it stumbles over how the program was exported, and names no operator", "taken": "it takes it"},
         needs="tvm_relax"),
    Item("why_import", Part.EXPLAIN, "TVM has an importer of StableHLO, too. What keeps it from the programs that XLA "
         "compiled?", why_import, "compare what it says of each operator", (
             _wrong("operators", _said("operators"), "all of them get the same answer: no operator is the cause"),
             _wrong("nothing", _said("nothing"), "read stablehlo in the artifact"),
         ),
         {"version": "it was written for another version of MLIR's Python than JAX has here",
          "operators": "it lacks some of the operators", "nothing": "nothing: it takes them all"}, needs="stablehlo"),
)  # fmt: skip
APPLIED = (
    Item("gate", Part.APPLY, "A model needs {need}. How many of four (XLA:CPU, XLA:TPU, TVM's importer, Neuron's list) "
         f"take all of them? {TAKEN}", partial(gate, all), "one that is refused keeps the model out", (
             _wrong("any", partial(gate, any), "a lane that takes two of three runs no model"),
             _wrong("xla_alone", _said(2), "look at the other two, operator by operator"),
         ), needs="lanes"),
    Item("score", Part.APPLY, "What percentage of the 32 pairs of operator and compiler is taken, to one decimal? "
         + TAKEN, score, "taken pairs, over 8 operators times 4", (
             _wrong("refused", lambda s, a: 100 - float(score(s, a)), "those are refused"),
             _wrong("without_the_list", lambda s, a: 100 - 100 * int(many("tvm_relax", s, a)) / 24,
                    "four columns: Neuron's list is the last"),
         ), within=0.005, needs="lanes"),
)  # fmt: skip
MADE = (
    Item("logcumsumexp", Part.MAKE, "Write it in what TVM takes.", _said("taken"), "see the hints in lab.py", (
             _wrong("refused", _said("refused"), "TVM lacks the operator named above: use its other name, or build it "
                    "of others"),
             _wrong("overflows", _said("overflows"), "exp overflows: subtract each row's largest first"),
             _wrong("differs", _said("differs"), "it is not the logarithm of a running sum along the last axis"),
         ), needs="tvm_relax", measure=measure),
)  # fmt: skip

LESSON = Lesson(
    _shapes(), run, (*PREDICTED, *OBSERVED, *EXPLAINED, *APPLIED, *MADE),
    "Rule: coverage is a gate, not a score; ask each compiler for your operators before you compare speeds.",
    demonstration=_shapes(121)[-1],
)  # fmt: skip
