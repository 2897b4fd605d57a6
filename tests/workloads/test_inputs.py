"""Inputs of one's own: as they are in the file, rounded once; what is wrong with a stranger's file is a sentence."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneblock import workloads
from oneblock.workloads._workload import Phase
from oneblock.workloads.answers.inputs import InputError, input_shapes, load_inputs, read_inputs, varied
from oneblock.workloads.ops.dtypes import DTYPES
from tests.helpers.cases import case

BLOCK = workloads.load("block")
PREFILL, DECODE = case(n=5), case(phase=Phase.DECODE, n=7)
X = np.random.default_rng(3).normal(size=(1, 5, 64)).astype(np.float32)


def arrays_of(c: Any) -> dict[str, np.ndarray]:
    drawn = np.random.default_rng(0)
    return {name: drawn.normal(size=shape) for name, shape in input_shapes(BLOCK, c).items()}


@pytest.mark.parametrize("c", [PREFILL, DECODE])
@pytest.mark.parametrize("stored", ["float64", "float32", "float16"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_they_are_those_of_the_file_rounded_once(
    tmp_path: Path, c: Any, stored: str, dtype: str, save: Callable[..., None]
) -> None:
    given = {name: np.asfortranarray(array.astype(stored)) for name, array in arrays_of(c).items()}
    save(tmp_path / "x.npz", **given)
    got, sha256 = load_inputs(BLOCK, c, dtype, tmp_path / "x.npz")
    assert got.keys() == given.keys() == ({"x"} if c is PREFILL else {"x", "k_cache", "v_cache"})
    for name, array in given.items():
        assert got[name].dtype == DTYPES[dtype]
        assert np.array_equal(got[name], array.astype(DTYPES[dtype]))
    again = read_inputs(BLOCK, c, dtype, tmp_path / "x.npz", sha256)
    assert all(np.array_equal(got[name], again[name]) for name in got)


def npy(array: np.ndarray, **how: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **how)
    return file.getvalue()


def header(shape: object, descr: str = "'<f4'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def raw_header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(f"{name}.npy", content)
    return file.getvalue()


def twice() -> bytes:
    file = io.BytesIO()
    made = zipfile.ZipFile(file, "w")
    made.writestr("x.npy", npy(X))
    with pytest.warns(UserWarning, match="Duplicate"):
        made.writestr("x.npy", npy(X))
    made.close()
    return file.getvalue()


NAN, INF = X.copy(), X.copy()
NAN[0, 2, 3], INF[0, 0, 0] = np.nan, -np.inf
WRONG: dict[str, tuple[bytes | Callable[[], bytes], str]] = {
    "none": (archive(), "expected the arrays x of block prefill, got none"),
    "another": (archive(y=npy(X)), "expected the arrays x of block prefill, got y"),
    "more": (archive(x=npy(X), y=npy(X[:, :1])), "expected the arrays x of block prefill, got x, y"),
    "twice": (twice, "expected the arrays x of block prefill, got x, x"),
    "outside": (archive(**{"../x": npy(X)}), "got ../x"),
    "control": (archive(**{"x\x1b[2J": npy(X)}), r"got x\x1b[2J"),
    "shape": (archive(x=npy(X[:, :4])), "x: expected the shape (1, 5, 64), got (1, 4, 64)"),
    "integers": (archive(x=npy(X.astype(np.int32))), "x: expected float16, float32, float64, got int32"),
    "complex": (archive(x=npy(X[..., :32].astype(np.complex64))), "got complex64"),
    "bfloat16": (archive(x=npy(X.astype(ml_dtypes.bfloat16))), "NumPy's file has no bfloat16: save it as float32"),
    "header cut short": (archive(x=raw_header("{")), "not a readable .npz file"),
    "header of a list for a key": (archive(x=raw_header("{[1]: 2}")), "not a readable .npz file"),
    "header too deep": (archive(x=raw_header("-" * 9000 + "1")), "not a readable .npz file"),
    "shape of a truth": (archive(x=header((True, 5, 64)) + bytes(X.nbytes)), "x"),
    "pickle": (archive(x=npy(np.array([[X]], object), allow_pickle=True)[:9000]), "got object"),
    "nan": (archive(x=npy(NAN)), "x: expected finite numbers, got 1 of 320 that are not"),
    "infinite": (archive(x=npy(INF)), "x: expected finite numbers, got 1 of 320"),
    "bomb": (archive(x=npy(X) + bytes(3 * 2**20)), "x.npy: expected at most"),
    "longer": (archive(x=npy(X) + b"more"), "x: expected 1,280 bytes of numbers, got more"),
    "shorter": (archive(x=npy(X)[:-4]), "not a readable .npz file"),
    "huge": (archive(x=header("(1000000000, 1000000000)")), "expected the shape (1, 5, 64), got (1000000000, 1000"),
    "negative": (archive(x=header("(-1, 5, 64)")), "x: expected the shape"),
    "no header": (archive(x=b"\x93NUMPY\x01\x00"), "not a readable .npz file"),
    "code": (archive(x=header("().__class__")), "not a readable .npz file"),
    "version": (archive(x=b"\x93NUMPY\x03\x00" + bytes(200)), "expected version 1 or 2"),
    "one array": (npy(X), "not a readable .npz file"),
    "nothing": (b"", "not a readable .npz file"),
    "text": (b"x = 1\n" * 50, "not a readable .npz file"),
    "cut": (archive(x=npy(X))[:-30], "not a readable .npz file"),
    "large": (bytes(2**21), "expected at most 1,051,136 bytes for inputs of this size, got 2,097,152"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, name: str) -> None:
    content, says = WRONG[name]
    path = tmp_path / "x.npz"
    path.write_bytes(content() if callable(content) else content)
    with pytest.raises(InputError) as error:
        load_inputs(BLOCK, PREFILL, "float32", path)
    assert says in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 600


def test_a_checksum_that_does_not_hold_is_noticed(tmp_path: Path) -> None:
    raw = bytearray((np.savez(tmp_path / "x.npz", x=X), (tmp_path / "x.npz").read_bytes())[1])
    raw[700] ^= 1  # one bit of a number
    (tmp_path / "x.npz").write_bytes(raw)
    with pytest.raises(InputError, match=r"not a readable \.npz file.*CRC"):
        load_inputs(BLOCK, PREFILL, "float32", tmp_path / "x.npz")


def test_what_is_no_file_is_said_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, says in ((".", "a folder, a pipe"), ("pipe", "a pipe"), ("no", "No such file")):
        with pytest.raises(InputError, match=says):
            load_inputs(BLOCK, PREFILL, "float32", tmp_path / name)


def test_what_a_dtype_cannot_hold_and_what_lacks_are_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=X * 1e6)
    with pytest.raises(InputError, match="is beyond float16; choose another --dtype"):
        load_inputs(BLOCK, PREFILL, "float16", tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", x=X[:, :1])
    with pytest.raises(InputError, match="x, k_cache, v_cache of block decode, got x; --phase prefill needs no cache"):
        load_inputs(BLOCK, DECODE, "float32", tmp_path / "x.npz")


def test_another_file_than_was_named_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=X)
    _, sha256 = load_inputs(BLOCK, PREFILL, "float32", tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", x=X + 1)
    with pytest.raises(InputError, match="changed since it was named"):
        read_inputs(BLOCK, PREFILL, "float32", tmp_path / "x.npz", sha256)


WHOLE = archive(x=npy(X))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, 9)
)
def test_of_any_bytes_comes_an_array_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], cut: int
) -> None:
    raw = bytearray(WHOLE)
    for place, value in changes:
        raw[place] = value
    path = tmp_path_factory.mktemp("any") / "x.npz"
    path.write_bytes(raw[: len(raw) - cut])
    found = read(path)
    assert found.isprintable() if isinstance(found, str) else found.shape == (1, 5, 64)


def read(path: Path) -> np.ndarray | str:
    """The array, or the sentence."""
    try:
        return load_inputs(BLOCK, PREFILL, "float32", path)[0]["x"]
    except InputError as error:
        return str(error)


@pytest.mark.parametrize("dtype", DTYPES)
def test_others_much_like_them_keep_their_scale_and_share_no_row(dtype: str) -> None:
    x = np.random.default_rng(1).normal(size=(1, 200, 64)) * 10
    x[..., 7] *= 100  # an outlier's channel
    x = x.astype(DTYPES[dtype])
    one, two, again = (varied({"x": x}, seed)["x"] for seed in (1, 2, 1))
    assert np.array_equal(one, again)
    assert one.dtype == x.dtype
    for a, b in ((one, x), (two, x), (one, two)):
        assert not (a == b).all(axis=-1).any(), "a row was seen"
    ratio = np.linalg.norm(one.astype(np.float64), axis=(0, 1)) / np.linalg.norm(x.astype(np.float64), axis=(0, 1))
    assert (abs(ratio - 1) < 0.2).all(), "every channel keeps its scale"
    assert (np.abs(one.astype(np.float64) - x.astype(np.float64)).sum() / np.abs(x.astype(np.float64)).sum()) > 0.2


def test_others_of_the_largest_number_stay_finite() -> None:
    x = np.full((1, 3, 64), 65504, np.float16)
    assert np.isfinite(varied({"x": x}, 0)["x"]).all()
