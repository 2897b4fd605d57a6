"""A new stage is added in two places, its capture and one Dialect, and then shows wherever stages are shown."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from oneblock import backends, workloads
from oneblock.backends.api.target import Target
from oneblock.bench.commands.diff import COMMAND as DIFF
from oneblock.bench.commands.doctor import COMMAND as DOCTOR
from oneblock.bench.commands.report import COMMAND as REPORT
from oneblock.bench.commands.show import COMMAND as SHOW
from oneblock.bench.records.store import Store
from oneblock.compilers import Artifact, Detail, Stage, dialects
from oneblock.compilers.dialects import Dialect, File, Lexer
from tests.bench.report.test_report import record
from tests.helpers.cases import case
from tests.helpers.oneblock_process import on_a_terminal, publish
from tests.helpers.stage_records import run

# What somebody writes who adds a stage: where the compiler captures it, and what is known of its dialect.
ADDED = r"""
import os, re
from dataclasses import replace

from oneblock.backends.reference import Reference
from oneblock.compilers import Artifact, Lowering, Stage
from oneblock.compilers.dialects import Dialect, File, Lexer, Lines, Names, Noise

TEXT = "; a program of tiles\nnorm1: tile.square %x\nnorm1: tile.scale %x, 4\ntile.store %y\n"


class Tiles(Reference):
    name = "tiles"
    made = 0

    def compile(self, *args, **kwargs):
        Tiles.made += 1
        return replace(super().compile(*args, **kwargs), capture=lambda detail: Lowering((
            Artifact(Stage.LOWERED, "tile", TEXT), Artifact(Stage.MACHINE, "tile:store_kernel", TEXT))))

    def compilations(self):
        return Tiles.made


BACKEND = Tiles()


def lines(kernel, text, context):
    rows = text.splitlines()
    steps = tuple(tuple(step for step in context.steps if row.startswith(f"{step}:")) for row in rows)
    return Lines(steps, tuple("tile." in row for row in rows))


def opcode(line):
    found = re.search(r"tile\.(\w+)", line)
    return found and found[1]


TILE = Dialect(
    names=("tile",), stages=(Stage.LOWERED, Stage.MACHINE), reader=lines, opcode=opcode,
    lexer=Lexer((("comment", ";.*"), ("operation", r"\btile\.\w+"), ("variable", r"%\w+"))),
    file=File(".tile", "tile-view opens it"),
)


def raising(*args):
    raise RuntimeError("on the way")


SHORT = replace(TILE, names=("short",), reader=lambda kernel, text, context: Lines((), ()))
NOTHING = replace(TILE, names=("nothing",), reader=lambda kernel, text, context: None)
STRANGER = replace(TILE, names=("stranger",), reader=lambda kernel, text, context: Lines(
    tuple(("a step of theirs",) for _ in text.splitlines()), tuple(True for _ in text.splitlines())))
RAISING = replace(TILE, names=("raising",), reader=raising, kernels=raising, schedule=raising, noise=Noise(
    re.compile("(?!)"), (), (Names(re.compile(r"(?P<name>%\w+)"), raising, str, re.compile("%.*")),)))
NAMELESS = replace(TILE, names=("nameless",), opcode=lambda line: 5)
HALF, NO_DIALECT = TILE.names, {"names": "tile"}
COLLIDES = replace(TILE, names=("collides", "hlo"))
MISNAMED = replace(TILE, names=("right",))


def __getattr__(name):
    if name == "STAGELESS":
        return Dialect(names=("stageless",))
    if name == "UNREADABLE":
        return Dialect(names=("unreadable",), stages=(Stage.LOWERED,), lexer=Lexer((("comment", "(?P<of>;.*)"),)))
    raise AttributeError(name)
