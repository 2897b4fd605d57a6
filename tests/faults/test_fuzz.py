"""Bad inputs by the thousand: records, words, checkpoints, bundles, schedules, kernels and stages of strangers."""

from __future__ import annotations

import contextlib
import copy
import gzip
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import types
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from oneblock import workloads
from oneblock.bench.commands.run import COMMAND as RUN
from oneblock.bench.format.errors import Refused
from oneblock.bench.records.bundle import unpack
from oneblock.bench.records.command import run_command
from oneblock.bench.records.store import read_record
from oneblock.bench.records.texts import StoreError
from oneblock.compilers import dialects
from oneblock.compilers.nki.restricted import check
from oneblock.compilers.nki.rules import RuleError
from oneblock.compilers.tvm import store as schedules
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.checkpoint import fingerprint, load_weights
from oneblock.workloads.answers.checkpoint_files import CheckpointError
from oneblock.workloads.models import preset
from tests.bench.report.test_report import record
from tests.faults.inside import ask_in_turn
from tests.faults.scene import Ended, Scene, hold
from tests.faults.strategies import ODD_TEXT, changed, damaged, functions
from tests.helpers.stage_records import HLO, facts, store

FIXTURES = Path(__file__).parents[1] / "fixtures"
SLOWEST_S = 10.0
BATCH = 20  # commands in one fork


def cpu_s() -> float:
    """The processor time of this process and of those it has waited for."""
    return sum(os.times()[:4])


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Any:
    """Count the inputs of a test, and hold each to its time."""
    tried = 0
    properties = request.node.user_properties

    def timed(act: Callable[..., Any], inputs: int = 1) -> Any:
        nonlocal tried
        begun = cpu_s()  # not by the wall: others may have the cores
        try:
            return act()
        finally:
            tried += inputs
            properties[:] = [("bad inputs", tried)]
            hold(cpu_s() - begun < SLOWEST_S, "hangs", f"{cpu_s() - begun:.1f} s of CPU")

    return timed


