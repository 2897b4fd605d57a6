"""HLO modules for the compiler of AWS Neuron: what is in them, that they are right, what is said of their opcodes."""

from __future__ import annotations

import json
import os
import re
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from oneblock import backends, workloads
from oneblock.backends.api.backend import Unavailable
from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.worker.export_job import verdicts
from oneblock.compilers.api.export import Form
from oneblock.compilers.hlo import proto
from oneblock.compilers.hlo.proto import HloProtoError, rewritten
from oneblock.compilers.hlo.protobuf import Message, ProtobufError
from oneblock.compilers.neuron import operators as lists
from oneblock.compilers.neuron.operators import Mark, OperatorsError, compile_command, operators
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_weights
from oneblock.workloads.answers.reference import ReferenceAnswer, make_reference
from oneblock.workloads.ops.dtypes import dtype_of
from tests.conftest import REQUIRED
from tests.helpers.cases import TINY, TINY_GPT2, case
from tests.helpers.oneblock_process import install, oneblock

CASES = [case("block", config, phase, n=24) for config in (TINY, TINY_GPT2) for phase in Phase]
FAKE = "#!/bin/sh\n"


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder on the path for a fake compiler, and none that this machine may have."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


@pytest.fixture
def jax_here() -> None:
    try:
        backends.load("jax_xla").compilations()
    except Unavailable as error:
        if "jax_xla" in REQUIRED:
            pytest.fail(f"required, and not here: {error}; {error.hint}")
        pytest.skip(f"jax_xla: {error}; {error.hint}")


def fake_compiler(folder: Path, script: str) -> None:
    (folder / "neuronx-cc").write_text(FAKE + script)
    (folder / "neuronx-cc").chmod(0o755)


def message(*fields: tuple[int, int | bytes | str | list[int]]) -> bytes:
    made = Message()
    for number, value in fields:
        if isinstance(value, list):
            made.put_packed(number, value)
        else:
            made.put(number, *made.all(number), value)
    return made.encode()


# Fields of a message and the bytes of the format's own documentation, read and written.


@pytest.mark.parametrize(
    ("encoded", "fields"),
    [
        ("089601", [(1, 0, 150)]),
        ("120774657374696e67", [(2, 2, b"testing")]),
        ("1a03089601", [(3, 2, b"\x08\x96\x01")]),
        ("3206038e029ea705", [(6, 2, b"\x03\x8e\x02\x9e\xa7\x05")]),
        ("08feffffffffffffffff01", [(1, 0, 2**64 - 2)]),
        ("0d0000803f11000000000000f03f", [(1, 5, b"\0\0\x80\x3f"), (2, 1, b"\0\0\0\0\0\0\xf0\x3f")]),
    ],
)
def test_a_message_is_read_and_written_as_the_format_has_it(
    encoded: str, fields: list[tuple[int, int, object]]
) -> None:
    found = Message(bytes.fromhex(encoded))
    assert found.fields == fields
    assert found.encode().hex() == encoded


def test_repeated_integers_are_the_same_packed_or_not() -> None:
    packed, single = Message(bytes.fromhex("3206038e029ea705")), Message(bytes.fromhex("3003308e02309ea705"))
    assert packed.integers(6) == single.integers(6) == (3, 270, 86942)
    single.put_packed(6, [3, 270, 86942])
    assert single.encode() == packed.encode()
    single.put_packed(6, [])
    assert single.encode() == b""


@pytest.mark.parametrize("encoded", ["08", "0896", "1207746573", "0b", "08ffffffffffffffffffffff01"])
def test_bytes_that_are_no_message_are_refused_with_the_place(encoded: str) -> None:
    with pytest.raises(ProtobufError, match="byte"):
        Message(bytes.fromhex(encoded))


# A module with two calls, one within the other, written by hand.

HIGH = 7 << 32