"""
REFUSED = {
    "no_dialect": ("NO_DIALECT", "expected a Dialect, got dict"),
    "half": ("HALF", "expected a Dialect, got tuple"),
    "stageless": ("STAGELESS", "TypeError"),
    "unreadable": ("UNREADABLE", "JavaScript reads as Python does"),
    "collides": ("COLLIDES", "there is a dialect of that name already: hlo"),
    "misnamed": ("MISNAMED", "the entry point has to be named after it, 'right'"),
    "absent": ("ABSENT", "AttributeError"),
}
FAILING = {  # what of a dialect fails, once a text of it is read
    "short": "its reader fails: ValueError: steps: expected a tuple of one for each of 4 lines, got 0",
    "nothing": "its reader fails: ValueError: expected Lines, got NoneType",
    "stranger": "its reader fails: ValueError: expected steps that the program has",
    "raising": "its reader fails: RuntimeError: on the way",
    "nameless": "its opcode fails: TypeError: expected a name or None, got 5",
}

MORE = "norm1: tile.square %x\nnorm1: tile.square %x\ntile.store %y\n"


class Added:
    """Somebody's package, and records of its stage: of a capture, and of another program with one operation more."""

    def __init__(self, folder: Path) -> None:
        points = {"tile": "TILE", **{name: of for name, (of, _) in REFUSED.items()}}
        points |= {name: name.upper() for name in FAILING}
        self.folder = folder
        self.env = publish(
            folder, "tiles_of_theirs", ADDED, {"oneblock.backends": {"tiles": "BACKEND"}, "oneblock.dialects": points}
        )
        with self.installed():
            compiled = backends.load("tiles").compile(workloads.load("block"), case(), {}, "plain", Target("cpu"))
            self.a = self.kept("a", compiled.capture(Detail.DEFAULT).artifacts)
        self.b = self.kept("b", [Artifact(Stage.LOWERED, "tile", MORE)])

    def kept(self, name: str, stages: Sequence[Artifact]) -> Path:
        """A record of these stages, in a folder of its own."""
        store = Store(self.folder / name)
        refs = tuple(store.add_artifact(stage) for stage in stages)
        return store.add(replace(record("tiles"), schema=5, artifacts=refs))

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Within it, the package is there; what was found of dialects before and within is forgotten."""
        dialects.registry.cache_clear()
        with pytest.MonkeyPatch.context() as patched:
            patched.syspath_prepend(str(self.folder))
            yield
        dialects.registry.cache_clear()


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Added:
    return Added(tmp_path_factory.mktemp("added"))


@pytest.fixture
def here(added: Added) -> Iterator[Added]:
    with added.installed():
        yield added


def answer(command: click.Command, *words: object, code: int = 0) -> Any:
    """What a command answers in JSON."""
    status, said = run(command, *words, "--json")
    assert status == code, said
    return json.loads(said)


def page(path: Path, folder: Path) -> dict[str, Any]:
    """The Explorer's data in a report of a record, and the exports beside it."""
    code, said = run(REPORT, "-o", path.parent, "--to", folder / "page.html", "--export", folder / "out")
    assert code == 0, said
    found = re.search(r'id="stages">(.*?)</script>', (folder / "page.html").read_text(), re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_it_shows_at_the_terminal_in_its_colours(added: Added) -> None:
    shown = on_a_terminal(["show", str(added.a), "--stage", "tile", "--no-pager"], **added.env)
    assert "\x1b[92mtile.square\x1b[0m" in shown
    assert "\x1b[91m%x\x1b[0m, 4" in shown, "a number is no rule of its"


def test_its_lines_have_steps_and_its_operations_are_counted(here: Added) -> None:
    whole, kernel = answer(SHOW, here.a, "--step", "norm1")
    assert [line["line"] for line in whole["lines"]] == [2, 3]
    assert kernel["dialect"] == "tile:store_kernel"
    stats, _ = answer(SHOW, here.a, "--stats")
    assert (stats["operations"], stats["by_step"]) == (3, {"norm1": 2, "": 1})
    assert stats["most_frequent"] == {"square": 1, "scale": 1, "store": 1}


def test_two_of_it_differ_in_the_step_that_was_changed(here: Added) -> None:
    found = answer(DIFF, here.a, here.b, "--stage", "tile", code=1)
    changed = {part["step"]: part["operations"] for part in found["steps"]}
    assert changed == {"norm1": {"square": [1, 2], "scale": [1, 0]}, None: {}}


def test_the_page_has_its_lines_and_its_lexer_and_the_exports_its_text(here: Added, tmp_path: Path) -> None:
    data = page(here.a, tmp_path)
    stage = data["cells"][0]["stages"][0]
    assert data["lexers"][stage["lexer"]][1] == ["operation", r"\btile\.\w+"]
    assert stage["counts"] == {"norm1": [2, 2], "none": [2, 1]}
    (program,) = (tmp_path / "out" / "tile").glob("*.tile")
    assert "tile.scale" in program.read_text()
    assert (tmp_path / "out" / "tile" / "README.md").read_text() == "tile-view opens it"


def test_a_record_whose_dialect_is_gone_is_shown_plainly(added: Added, tmp_path: Path) -> None:
    a, b = added.a, added.b
    assert "== lowered tile: no step attribution for this dialect" in run(SHOW, a, "--step", "norm1")[1]
    assert "tile.scale %x, 4" in run(SHOW, a, "--stage", "tile")[1]
    assert answer(SHOW, a, "--stats")[0]["attributed"] is None
    (part,) = answer(DIFF, a, b, "--stage", "tile", code=1)["steps"]
    assert "-norm1: tile.scale %x, 4" in part["diff"]
    code, said = run(DIFF, a, b, "--stage", "tile", "--step", "norm1")
    assert (code, "no step attribution for tile: leave --step out" in said) == (2, True)
    assert run(DIFF, a, b)[0] == 1
    data = page(a, tmp_path)
    stage = data["cells"][0]["stages"][0]
    assert data["lexers"][stage["lexer"]] == [list(rule) for rule in dialects.lexer("passes").rules]
    assert "counts" not in stage
    assert "text" in stage


def test_a_dialect_that_cannot_be_used_is_named_and_the_rest_works(here: Added) -> None:
    assert dialects.find("tile") is not None
    assert dialects.refused().keys() == REFUSED.keys(), "all of them, and not the one that is right"
    for name, (of, why) in REFUSED.items():
        said = dialects.refused()[name]
        assert said.startswith(f"dialect {name} of tiles_of_theirs:{of} is left out: ")
        assert why in said
    code, printed = run(DOCTOR, "--backend", "reference")
    assert (code, "there is a dialect of that name already: hlo" in " ".join(printed.split())) == (0, True)


def test_a_stage_of_a_dialect_that_was_left_out_says_why(here: Added, tmp_path: Path) -> None:
    shutil.copytree(here.a.parent, tmp_path / "records")
    path = tmp_path / "records" / here.a.name
    path.write_text(path.read_text().replace('"tile"', '"misnamed"'))
    said = run(SHOW, path, "--step", "norm1")[1]
    assert "no step attribution for this dialect (dialect misnamed of tiles_of_theirs:MISNAMED is left out" in said


def test_a_dialect_whose_functions_fail_costs_the_steps_of_its_texts(here: Added, tmp_path: Path) -> None:
    for name, why in FAILING.items():
        shutil.copytree(here.a.parent, tmp_path / name)
        path = tmp_path / name / here.a.name
        path.write_text(path.read_text().replace('"tile"', f'"{name}"'))
        stats, kernel = answer(SHOW, path, "--stats")
        assert kernel["by_step"] == {"norm1": 2, "": 1}, "the other text is read"
        if name == "nameless":
            assert (stats["operations"], stats["most_frequent"]) == (3, {"(other)": 3})
        else:
            assert stats["operations"] is None
            shown = " ".join(run(SHOW, path, "--step", "norm1")[1].split())
            assert f"no step attribution for this dialect (dialect {name} of tiles_of_theirs:{name.upper()}" in shown
        assert why in dialects.refused()[name]
        assert run(DIFF, path, path, "--stage", name)[0] == 0
        data = page(path, tmp_path / name)
        stage = data["cells"][0]["stages"][0]
        assert ("counts" in stage, why in stage.get("unread", "")) == (
            (True, False) if name == "nameless" else (False, True)
        )
    said = dialects.refused()
    assert dialects.rows("raising", "%a\n%b") == ["%a", "%b"]
    assert "its noise fails" in said["raising"]
    assert dialects.context(None, {"raising": "x"}, ["norm1"]).kernels == {}
    assert "its kernels fails" in said["raising"]
    assert dialects.schedule("raising", "x", ["norm1"]) == {}
    assert "its schedule fails" in said["raising"]


def test_a_reader_of_ours_that_fails_is_a_bug_and_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(*of: object) -> Any:
        raise RuntimeError("ours")

    monkeypatch.setitem(dialects.registry().known, "hlo", Dialect(("hlo",), (Stage.OPTIMIZED,), reader=raising))
    with pytest.raises(RuntimeError, match="ours"):
        dialects.read("hlo", "x", dialects.context(None, {}, []))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"names": ("Upper",)}, "names of small letters"),
        ({"names": ()}, "names of small letters"),
        ({"names": "tile"}, "expected names to be tuple"),
        ({"names": ("a:b",)}, "names of small letters"),
        ({"stages": ()}, "expected stages among graph, lowered"),
        ({"stages": ("lowered",)}, "expected stages among graph, lowered"),
        ({"reader": "lines"}, "expected reader to be a function or None"),
        ({"lexer": "python"}, "expected lexer to be Lexer"),
        ({"file": File}, "expected file to be File or NoneType"),
        ({"noise": "#.*"}, "expected noise to be Noise or NoneType"),
    ],
)
def test_half_a_dialect_is_none(fields: dict[str, Any], why: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(why)):
        Dialect(**({"names": ("tile",), "stages": (Stage.LOWERED,)} | fields))


