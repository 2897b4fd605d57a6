"""What a search measured is kept whatever happens, and what is not of this search is refused in a sentence."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from oneblock.compilers.dialects import x86 as _x86
from oneblock.compilers.tvm import pins as _tvm_pins
from oneblock.compilers.tvm.calls import Binding, Body, calls_after_fusing
from oneblock.compilers.tvm.store import About, Store, StoreError, fingerprint, own

ABOUT = About("tvm-0.27.0", "llvm-znver3-1", "AMD EPYC")
RECORD = [["trace"], [0.5], {"kind": "llvm"}, []]


def filled(folder: Path) -> Store:
    store = Store(folder, ABOUT, write=True)
    store.append("workload", ["123", "module"])
    store.append("record", [0, RECORD])
    store.append("record", [0, RECORD])
    store.append("batch", [0, 1.5])
    return store


def reopened(folder: Path, about: About = ABOUT, *, write: bool = False) -> Store:
    return Store(folder, about, write=write)


def test_what_was_kept_is_there_again(tmp_path: Path) -> None:
    filled(tmp_path)
    found = reopened(tmp_path)
    assert found.workloads == [["123", "module"]]
    assert found.of("123") == ([RECORD, RECORD], 1.5)
    assert found.of("of another function") == ([], 0)


@pytest.mark.parametrize("left", range(1, 12))
def test_a_kill_amid_a_line_loses_that_line_alone(tmp_path: Path, left: int) -> None:
    filled(tmp_path)
    path = tmp_path / "database_tuning_record.json"
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[0][:left])
    assert len(reopened(tmp_path).records) == 2
    store = reopened(tmp_path, write=True)
    store.append("record", [0, RECORD])
    assert len(reopened(tmp_path).records) == 3
    assert path.read_bytes().count(b"\n") == 3, "half a line stayed, and spoilt the next"


def test_a_full_disk_says_so_and_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(tmp_path)
    before = (tmp_path / "database_tuning_record.json").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"No space left on device.*nothing measured before is lost.*make room"):
        store.append("record", [0, RECORD])
    assert (tmp_path / "database_tuning_record.json").read_bytes() == before
    assert len(store.records) == 2


@pytest.mark.parametrize(
    "about",
    [About("tvm-0.28.0", ABOUT.target, ""), About(ABOUT.toolchain, "llvm-skylake-1", "")],
    ids=["version", "target"],
)
def test_a_database_of_another_version_or_target_is_refused(tmp_path: Path, about: About) -> None:
    filled(tmp_path)
    with pytest.raises(StoreError, match=r"expected (toolchain tvm-0.28.0|target llvm-skylake-1), got .*tune anew"):
        reopened(tmp_path, about)


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("database_tuning_record.json", "<html>\n", "expected a line of JSON"),
        ("database_tuning_record.json", '{"foreign": 1}\n', "not of TVM's format"),
        ("database_tuning_record.json", "[7, []]\n", "of no function here"),
        ("database_tuning_record.json", "[0, []]\n", "not of TVM's format"),
        ("database_tuning_record.json", '[0, [[], "x", {}, []]]\n', "not of TVM's format"),
        ("database_workload.json", "[]\n", "a function is not"),
        ("batches.json", '{"a": 1}\n', "a batch is not"),
        ("about.json", "{}", "expected format 1, got None"),
        ("about.json", "no json", "expected JSON"),
    ],
)
def test_a_foreign_database_is_refused(tmp_path: Path, name: str, text: str, match: str) -> None:
    filled(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(StoreError, match=match):
        reopened(tmp_path)


def test_a_database_of_no_known_origin_is_refused(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "about.json").unlink()
    with pytest.raises(StoreError, match="of no known origin"):
        reopened(tmp_path, write=True)


def test_a_folder_that_cannot_be_locked_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(StoreError, match=r"cannot lock it.*ONEBLOCK_TUNED"):
        Store(tmp_path, ABOUT, write=True)


def test_a_schedule_that_is_found_later_makes_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEBLOCK_TUNED", str(tmp_path))
    hashes = [fingerprint()]
    store = filled(tmp_path / ABOUT.toolchain / ABOUT.target / "seed-0")
    hashes.append(fingerprint())
    store.append("record", [0, RECORD])
    assert len({*hashes, fingerprint()}) == 3


@pytest.mark.parametrize(
    "name", ["about.json", "database_tuning_record.json", "database_workload.json", "batches.json"]
)
@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "garbage", "deep", "text that is no UTF-8"])
def test_a_file_that_is_none_is_a_sentence_and_never_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    monkeypatch.setenv("ONEBLOCK_TUNED", str(tmp_path))
    folder = tmp_path / ABOUT.toolchain / ABOUT.target / "seed-0"
    filled(folder)
    path, before = folder / name, fingerprint()
    path.rename(tmp_path / "elsewhere")
    texts = {"garbage": b"{{{\n", "deep": b"[" * 100_000 + b"\n", "text that is no UTF-8": b'"\xff"\n'}
    if kind in texts:
        path.write_bytes(texts[kind])
    else:
        {"pipe": os.mkfifo, "folder": Path.mkdir, "link": lambda at: at.symlink_to(tmp_path / "elsewhere")}[kind](path)
    with pytest.raises(
        StoreError, match=re.escape(name) if kind in ("pipe", "folder", "link", "deep") else "tune anew"
    ):
        own(ABOUT)
    assert (fingerprint() == before) == (name != "database_tuning_record.json"), "a damaged one makes no program"


@pytest.mark.parametrize(
    "row",
    [
        [0.0, RECORD], [True, RECORD], [-1, RECORD], [1, RECORD], [10**400, RECORD], ["0", RECORD], [None, RECORD],
        {}, 7,
        [0, [["trace"], [], {}, []]], [0, [["trace"], [True], {}, []]], [0, [["trace"], [float("nan")], {}, []]],
        [0, [["trace"], [float("inf")], {}, []]], [0, [["trace"], [-1.0], {}, []]], [0, [["trace"], [10**400], {}, []]],
        [0, [["trace"], ["1"], {}, []]], [0, [["trace"], 1.0, {}, []]], [0, {}], [[0], RECORD],
    ],
)  # fmt: skip
def test_a_row_that_no_search_writes_is_refused(tmp_path: Path, row: Any) -> None:
    filled(tmp_path)
    with (tmp_path / "database_tuning_record.json").open("a") as file:
        file.write(json.dumps(row) + "\n")
    with pytest.raises(StoreError, match="a record is not of TVM's format, or of no function here"):
        reopened(tmp_path)


def test_a_root_that_is_no_folder_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a-file").write_text("")
    for root in (tmp_path / "a-file", tmp_path / ("x" * 300)):
        monkeypatch.setenv("ONEBLOCK_TUNED", str(root))
        with pytest.raises(StoreError, match="expected a folder of schedules"):
            own(ABOUT)
        assert fingerprint()


def test_two_searches_do_not_write_to_one_folder(tmp_path: Path) -> None:
    kept = filled(tmp_path)
    with pytest.raises(StoreError, match="another search is writing"):
        reopened(tmp_path, write=True)
    assert len(kept.records) == 2


def test_own_schedules_are_found_under_the_root_that_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEBLOCK_TUNED", str(tmp_path))
    assert own(ABOUT) == []
    for seed in (0, 1):
        filled(tmp_path / ABOUT.toolchain / ABOUT.target / f"seed-{seed}")
    assert [store.folder.name for store in own(ABOUT)] == ["seed-0", "seed-1"]
    assert json.loads((own(ABOUT)[0].folder / "about.json").read_text())["machine"] == "AMD EPYC"


@pytest.mark.parametrize(
    ("installed", "says"),
    [
        ({}, "apache-tvm is not installed"),
        ({"apache-tvm": "0.25.0", "apache-tvm-ffi": "0.1.14"}, "0.26 or 0.27 is what is known to work"),
        ({"apache-tvm": "0.28.0", "apache-tvm-ffi": "0.1.14"}, "0.26 or 0.27 is what is known to work"),
        ({"apache-tvm": "0.26.0", "apache-tvm-ffi": "0.1.14"}, None),
        ({"apache-tvm": "0.27.0.post1", "apache-tvm-ffi": "0.1.15.post2"}, "crashes as TVM tunes"),
        ({"apache-tvm": "0.27.0.post1", "apache-tvm-ffi": "0.1.14.post1"}, None),
    ],
)
def test_a_tvm_that_would_crash_is_told_by_its_version(
    monkeypatch: pytest.MonkeyPatch, installed: dict[str, str], says: str | None
) -> None:
    def version(name: str) -> str:
        if name not in installed:
            raise _tvm_pins.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(_tvm_pins, "version", version)
    wrong = _tvm_pins.wrong()
    assert (wrong is None) == (says is None)
    if wrong is not None and says is not None:
        assert says in wrong[0]
        assert wrong[1].startswith("pip install")


def test_fused_calls_have_the_steps_of_what_they_compute() -> None:
    """Two norms become one function called twice, under names of the fuser's; the second call is still norm2's."""
    params = ("x", "w")
    before = Body(
        params,
        (
            Binding("norm1_multiply", "multiply", ("x", "x")),
            Binding("norm1_add", "add", ("norm1_multiply", "w")),
            Binding("qkv_matmul", "matmul", ("norm1_add", "w")),
            Binding("norm2_multiply", "multiply", ("qkv_matmul", "qkv_matmul")),
            Binding("norm2_add", "add", ("norm2_multiply", "w")),
        ),
        "norm2_add",
    )
    fused = Body(("a", "b"), (Binding("p", "multiply", ("a", "a")), Binding("q", "add", ("p", "b"))), "q")
    mixed = Body(("a", "b"), (Binding("m", "matmul", ("a", "b")), Binding("t", "multiply", ("m", "m"))), "t")
    main = (
        Binding("lv", "fused_multiply_add", ("x", "w")),
        Binding("lv1", "fused_matmul_multiply", ("lv", "w")),
        Binding("lv2", "add", ("lv1", "w")),
    )
    after = {"main": Body(params, main, "lv2"), "fused_multiply_add": fused, "fused_matmul_multiply": mixed}
    found = calls_after_fusing({"main": before}, after, ("norm1", "qkv", "norm2"))
    assert [(call.function, call.steps) for call in found] == [
        ("fused_multiply_add", ("norm1",)), ("fused_matmul_multiply", ("qkv", "norm2")), ("add", ("norm2",)),
    ]  # fmt: skip


def test_instructions_are_counted_in_their_own_function() -> None:
    assembly = (
        "matmul_compute_:\n\t.cfi_startproc\n\tvfmadd231ps\t(%rdi), %ymm1, %ymm2\n\tvmovups\t%ymm2, (%rax)\n"
        "\tvaddss\t%xmm0, %xmm1, %xmm2\n\tcallq\texpf@PLT\n\tretq\n"
        "matmul1_compute_:\n\tvfmadd213ps\t%zmm0, %zmm1, %zmm2\n"
    )
    assert _x86.instructions(assembly, "matmul") == {
        "arithmetic scalar": 1, "call": 1, "fma 256": 1, "load or store 256": 1,
    }  # fmt: skip
    assert _x86.instructions(assembly, "matmul1") == {"fma 512": 1}