def by_the_batch(inputs: st.SearchStrategy[Any]) -> Callable[..., Any]:
    """`given` lists of inputs, as many in all as the profile says, for what a fork each would cost more than itself."""

    def decorated(each: Callable[..., Any]) -> Any:
        examples = -(-settings().max_examples // BATCH)
        return settings(max_examples=examples)(given(st.lists(inputs, min_size=BATCH, max_size=BATCH))(each))

    return decorated


def answered(scene: Scene, ended: Ended, *, as_json: bool) -> None:
    scene.holds_text(ended)
    scene.untouched()
    if as_json:
        scene.holds_json(ended)


@pytest.mark.campaign
@pytest.mark.parametrize("which", ["measured", "compiled", "old"])
def test_records(scene: Scene, tell: Any, which: str) -> None:
    """An odd record is named or shown, the good one is shown, in every command that reads."""
    folder, good = scene.work / "fuzz", scene.records
    if which == "measured":
        bases = [next(iter(scene.good.values()))]
    elif which == "old":
        bases = [path.read_bytes() for path in sorted(FIXTURES.glob("*/*.json"))]
    else:
        good = scene.work / "compiled"
        bases = [store(good, replace(record("jax_xla"), facts=facts()), hlo=HLO, jaxpr="let a = 1").read_bytes()]
    bad_ones = st.sampled_from([json.loads(base) for base in bases]).flatmap(changed)
    commands: list[tuple[str, ...]] = [
        ("show", "-o", "fuzz"), ("show", "-o", "fuzz", "--json"), ("show", "fuzz/bad.a.b.json", "-o", "fuzz"),
        ("compare", "fuzz", "fuzz", "--json"), ("compare", "fuzz", "fuzz"), ("show", "-o", "fuzz"),
        ("diff", "fuzz/bad.a.b.json", "fuzz/good.a.b.json", "-o", "fuzz"), ("show", "bad", "-o", "fuzz", "--stats"),
        ("report", "-o", "fuzz", "--to", "page.html"), ("show", "bad", "--step", "attention", "-o", "fuzz"),
    ]  # fmt: skip
    kept = next(good.glob("*.json")).read_bytes()

    def laid(number: int, bad: Any, words: tuple[str, ...]) -> tuple[str, ...]:
        """The command, of a folder of its own with the odd record and a good one."""
        own = folder / str(number)
        own.mkdir(parents=True)
        if (good / "artifacts").is_dir():
            (own / "artifacts").symlink_to(good / "artifacts")
        (own / "good.a.b.json").write_bytes(kept)
        (own / "bad.a.b.json").write_text(json.dumps(bad))
        return tuple(re.sub(r"^fuzz\b", f"fuzz/{number}", word) for word in words)

    @by_the_batch(st.tuples(bad_ones, st.sampled_from(commands)))
    def each(typed: list[tuple[Any, tuple[str, ...]]]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        lines = [laid(number, *one) for number, one in enumerate(typed)]
        answers = tell(lambda: ask_in_turn(lines, scene.work), len(lines))
        for (_, words), ended in zip(typed, answers, strict=True):
            answered(scene, ended, as_json="--json" in words and ended.status != 2)
            if words == ("show", "-o", "fuzz"):
                hold(ended.status == 0, "wrong status", ended)
                hold("block" in ended.out or "norm" in ended.out, "good records hidden", ended)

    each()


WORDS = st.one_of(
    ODD_TEXT,
    st.sampled_from(
        [
            "show",
            "report",
            "compare",
            "diff",
            "reproduce",
            "schema",
            "export",
            "kernel",
            "bisect",
            "tune",
            "doctor",
            "-o",
            "records",
            "nowhere",
            "--json",
            "--stage",
            "hlo",
            "--step",
            "attention",
            "--stats",
            "--to",
            "--export",
            "--against",
            "--help",
            "-h",
            "--debug",
            "--target",
            "tpu:v5e",
            "cpu@tp8",
            "-T",
            "8",
            "--backend",
            "reference",
            "norm",
            "records/x.json",
            "--",
            "-",
            "--version",
            "--no-index",
        ]
    ),
)
READS = ("show", "compare", "diff", "report", "schema")


@pytest.mark.campaign
def test_words(scene: Scene, tell: Any) -> None:
    """Whatever is typed after a command that reads is answered with a status and, under --json, with JSON."""

    @by_the_batch(st.tuples(st.sampled_from(READS), st.lists(WORDS, max_size=6), st.booleans()))
    def each(typed: list[tuple[str, list[str], bool]]) -> None:
        lines = []
        for command, words, as_json in typed:
            safe = [word.replace("/", "_") if word not in ("records/x.json",) else word for word in words]
            lines.append((command, *(["--json"] if as_json else []), *safe))
        for line, ended in zip(lines, tell(lambda: ask_in_turn(lines, scene.work), len(lines)), strict=True):
            if "--debug" in line:  # which asks for it
                ended = replace(ended, err=ended.err.replace("Traceback", ""))
            answered(scene, ended, as_json=line[1:2] == ("--json",) and not {"-h", "--help"} & set(line))

    each()


# The texts of a record that are words of its command.
SPOKEN = [("cell", "case", "workload"), ("cell", "case", "config", "name"), ("cell", "dtype"), ("cell", "backend"),
          ("cell", "ops_set"), ("cell", "target"), ("tier",), ("cell", "weights", "path")]  # fmt: skip
# Of each command that starts something: a mistake that it has at all events, and where an odd word is put besides.
PROGRAM = ("--preset", "--dtype", "--backend", "--target", "--phase", "-T", "-B", "-S", "--timeout", "--memory",
           "--threads", "")  # fmt: skip
STARTS = {
    "run": ("--tier=none-of-this-name", (*PROGRAM, "--set", "--weights", "--ops", "--layer")),
    "run ": ("--preset=none-of-this-name", ("--tier", "--seed")),
    "export": (
        "--phase=none-of-this-name",
        ("--preset", "--dtype", "--form", "--target", "--backend", "--for", "--to", ""),
    ),
    "bisect": ("--phase=none-of-this-name", ("--backend", "--of", "--drift", "--off", "--ops", "--target", "")),
    "tune": ("--phase=none-of-this-name", ("--preset", "--trials", "--cost-model", "--rpc", "--backend", "")),
    "reproduce": ("none-of-this-name", ("-o", "--timeout", "")),
}


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("command", "option"),
    [(command, option) for command, (_, options) in STARTS.items() for option in options],
)
def test_words_of_what_starts_something(scene: Scene, tell: Any, command: str, option: str) -> None:
    """A mistake in any option is refused before anything is started."""
    never = STARTS[command][0]

    @by_the_batch(st.tuples(ODD_TEXT, st.sampled_from([(), ("--json",)])))
    def each(typed: list[tuple[str, tuple[str, ...]]]) -> None:
        # The mistake comes first: a word that is an option takes what follows it.
        lines = [
            (command.strip(), never, *as_json, *((option, word) if option else (word,))) for word, as_json in typed
        ]
        answers = tell(lambda: ask_in_turn(lines, scene.work), len(lines))
        for (word, as_json), ended in zip(typed, answers, strict=True):
            helps = word in ("-h", "--help")
            answered(scene, ended, as_json=bool(as_json) and not helps)
            hold(ended.status == 2 or helps, "wrong status", (word, ended))
        scene.kept()

    each()


@pytest.mark.campaign
def test_the_command_of_a_record(scene: Scene, tell: Any) -> None:
    """What a page offers to be pasted into a shell is one command, whose words are the record's and no options."""
    base = json.loads(next(iter(scene.good.values())))
    base["cell"]["weights"] = {"path": "model.safetensors", "layer": 0, "sha256": "0" * 64}
    path = scene.plant(scene.work / "bad.a.b.json")
    parser = RUN.make_parser(click.Context(RUN))

    @given(st.sampled_from(SPOKEN), ODD_TEXT)
    def each(place: tuple[str, ...], text: str) -> None:
        bad: dict[str, Any] = copy.deepcopy(base)
        inner = bad
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = text
        path.write_text(json.dumps(bad))

        def read() -> None:
            with contextlib.suppress(StoreError):
                record = read_record(path)
                line = run_command(record)
                scene.holds_text(Ended(0, line, ""))
                typed = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True).stdout
                said = parser.parse_args(typed.decode().split("\0")[2:-1])[0]
                cell = record.cell
                assert said["workload"] == (cell.case.workload,)
                assert (said["backends"], said["ops_sets"]) == ([cell.backend], [cell.ops_set])
                assert (said["dtypes"], said["presets"]) == ([cell.dtype], [cell.case.config.name])
                assert (said["tier"], said["weights"]) == (record.tier, record.cell.weights.path)

        tell(read)

    each()