@pytest.mark.parametrize(
    "rules",
    [
        (),
        (("comment", "(?i)rem.*"),),
        (("comment", "(?P<all>;.*)"),),
        (("comment", r"(?<=^|\s);.*"),),
        (("comment", ";*+"),),
        (("comment", ";*"),),
        (("comment", "("),),
        (("remark", ";.*"),),
        (("comment", ";.*"), ("comment", "#.*")),
    ],
)
def test_an_expression_that_the_page_could_not_read_is_no_lexer(rules: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(ValueError, match=r"expected kinds of tokens|must find one character|is no expression"):
        Lexer(rules)


@pytest.mark.parametrize("path", sorted(Path(dialects.__file__).parent.glob("[!_]*.py")), ids=lambda path: path.stem)
def test_a_public_file_of_dialects_has_some(path: Path) -> None:
    module = __import__(f"oneblock.compilers.dialects.{path.stem}", fromlist=["DIALECTS"])
    assert module.DIALECTS
    assert all(dialects.find(name) is dialect for dialect in module.DIALECTS for name in dialect.names), "names clash"


@pytest.mark.parametrize(("suffix", "readme"), [("mlir", "x"), ("/../x", "x"), (None, "x"), (".mlir", None)])
def test_half_a_file_is_none(suffix: Any, readme: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        File(suffix, readme)