def instruction(name: str, opcode: str, number: int, operands: list[int] = [], **more: object) -> bytes:  # noqa: B006
    made = Message(message((proto.NAME, name), (proto.OPCODE, opcode), (proto.INSTRUCTION_ID, HIGH + number)))
    made.put_packed(proto.OPERANDS, [HIGH + operand for operand in operands])
    made.put_packed(proto.CALLED, [HIGH + called for called in more.get("called", [])])  # type: ignore[attr-defined]
    made.put_packed(proto.PREDECESSORS, [HIGH + earlier for earlier in more.get("after", [])])  # type: ignore[attr-defined]
    if "parameter" in more:
        made.put(proto.PARAMETER_NUMBER, int(str(more["parameter"])))
    if "op_name" in more:
        made.put(proto.METADATA, message((2, str(more["op_name"])), (3, "somewhere.py"), (15, 4)))
    return made.encode()


def computation(name: str, number: int, root: int, *body: bytes) -> bytes:
    return message(
        (proto.NAME, name),
        *((proto.INSTRUCTIONS, one) for one in body),
        (proto.COMPUTATION_ID, HIGH + number),
        (proto.ROOT_ID, HIGH + root),
    )


def nested(**call: object) -> bytes:
    halve = computation(
        "halve.1", 1, 12,
        instruction("p.1", "parameter", 11, parameter=0),
        instruction("half.1", "negate", 12, [11], op_name="half"),
    )  # fmt: skip
    swap = computation(
        "swap.2", 2, 23,
        instruction("p.1", "parameter", 21, parameter=0),
        instruction("q.1", "parameter", 22, parameter=1),
        instruction("inner.1", "call", 24, [21], called=[1], op_name="jit(halve)"),
        instruction("minus.1", "subtract", 23, [22, 24], op_name="minus"),
    )  # fmt: skip
    main = computation(
        "main.3", 3, 34,
        instruction("x.1", "parameter", 31, parameter=0),
        instruction("y.1", "parameter", 32, parameter=1),
        instruction("first.1", "call", 33, [31, 32], called=[2], op_name="jit(block)/mlp/jit(swap)", **call),
        instruction("second.1", "call", 34, [33, 31], called=[2], op_name="jit(block)/norm1/jit(swap)"),
    )  # fmt: skip
    return message(
        (1, "jit_block"), (proto.ENTRY_NAME, "main.3"), (5, 99), (proto.ENTRY_ID, HIGH + 3),
        *((proto.COMPUTATIONS, one) for one in (halve, swap, main)), (17, b"\x0a\x0csomewhere.py"),
    )  # fmt: skip


def test_calls_are_inlined_wherever_they_stand_and_keep_their_step() -> None:
    module = Message(rewritten(nested()))
    (entry,) = map(Message, module.all(proto.COMPUTATIONS))
    body = [Message(one) for one in entry.all(proto.INSTRUCTIONS)]
    assert [(one.text(proto.NAME), one.text(proto.OPCODE), one.integers(proto.OPERANDS)) for one in body] == [
        ("x.1", "parameter", ()),
        ("y.2", "parameter", ()),
        ("half.3", "negate", (1,)),
        ("minus.4", "subtract", (2, 3)),
        ("half.5", "negate", (4,)),
        ("minus.6", "subtract", (1, 5)),
    ]
    assert [one.integer(proto.INSTRUCTION_ID) for one in body] == [1, 2, 3, 4, 5, 6]
    assert (entry.integer(proto.ROOT_ID), entry.integer(proto.COMPUTATION_ID), module.integer(proto.ENTRY_ID)) == (
        6,
        1,
        1,
    )
    assert module.text(proto.ENTRY_NAME) == entry.text(proto.NAME) == "main.1"
    assert Message(body[2].raw(proto.METADATA)).text(2) == "jit(block)/mlp/jit(swap)/jit(halve)/half"
    assert Message(body[5].raw(proto.METADATA)).text(2) == "jit(block)/norm1/jit(swap)/minus"
    assert b"somewhere.py" not in module.encode(), "the same program gives the same bytes, wherever it is"
    assert rewritten(module.encode()) == module.encode()


def test_what_cannot_be_inlined_or_names_instructions_elsewhere_is_refused() -> None:
    with pytest.raises(HloProtoError, match=r"first\.1: a call that waits"):
        rewritten(nested(after=[31]))
    with pytest.raises(HloProtoError, match="schedule"):
        rewritten(nested() + message((7, b"\x0a\x00")))


