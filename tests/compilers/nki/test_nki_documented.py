"""Documented names: a list of AWS's, and of each what a kernel would meet that asks for it."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from oneblock.bench.commands.kernel import COMMAND
from oneblock.compilers.api.names import DocumentedName, Known
from oneblock.compilers.nki import documented as of
from oneblock.compilers.nki import isa, language
from oneblock.compilers.nki.rules import NotInterpreted, RuleError
from tests.helpers.stage_records import run

MODULES: dict[str, ModuleType] = {"nki.isa": isa, "nki.language": language}


def names(module: str, known: Known) -> set[str]:
    return {one.name for one in of.documented().names if (one.module, one.known) == (module, known)}


def test_every_instruction_of_the_interpreter_is_documented() -> None:
    """Else a kernel would run here, and nowhere else."""
    assert names("nki.isa", Known.INTERPRETED) == {*isa.__all__}
    assert {*language._OPERATORS} - {one.name for one in of.documented().names} == set()


@pytest.mark.parametrize("one", of.documented().names, ids=lambda one: f"{one.module}.{one.name}")
def test_a_kernel_that_asks_for_a_name_meets_what_is_said_of_it(one: DocumentedName) -> None:
    if one.known is Known.INTERPRETED:
        assert getattr(MODULES[one.module], one.name) is not None
    else:
        with pytest.raises(NotInterpreted, match=one.name):
            getattr(MODULES[one.module], one.name)


def test_what_is_told_follows_the_interpreter_and_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tomllib.loads(of.DOCUMENT.read_text())
    assert max(Counter(name for listed in told["names"].values() for name in listed).values()) <= 2, "in each once"
    document = tmp_path / "documented.toml"
    document.write_text('version = "NKI 9"\nsource = "a page"\n[names]\n"nki.isa" = ["memset", "fly"]\n')
    monkeypatch.setattr(of, "DOCUMENT", document)
    before = {one.name: one.known for one in of.documented().names}
    monkeypatch.setattr(isa, "fly", lambda: None, raising=False)
    assert before == {"memset": Known.INTERPRETED, "fly": Known.UNKNOWN}
    assert {one.known for one in of.documented().names} == {Known.INTERPRETED}


def test_the_command_lists_them_with_the_version_of_the_document() -> None:
    status, said = run(COMMAND, "--list")
    assert status == 0
    assert "NKI 0.6.0, Neuron SDK 2.32.0, by github.com/aws-neuron/aws-neuron-sdk" in said
    told = json.loads(run(COMMAND, "--list", "--json")[1])
    assert {"module": "nki.isa", "name": "topk", "known": "unknown", "why": ""} in told["names"]
    assert all(one["why"] for one in told["names"] if one["known"] == "refused")
    (sine,) = (one for one in told["names"] if one["name"] == "sin")
    assert "not as a call" in sine["why"]


def test_a_backend_whose_language_nobody_documents_is_refused() -> None:
    status, said = run(COMMAND, "--list", "--backend", "reference")
    assert (status, "expected one that has a documented kernel language: neuron_nki" in said) == (2, True), said


@pytest.mark.parametrize(
    ("words", "missing"),
    [(("--target", "neuron:trn2"), "SCRIPT"), ((__file__,), "--target, for which there is no default")],
)
def test_without_a_script_or_its_target_nothing_is_run(words: tuple[str, ...], missing: str) -> None:
    status, said = run(COMMAND, *words)
    assert (status, f"Missing {missing}; or give --list" in said) == (2, True), said


def test_a_call_of_what_is_an_operator_alone_says_so() -> None:
    with pytest.raises((NotInterpreted, RuleError), match="reduces its argument's range"):
        language.__getattr__("sin")(None)
