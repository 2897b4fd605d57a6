"""The command line: a mistake is one sentence with the nearest names; every command answers in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from safetensors.numpy import save_file

from oneblock.bench.records.store import read_record
from tests.helpers.oneblock_process import install, oneblock, oneblock_here

RUN = ["run", "norm", "--preset", "tiny", "-T", "8", "--backend", "reference", "-o", "records"]


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return install(tmp_path_factory.mktemp("cli"))


@pytest.fixture(scope="module")
def study(env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the records of one run."""
    folder = tmp_path_factory.mktemp("study")
    done = oneblock(env, *RUN, "--dtype", "float32", "--dtype", "bfloat16", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("rn", "unknown command 'rn'; did you mean 'run'"),
        ("run blok", "unknown workload 'blok'; did you mean 'block'"),
        ("run --preset lama-1b", "did you mean 'llama-1b'"),
        ("run --dtype float23", "did you mean 'float32'"),
        ("run --backend torch_egaer", "did you mean 'torch_eager'"),
        ("run --target cuda:sm_91", "did you mean 'cuda:sm_90'"),
        ("run --phase decoed", "did you mean 'decode'"),
        ("run --ops nativ", "did you mean 'native'"),
        ("run --tier standart", "did you mean 'standard'"),
        ("run --oops", "No such option"),
        ("run -T 0", "T: expected at least 1, got 0"),
        ("run -B -1", "B: expected at least 1, got -1"),
        ("run -T many", "not a valid integer"),
        ("run --preset tiny --set kv_heads=3", "heads=4 is not a multiple of kv_heads=3"),
        ("run --set kv_heads", "--set takes NAME=VALUE"),
        ("run --set kvheads=3", "did you mean 'kv_heads'"),
        ("run --weights nowhere.safetensors", "nowhere.safetensors: cannot be read"),
        ("run --timeout nan", "expected a finite number"),
        ("run --memory inf", "expected a finite number"),
        ("run --threads 4096", "more threads than cores"),
        ("run norm --phase decode", "norm has no decode phase"),
        ("show nothing-like-it -o nowhere", "nowhere: no such directory"),
        ("show missing.json", "missing.json: cannot be read"),
        ("compare a b", "a: no such directory"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_status_2(tmp_path: Path, words: str, says: str) -> None:
    done = oneblock_here(*words.split(), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("oneblock: ")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [], "a mistake leaves nothing behind"


def test_debug_shows_where(env: dict[str, str], tmp_path: Path) -> None:
    done = oneblock(env, "run", "blok", "--debug", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_size_beyond_memory_is_an_answer(env: dict[str, str], tmp_path: Path) -> None:
    words = ["run", "block", "--preset", "tiny", "--phase", "decode", "-S", "1000000000000", "--backend", "reference"]
    done = oneblock(env, *words, "--json", cwd=tmp_path)
    assert done.returncode == 1
    (record,) = json.loads(done.stdout)
    assert record["status"] == "out_of_memory"
    assert "may be used" in record["reason"]


def test_a_target_that_the_backend_has_not_is_unsupported(env: dict[str, str], tmp_path: Path) -> None:
    done = oneblock(env, *RUN, "--target", "tpu:v5e", "--json", cwd=tmp_path)
    assert done.returncode == 1
    (record,) = json.loads(done.stdout)
    assert (record["status"], record["launches"]) == ("unsupported", [])
    assert "it has cpu" in record["reason"]


@pytest.mark.slow
def test_every_command_answers_in_json(env: dict[str, str], study: Path) -> None:
    read = (
        "show --json",
        "show float32 --json",
        "schema --json",
        "schema",
        "report --json",
        "compare records records --json",
    )
    done = [oneblock_here(*words.split(), cwd=study) for words in read]
    run = ["doctor", "--json", "--backend", "reference"], ["reproduce", "float32", "--json"], [*RUN, "--json"]
    done += [oneblock(env, *words, cwd=study) for words in run]
    for each in done:
        assert json.loads(each.stdout), (each.args, each.stderr)


def test_records_fit_the_schema_and_altered_ones_do_not(study: Path) -> None:
    schema = json.loads(oneblock_here("schema", cwd=study).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for path in (study / "records").glob("*.json"):
        record = json.loads(path.read_text())
        validator.validate(record)
        record["check"]["outputs"][0]["worst_got"] = "NaN"  # as a wrong answer may be
        validator.validate(record)
        for change in ({"status": "fine"}, {"schema": 99}, {"surprise": 1}, {"launches": [{}]}):
            assert not validator.is_valid(record | change), change


def test_what_has_a_record_is_not_measured_again_unless_asked(env: dict[str, str], study: Path) -> None:
    before = sorted((study / "records").glob("*.json"))
    done = oneblock(env, *RUN, "--dtype", "float32", cwd=study)
    assert "1 of 1 cells had a record already" in done.stderr
    assert sorted((study / "records").glob("*.json")) == before
    again = oneblock(env, *RUN, "--dtype", "float32", "--again", "-o", "again", cwd=study)
    assert "had a record already" not in again.stderr


def changed(source: Path, target: Path, change: dict[str, Any]) -> None:
    """A copy of a folder's records with other samples, or other values at dotted places."""
    target.mkdir()
    for path in source.glob("*.json"):
        record = json.loads(path.read_text())
        for place, value in change.items():
            *way, last = place.split(".")
            inner = record
            for step in way:
                inner = inner[step]
            inner[last] = value(inner[last]) if callable(value) else value
        (target / path.name).write_text(json.dumps(record))


def lasting(seconds: float) -> Any:
    """Other samples than measured ones, which on a busy machine lie further apart than any factor sets them."""
    samples = {"cold_s": [seconds, 1.01 * seconds] * 10, "disturbance": None}
    return lambda launches: [one | samples for one in launches]


@pytest.mark.parametrize(
    ("change", "says", "code"),
    [
        ({"launches": lasting(1.0)}, "SLOWER", 1),
        ({"launches": lasting(1e-8)}, "FASTER", 0),
        ({}, "", 0),
        ({"environment.machine.threads": 64}, "machine.threads", 2),
        ({"tier": "standard"}, "tier", 2),
        ({"status": "crashed"}, "B is crashed and has no time", 2),
    ],
    ids=["slower", "faster", "same", "threads", "tier", "crashed"],
)
def test_compare_says_what_is_so_and_exits_by_it(
    study: Path, tmp_path: Path, change: dict[str, Any], says: str, code: int
) -> None:
    changed(study / "records", tmp_path / "a", {"launches": lasting(1e-3)})
    changed(tmp_path / "a", tmp_path / "b", change)
    done = oneblock_here("compare", str(tmp_path / "a"), str(tmp_path / "b"), cwd=tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    assert says in " ".join(done.stdout.split())
    if code == 2:
        assert "not compared" in done.stdout


def test_where_nobody_looked_who_disturbed_there_is_no_verdict(study: Path, tmp_path: Path) -> None:
    """As in these tests: a hundred times the time is no ground."""
    longer = lambda launches: [one | {"cold_s": [100 * s for s in one["cold_s"]]} for one in launches]  # noqa: E731
    changed(study / "records", tmp_path / "b", {"launches": longer})
    done = oneblock_here("compare", str(study / "records"), str(tmp_path / "b"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "AMBIGUOUS" in done.stdout
    assert "SLOWER" not in done.stdout
    assert "nobody looked" in " ".join(done.stdout.split())


def test_another_seed_is_another_cell_and_what_differs_is_named(study: Path, tmp_path: Path) -> None:
    changed(study / "records", tmp_path / "b", {"cell.input_seed": 9})
    done = oneblock_here("compare", str(study / "records"), str(tmp_path / "b"), cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert "no cell in common" in done.stderr
    assert "not the same thing: input_seed: 1 in A, 9 in B" in done.stderr
    assert "-input9-reference" in done.stderr, "and the name says it"


def test_reproduce_runs_the_cell_of_the_record_alone(env: dict[str, str], study: Path, tmp_path: Path) -> None:
    (path, *_) = (study / "records").glob("*float32*.json")
    done = oneblock(env, "reproduce", str(path), "--json", cwd=tmp_path)
    verdict = json.loads(done.stdout)
    assert done.returncode in (0, 1)
    assert verdict["differs"] == {}
    assert verdict["new"]["cell"] == json.loads(path.read_text())["cell"]
    assert verdict["comparison"]["difference"]["verdict"] in ("SAME", "AMBIGUOUS", "FASTER", "SLOWER")


def test_a_checkpoint_is_part_of_a_cell_and_must_be_the_same_to_reproduce_it(
    env: dict[str, str], tmp_path: Path
) -> None:
    weights = np.linspace(0.5, 1.5, 64, dtype=np.float32)
    file = tmp_path / "model.safetensors"
    save_file({"model.layers.0.input_layernorm.weight": weights}, file)
    run = [*RUN, "--weights", "sub/../model.safetensors", "--layer"]
    (tmp_path / "sub").mkdir()
    done = oneblock(env, *run, "0", cwd=tmp_path)
    assert done.returncode == 0
    assert "oneblock: sub/../model.safetensors: layer 0 is stored as F32" in done.stderr
    missing = oneblock(env, *run, "3", "--json", cwd=tmp_path)
    assert missing.returncode == 1
    assert "expected a layer among 0, got 3" in json.loads(missing.stdout)[0]["reason"]
    (path,) = [p for p in (tmp_path / "records").glob("*.json") if read_record(p).status == "passed"]
    save_file({"model.layers.0.input_layernorm.weight": weights[::-1].copy()}, file)
    changed_file = oneblock(env, "reproduce", str(path), cwd=tmp_path)
    assert changed_file.returncode == 2
    assert "another checkpoint than the record's" in changed_file.stderr


def test_show_prints_the_check_and_refuses_stages_that_are_not_there(study: Path) -> None:
    done = oneblock_here("show", "bfloat16", cwd=study)
    assert "wrong answers" in done.stdout
    assert "relative L2" in done.stdout
    none = oneblock_here("show", "bfloat16", "--stage", "hlo", cwd=study)
    assert none.returncode == 2
    assert "has no lowering stages" in none.stderr
    many = oneblock_here("show", "norm", cwd=study)
    assert "is in the names of 2 records" in many.stderr


def test_a_reader_that_has_seen_enough_is_no_error(env: dict[str, str], study: Path) -> None:
    import subprocess

    from tests.helpers.oneblock_process import COMMAND

    shell = f"{' '.join(COMMAND)} schema | head -1"
    done = subprocess.run(["bash", "-c", shell], env=env, cwd=study, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{"
    assert done.stderr == ""


def test_the_report_names_every_record(study: Path) -> None:
    done = oneblock_here("report", "--to", "page.html", cwd=study)
    assert "page.html" in done.stdout
    page = (study / "page.html").read_text()
    for path in (study / "records").glob("*.json"):
        assert path.name in page