# The lists of operators.


def test_the_published_list_marks_by_the_names_it_uses_and_says_its_page_and_date() -> None:
    listed = operators()
    assert len(listed.names) == len(set(listed.names)) == 62
    assert "release-notes/components/compiler.rst" in listed.source
    assert "2022-10-05" in listed.source
    marks = {
        opcode: listed.mark(opcode)[0] for opcode in ("subtract", "convert", "logistic", "call", "parameter", "tuple")
    }
    assert marks == {
        "subtract": Mark.LISTED, "convert": Mark.LISTED, "logistic": Mark.NOT_LISTED, "call": Mark.NOT_LISTED,
        "parameter": Mark.STRUCTURAL, "tuple": Mark.STRUCTURAL,
    }  # fmt: skip
    assert listed.mark("dot") == (Mark.LISTED, "Dot; DotGeneral")
    assert "constant index only" in listed.mark("dynamic-update-slice")[1]


def test_the_compiler_that_is_here_has_the_word_and_is_not_passed_over_when_it_fails(no_compiler: Path) -> None:
    fake_compiler(
        no_compiler, 'test "$*" = "list-operators --framework XLA" && printf "Logistic\\nRev (reverse)\\nSub\\n"'
    )
    listed = operators()
    assert listed.names == ("Logistic", "Rev (reverse)", "Sub")
    assert "installed here" in listed.source
    marks = [listed.mark(opcode)[0] for opcode in ("logistic", "reverse", "subtract", "add")]
    assert marks == [Mark.LISTED, Mark.LISTED, Mark.LISTED, Mark.NOT_LISTED]
    for script in ("echo broken licence >&2; exit 3", "exit 0"):
        fake_compiler(no_compiler, script)
        with pytest.raises(OperatorsError, match="expected a list from `neuronx-cc list-operators --framework XLA`"):
            operators()


def test_the_command_is_the_one_of_the_documentation() -> None:
    assert compile_command("a.hlo.pb", "a", "trn2") == (
        "neuronx-cc compile a.hlo.pb --framework XLA --target trn2 --model-type transformer --auto-cast none "
        "--output a.trn2.neff"
    )


def test_no_text_of_the_export_claims_more_than_a_list_says() -> None:
    root = Path(lists.__file__).parents[2]
    files = (
        "bench/commands/export.py",
        "bench/runs/export.py",
        "bench/commands/_trn_page.py",
        "bench/report/assets/tvm_trn.html",
    )
    for file in (*files, "compilers/neuron/operators.py", "compilers/api/export.py", "backends/api/export.py"):
        text = re.sub(r"\bUnsupported\b", "", (root / file).read_text(encoding="utf-8"))  # the exception's name
        assert "supported" not in text.lower(), file


# Modules from JAX.


@cache
def exported(c: Case, dtype: str) -> tuple[bytes, tuple[str, ...], tuple[str, ...]]:
    from oneblock.backends._jax.ops import JaxOps
    from oneblock.compilers.xla import export as neuron_hlo
    from oneblock.compilers.xla import lowering as xla

    workload = workloads.load(c.workload)
    shapes = {name: (spec.shape, dtype_of(dtype)) for name, spec in workload.specs(c).items()}
    made = neuron_hlo.export(xla.named(workload.program, JaxOps(), c, workload.name), shapes)
    return made.files["hlo.pb"], made.parameters, made.outputs


def subject(c: Case, dtype: str) -> tuple[Cell, ReferenceAnswer]:
    workload = workloads.load(c.workload)
    weights = make_weights(workload, c, dtype, 0)
    return Cell(c, dtype, "jax_xla", "plain", Target("neuron", "trn1")), make_reference(
        workload, c, dtype, weights, 1, 2
    )