@pytest.mark.campaign
@pytest.mark.parametrize("what", ["tensors", "index"])
def test_checkpoints(scene: Scene, tell: Any, what: str) -> None:
    """A checkpoint is read to the right shapes, or CheckpointError says why not."""
    config, workload = preset("tiny"), workloads.load("norm")
    case = Case("norm", config, Phase.PREFILL, 1, 8, 8)
    path = scene.work / "model.safetensors"
    name = "model.layers.0.input_layernorm.weight"
    save_file({name: np.ones(config.width, np.float32), "model.layers.1.x": np.ones(3, np.float32)}, path)
    good = path.read_bytes()
    index = scene.work / "model.safetensors.index.json"
    files = {"metadata": {"total_size": 1}, "weight_map": {name: "model.safetensors", "b": "../../x"}}
    strategy = damaged(good) if what == "tensors" else changed(files).map(json.dumps).map(str.encode)

    @given(strategy)
    def each(data: bytes) -> None:
        asked = path if what == "tensors" else index
        asked.write_bytes(data)

        def read() -> None:
            try:
                fingerprint(asked, 0)
                arrays = load_weights(workload, case, "float32", asked, 0)
            except (CheckpointError, Refused):
                return
            assert all(isinstance(array, np.ndarray) for array in arrays.values())

        tell(read)

    each()


