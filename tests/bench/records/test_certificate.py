"""Certificates are read as a stranger's: right or named, and apart from the records of cells."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oneblock.bench.commands.schema import COMMAND as SCHEMA
from oneblock.bench.format.errors import Refused
from oneblock.bench.records.certificate import (
    Certificate,
    Divergence,
    Prompts,
    WholeModel,
    add,
    certificates,
    find_certificate,
    read_certificate,
)
from oneblock.bench.records.store import Store, StoreError
from tests.bench.report.test_report import ENVIRONMENT, record

Told = dict[str, Any]


def certificate(backend: str = "jax_xla", *found: Divergence, dtype: str = "bfloat16") -> Certificate:
    """Of 4 prompts and 8 tokens."""
    return Certificate(
        schema=1, certificate="tokens", created="2026-11-30T01:02:03.004Z", backend=backend, dtype=dtype,
        model=WholeModel("llama", "some/model", "a" * 64), prompts=Prompts(None, "b" * 64, "c" * 64, 4, 16),
        tokens=8, positions=32, divergences=found, environment=ENVIRONMENT,
    )  # fmt: skip


ONE = Divergence(1, 3, 7, 9, margin=0.25, budget=0.5, layer=2)


def test_it_is_read_back_as_it_was_and_never_written_over(tmp_path: Path) -> None:
    made = certificate("jax_xla", ONE)
    paths = [add(tmp_path, made), add(tmp_path, made)]
    assert len(set(paths)) == 2
    assert [read_certificate(path) for path in paths] == [made, made]
    assert paths[0].parent == tmp_path / "certificates"
    assert paths[0].name.startswith("certify-llama-4x8-bfloat16-jax_xla.")


def test_who_reads_cells_has_no_other_file_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.add(record())
    add(tmp_path, certificate())
    found, problems = store.records()
    assert (len(found), problems) == (1, [])


def _with(**more: Any) -> Callable[[Told], Told]:
    return lambda told: told | more


def _one(**more: Any) -> Callable[[Told], Told]:
    return lambda told: told | {"divergences": [told["divergences"][0] | more]}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (_with(schema=2), "a certificate of schema 2, and this oneblock reads 1: upgrade oneblock"),
        (_with(schema="1"), "schema: "),
        (_with(certificate="of birth"), "certificate: "),
        (_with(kind="modelled"), "kind: "),
        (_with(more=1), "more: "),
        (_with(positions=31), "expected 4 times 8 positions, got 31"),
        (_with(tokens=0), "tokens: "),
        (_with(created="yesterday"), "created: "),
        (_with(model={"name": "llama", "path": "x", "sha256": "../../secret"}), "model.sha256: "),
        (_one(margin=-0.1), "divergences.0.margin: "),
        (_one(budget="Infinity"), "divergences.0.budget: "),
        (_one(got=7), "expected two tokens that differ at prompt 1, token 3, got 7 twice"),
        (_one(prompt=4), "expected positions of 4 prompts and 8 tokens, got one of prompt 4, token 3"),
        (_one(position=8), "expected positions of 4 prompts and 8 tokens, got one of prompt 1, token 8"),
        (lambda told: told | {"divergences": told["divergences"] * 2}, "expected each position once, got one twice"),
        (lambda told: [told], "a certificate"),
    ],
)  # fmt: skip
def test_what_is_none_is_named_and_those_beside_it_are_read(
    tmp_path: Path, changed: Callable[[Told], Any], says: str
) -> None:
    path, good = add(tmp_path, certificate("jax_xla", ONE)), certificate("torch_eager")
    add(tmp_path, good)
    path.write_text(json.dumps(changed(json.loads(path.read_text()))))
    with pytest.raises(StoreError) as refused:
        read_certificate(path)
    assert says in str(refused.value)
    found, problems = certificates([tmp_path])
    assert [one for _, one in found] == [good]
    assert [problem.path for problem in problems] == [path]


@pytest.mark.parametrize("raw", [b"", b'{"schema": 1', b"\xff", b'{"schema": 1e999}', b"[" * 99999])
def test_a_file_that_is_cut_or_odd_is_named(tmp_path: Path, raw: bytes) -> None:
    path = add(tmp_path, certificate())
    path.write_bytes(raw)
    with pytest.raises(StoreError, match=r"certificates/.*\.json"):
        read_certificate(path)


def test_what_nobody_could_read_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="positions"):
        add(tmp_path, replace(certificate(), positions=1))
    assert not list(tmp_path.iterdir())


def test_of_one_question_backend_and_machine_the_newest_counts(tmp_path: Path) -> None:
    new = replace(certificate("jax_xla"), created="2026-12-01T00:00:00.000Z")
    for one in (new, certificate("jax_xla", ONE), certificate("torch_eager")):
        add(tmp_path, one)
    assert [one for _, one in certificates([tmp_path])[0]] == [new, certificate("torch_eager")]


def test_words_name_one_and_a_cells_words_none(tmp_path: Path) -> None:
    path = add(tmp_path, certificate("jax_xla"))
    add(tmp_path, certificate("torch_eager"))
    assert (
        find_certificate("certify jax_xla", tmp_path) == certificate("jax_xla") == find_certificate(str(path), tmp_path)
    )
    assert find_certificate("block-tiny jax_xla", tmp_path) is None
    assert find_certificate(str(Store(tmp_path).add(record())), tmp_path) is None
    with pytest.raises(Refused, match=r"in the names of 2 of 2 certificates; name one:\n  certify-llama"):
        find_certificate("certify", tmp_path)


def test_its_schema_is_told() -> None:
    told = json.loads(CliRunner().invoke(SCHEMA, ["certificate"]).stdout)
    assert {"certificate", "divergences", "prompts"} <= set(told["required"])