@pytest.mark.usefixtures("jax_here")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("c", CASES, ids=lambda c: f"{c.config.name}-{c.phase}")
def test_a_module_is_small_in_its_ids_without_calls_and_right(c: Case, dtype: str) -> None:
    from jaxlib import _hlo as jaxlib_hlo

    encoded, parameters, outputs = exported(c, dtype)
    module = Message(encoded)
    read = [Message(one) for one in module.all(proto.COMPUTATIONS)]
    ids = [Message(one).integer(proto.INSTRUCTION_ID) for each in read for one in each.all(proto.INSTRUCTIONS)]
    assert ids == list(range(1, len(ids) + 1))
    assert [each.integer(proto.COMPUTATION_ID) for each in read] == list(range(1, len(read) + 1))
    theirs = jaxlib_hlo.HloModule.from_serialized_hlo_module_proto(encoded)
    by_jaxlib = [(i.name, i.opcode.name) for each in theirs.computations() for i in each.instructions()]
    ours = [Message(one) for each in read for one in each.all(proto.INSTRUCTIONS)]
    assert sorted(name for name, _ in by_jaxlib) == sorted(one.text(proto.NAME) for one in ours)
    assert "kCall" not in {opcode for _, opcode in by_jaxlib}
    text = str(theirs.to_string())
    assert not re.search(r"\b(s64|u64|f64|c128)\[", text)
    assert "sharding" not in text
    assert list(parameters) == sorted(workloads.load(c.workload).specs(c))
    checks = verdicts(Form.NEURON, {"hlo.pb": encoded}, parameters, outputs, *subject(c, dtype))
    assert [check.passed for check in checks] == [True, True], [check.why for check in checks]


@pytest.mark.usefixtures("jax_here")
@pytest.mark.parametrize(
    ("pattern", "wrong"),
    [
        (r"subtract\((%[\w.]+), (%[\w.]+)\)", r"subtract(\2, \1)"),
        (r"constant\(1e-05\)", "constant(1)"),
        (r"direction=LE", "direction=LT"),
    ],
)
def test_a_module_that_was_changed_is_found_wrong(pattern: str, wrong: str) -> None:
    from jaxlib import _hlo as jaxlib_hlo

    from oneblock.compilers.xla import export as neuron_hlo

    encoded, parameters, outputs = exported(CASES[0], "float32")
    text, changed = re.subn(pattern, wrong, neuron_hlo.text(encoded), count=1)
    assert changed
    planted = jaxlib_hlo.hlo_module_from_text(text).as_serialized_hlo_module_proto()
    files, judged = {"hlo.pb": planted}, subject(CASES[0], "float32")
    assert not any(check.passed for check in verdicts(Form.NEURON, files, parameters, outputs, *judged))


@pytest.mark.usefixtures("jax_here")
def test_sixty_four_bits_are_refused_with_the_instruction() -> None:
    import jax
    import jax.numpy as jnp

    from oneblock.compilers.xla import export as neuron_hlo

    def program(a: dict[str, jax.Array]) -> dict[str, jax.Array]:
        return {"y": a["x"] + jnp.arange(4).astype(jnp.float32)}

    shapes = {"x": ((4,), np.dtype(np.float32))}
    assert neuron_hlo.export(program, shapes).outputs == ("y",)  # integers are of 32 bits there unless asked otherwise
    with jax.enable_x64(True), pytest.raises(HloProtoError, match=r"iota.* \(iota\) is of type s64"):
        neuron_hlo.export(program, shapes)


# The command.

WORDS = ["export", "block", "--preset", "tiny", "--phase", "prefill", "-T", "16", "--dtype", "bfloat16", "-o", "out"]