@pytest.mark.campaign
def test_bundles(scene: Scene, tell: Any) -> None:
    """A damaged bundle is refused or unpacked within its folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        packed.add(scene.records, "records")
    folder = scene.plant(scene.work / "b")
    scene.plant(scene.work / "b.tgz")

    @given(damaged(buffer.getvalue()[:8192]), st.booleans())
    def each(data: bytes, compressed: bool) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        (scene.work / "b.tgz").write_bytes(gzip.compress(data, 1) if compressed else data)

        def read() -> None:
            try:
                unpack(scene.work / "b.tgz")
            except Refused:
                assert not folder.exists()

        tell(read)
        scene.kept()

    each()


@pytest.mark.campaign
def test_schedules(scene: Scene, tell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database of schedules that is damaged is refused by the name of its folder."""
    about = schedules.About("tvm-0.27.0", "llvm-x-2", "a machine")
    monkeypatch.setenv("ONEBLOCK_TUNED", str(scene.work / "tuned"))
    folder = scene.work / "tuned" / about.toolchain / about.target / "seed-0"
    folder.mkdir(parents=True)
    rows = [[0, [[[0], []], [0.5], {"keys": ["cpu"]}, [["TENSOR", "float32", [1, 2]]]]]]
    texts = {"about.json": {"format": 1, "toolchain": about.toolchain, "target": about.target, "machine": "x"},
             "database_workload.json": ["abc", "e30="], "database_tuning_record.json": rows[0],
             "batches.json": [0, 1.5]}  # fmt: skip

    @given(
        st.sampled_from(sorted(texts)).flatmap(
            lambda name: st.tuples(st.just(name), changed(texts[name]), st.booleans())
        )
    )
    def each(drawn: tuple[str, Any, bool]) -> None:
        name, bad, cut = drawn
        for other, good in texts.items():
            (folder / other).write_text(json.dumps(good) + "\n")
        text = json.dumps(bad)
        (folder / name).write_text(text[: len(text) // 2] + "\n" if cut else text + "\n")

        def read() -> None:
            said = ""
            try:
                schedules.fingerprint()
                for kept in schedules.own(about):
                    schedules.fastest([kept], "abc")
            except schedules.StoreError as error:
                said = str(error)
            assert not said or str(folder) in said

        tell(read)

    each()


@pytest.mark.campaign
def test_the_language_check_of_kernels(scene: Scene, tell: Any) -> None:
    """A kernel is in the language or RuleError says what is not; nothing of it is run."""
    number = 0

    @given(functions())
    def each(source: str) -> None:
        nonlocal number
        number += 1
        path = scene.work / f"k{number}.py"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                code = compile(source, str(path), "exec")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
        path.write_text(source)
        made: dict[str, Any] = {}
        exec(code, made)  # defines the function, whose defaults are numbers
        assert isinstance(made["kernel"], types.FunctionType)

        def read() -> None:
            with contextlib.suppress(RuleError):
                check(made["kernel"])

        tell(read)
        path.unlink()

    each()


PIECES = st.sampled_from(
    [
        "%a.1 = f32[4]{0} add(%b, %c)",
        'metadata={op_name="jit(block)/attention/exp"}',
        "ENTRY %main",
        "HloModule x",
        "{",
        "}",
        'loc("x")',
        '#loc1 = loc("attention"(#loc2))',
        "#loc2 = loc(#loc1)",
        "module {",
        "func.func @main(",
        "// kernel",
        ".loc 1 2 3",
        '\t.file 1 "x.py"',
        "ld.global.b32 %r1, [%rd1];",
        "bb0:",
        '%0 = "a.b"() : () -> ()',
        "lambda ; a:f32[2]. let",
        "in (b,) }",
        "@T.prim_func",
        "# from tvm.script import",
        "define void @f(",
        "!dbg !12",
        "!12 = !DILocation(line: 1, scope: !12)",
        "((((((((",
        '"""',
        "'" * 9,
        "\\" * 50,
        "a" * 300,
        " " * 2000,
        "[" * 300,
        "<" * 300,
        "/*",
        "*/",
        "//",
        "0x" + "f" * 300,
        "1e" * 100,
    ]
)


@pytest.mark.campaign
def test_stages(scene: Scene, tell: Any) -> None:
    """The readers of every dialect take any text for one of theirs: they tell steps or nothing, in time."""
    spelt = sorted(dialects.names())
    steps = ("norm1", "attention", "proj")

    @given(
        st.sampled_from(spelt),
        st.lists(st.one_of(PIECES, st.text(max_size=20)), max_size=40),
        st.sampled_from(["\n", " ", ""]),
    )
    def each(dialect: str, pieces: list[str], between: str) -> None:
        text = between.join(pieces)

        def read() -> None:
            dialects.read(dialect, text, dialects.context(None, {dialect: text}, steps))
            dialects.normalised(dialect, text)
            dialects.schedule(dialect, text, steps)
            for line in text.splitlines():
                dialects.opcode(dialect, line)

        tell(read)
        assert dialects.refused() == {}, "a reader that failed was left out"

    each()