@pytest.mark.usefixtures("jax_here")
def test_the_command_hands_over_what_compiles_with_one_script(tmp_path: Path, no_compiler: Path) -> None:
    env = install(tmp_path)
    targets = ("--target", "neuron:inf2", "--target", "neuron:trn3")
    done = oneblock(env, *WORDS, *targets, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    name = "block-tiny-prefill-B1-T16-bfloat16"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"{name}.hlo.pb", f"{name}.hlo.txt", f"{name}.inf2.sh",
    ]  # fmt: skip
    assert "supported" not in (done.stdout + done.stderr).lower()
    assert "checked with 2 inputs: right" in done.stdout
    assert "neuron:trn3: no script: `neuronx-cc compile --target` takes inf2, trn1, trn1n, trn2" in done.stdout
    assert re.search(r"parameter .* structural", done.stdout)
    script = tmp_path / "out" / f"{name}.inf2.sh"
    fake_compiler(no_compiler, 'echo "$@"')
    env["PATH"] = os.environ["PATH"]
    ran = subprocess.run([script], env=env, capture_output=True, text=True, check=True)
    assert f"neuronx-cc {ran.stdout.strip()}" == compile_command(f"{name}.hlo.pb", name, "inf2")
    script.with_name(f"{name}.hlo.pb").write_bytes(b"another")
    assert subprocess.run([script], env=env, capture_output=True).returncode != 0, "it was not checked"


@pytest.mark.usefixtures("jax_here")
def test_the_command_answers_in_json_with_the_list_of_the_compiler_that_is_here(
    tmp_path: Path, no_compiler: Path
) -> None:
    fake_compiler(no_compiler, 'printf "Dot\\nReduce\\n"')
    env = install(tmp_path)
    done = oneblock(env, *WORDS, "--target", "neuron:trn2", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert "installed here" in said["operators"]["source"]
    (one,) = said["exports"]
    marks = {row["opcode"]: row["mark"] for row in one["opcodes"]}
    assert (marks["dot"], marks["add"], marks["constant"]) == ("in the list", "not in the list", "structural")
    assert [check["outputs"][0]["passed"] for check in one["written"]["checks"]] == [True, True]
    assert one["written"]["parameters"][0]["name"] == "down_weight"
    assert "supported" not in done.stdout.lower()


PLANT = """
from oneblock.compilers.hlo import proto as _hlo_proto
from oneblock.compilers.hlo.protobuf import Message

def plant(encoded, right=_hlo_proto.rewritten):
    module = Message(right(encoded))
    computations = [Message(one) for one in module.all(_hlo_proto.COMPUTATIONS)]
    for each in computations:
        body = [Message(one) for one in each.all(_hlo_proto.INSTRUCTIONS)]
        for one in body:
            if one.text(_hlo_proto.OPCODE) == "subtract":
                one.put_packed(_hlo_proto.OPERANDS, one.integers(_hlo_proto.OPERANDS)[::-1])
        each.put(_hlo_proto.INSTRUCTIONS, *(one.encode() for one in body))
    module.put(_hlo_proto.COMPUTATIONS, *(each.encode() for each in computations))
    return module.encode()

_hlo_proto.rewritten = plant
"""


@pytest.mark.usefixtures("jax_here")
def test_a_wrong_module_is_not_handed_over(tmp_path: Path) -> None:
    env = install(tmp_path)
    (tmp_path / "sitecustomize.py").write_text(PLANT)
    done = oneblock(env, *WORDS, "--target", "neuron:trn2", cwd=tmp_path)
    assert done.returncode == 1
    assert "nothing was handed over: input 0: y: " in done.stdout
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("export", "--target is missing: expected one or more of neuron:inf2, neuron:trn1"),
        ("export --target cpu", "--target cpu: expected one or more of neuron:inf2"),
        ("export --target neuron", "--target neuron: expected one or more of neuron:inf2"),
        ("export --target neuron:trn4", "did you mean 'neuron:trn"),
        ("export blok --target neuron:trn1", "did you mean 'block'"),
        ("export --preset gpt --target neuron:trn1", "did you mean 'gpt2'"),
        ("export block --tvm-trn", "--tvm-trn writes one page of its own"),
        ("export --target neuron:trn1 -o /proc/no", "/proc/no: cannot be written"),
        ("export --tvm-trn -o /proc/no", "/proc/no: cannot be written"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, words: str, says: str) -> None:
    work = tmp_path / "work"
    work.mkdir()
    done = oneblock(install(tmp_path), *words.split(), cwd=work)
    assert done.returncode == 2
    assert says in done.stderr
    assert list(work.iterdir()) == [], "a mistake leaves nothing behind"
