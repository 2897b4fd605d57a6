"""A model's tokenizer, of a GGUF file's metadata or of a tokenizer.json, and what is none."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from oneblock.bench.format.errors import Refused
from oneblock.bench.runs.tokenizing import load_tokenizer
from tests.helpers.whole_models import WORDS, tokenizer_json

pytest.importorskip("tokenizers")
MERGES = ["h e", "l l", "he ll", "hell o", "\u0120 w"]
TOKENS = ["<s>", "</s>", *sorted({*"helow\u0120\u010a123", *(merge.replace(" ", "") for merge in MERGES)})]


def packed(path: Path, **more: Any) -> Path:
    """A GGUF file with nothing but a tokenizer."""
    gguf = pytest.importorskip("gguf")
    told: dict[str, Any] = {
        "model": "gpt2", "pre": "smollm", "tokens": TOKENS, "merges": MERGES,
        "token_type": [3, 3, *[1] * (len(TOKENS) - 2)], "eos_token_id": 1, "bos_token_id": 0, "add_bos_token": False,
    } | more  # fmt: skip
    writer = gguf.GGUFWriter(path, "llama")
    for key, value in told.items():
        add = {bool: writer.add_bool, int: writer.add_uint32, str: writer.add_string, list: writer.add_array}
        if value is not None:
            add[type(value)](f"tokenizer.ggml.{key}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def test_merges_are_made_in_their_order(tmp_path: Path) -> None:
    found = load_tokenizer(packed(tmp_path / "model.gguf"), len(TOKENS))
    tokens = found.tokens("hello w\n</s>").tolist()
    assert [TOKENS[token] for token in tokens] == ["hello", "\u0120w", "\u010a", "</s>"]
    assert found.text(tokens) == "hello w\n", "what ends a text is no text"
    assert found.ends == {1}


def test_a_text_begins_as_the_file_says(tmp_path: Path) -> None:
    found = load_tokenizer(packed(tmp_path / "model.gguf", add_bos_token=True), len(TOKENS))
    assert found.tokens("he").tolist() == [0, TOKENS.index("he")]


def test_digits_stand_alone_as_the_file_says(tmp_path: Path) -> None:
    """Of two cuts that are read each makes other tokens: of ` 1` one has one."""
    more = {
        "tokens": [*TOKENS, "\u01201"],
        "merges": [*MERGES, "\u0120 1"],
        "token_type": [3, 3, *[1] * (len(TOKENS) - 1)],
    }
    counts = {
        pre: len(load_tokenizer(packed(tmp_path / f"{pre}.gguf", pre=pre, **more), len(TOKENS) + 1).tokens(" 1"))
        for pre in ("smollm", "gpt-2")
    }
    assert counts == {"smollm": 2, "gpt-2": 1}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"model": "llama"}, "expected a byte-level BPE"),
        ({"pre": "tekken"}, "gpt-2 or smollm, got 'gpt2', 'tekken'"),
        ({"model": None}, "got 'None'"),
        ({"merges": None}, "expected tokens with a type each"),
        ({"merges": ["h e", "he zz"]}, "the merge 'he zz': expected two of its tokens"),
        ({"merges": ["h e l"]}, "the merge 'h e l'"),
        ({"token_type": [3, 3]}, "with a type each"),
        ({"tokens": [*TOKENS[:-1], "<s>"]}, "the token '<s>' twice"),
        ({"add_bos_token": True, "bos_token_id": 99}, "bos_token_id: expected one of its tokens"),
    ],
)  # fmt: skip
def test_a_gguf_files_tokenizer_that_is_none_is_refused(tmp_path: Path, more: dict[str, Any], says: str) -> None:
    path = packed(tmp_path / "model.gguf", **more)
    with pytest.raises(Refused, match=rf"model.gguf: .*{says}"):
        load_tokenizer(path, len(TOKENS))


def test_a_gguf_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "model.gguf")
    raw = path.read_bytes()
    for length in range(24, len(raw) - 60, 37):
        path.write_bytes(raw[:length])
        with pytest.raises(Refused, match=r"cut short|not a readable GGUF"):
            load_tokenizer(path, len(TOKENS))


def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "model.gguf")
    for rows in (len(TOKENS) - 1, len(TOKENS) + 1):
        with pytest.raises(Refused, match=rf"has {len(TOKENS)} tokens, and the model's embedding {rows} rows"):
            load_tokenizer(path, rows)
    beside = tokenizer_json(tmp_path).parent / "model.safetensors"
    assert load_tokenizer(beside, len(WORDS) + 100).text([0, 1]) == "ab", "rows that pad an embedding have no tokens"
    for rows in (len(WORDS) - 1, 50_257):
        with pytest.raises(Refused, match=r"expected that model's tokenizer"):
            load_tokenizer(beside, rows)


def test_ends_are_those_of_the_files_beside(tmp_path: Path) -> None:
    beside = tokenizer_json(tmp_path).parent / "model.safetensors"
    assert load_tokenizer(beside, 32).ends == frozenset()
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": 3}))
    assert load_tokenizer(beside, 32).ends == {3}
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [4, 5]}))
    assert load_tokenizer(beside, 32).ends == {4, 5}


def test_a_tokenizer_json_may_leave_no_text_out(tmp_path: Path) -> None:
    told = json.loads(tokenizer_json(tmp_path).read_text())
    told["truncation"] = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    (tmp_path / "tokenizer.json").write_text(json.dumps(told))
    assert len(load_tokenizer(tmp_path / "model.safetensors", 32).tokens("abc")) == 3


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"model": {"type": "BPE"}}'])
def test_a_broken_tokenizer_json_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(raw)
    with pytest.raises(Refused, match=r"tokenizer.json: not a readable tokenizer"):
        load_tokenizer(tmp_path / "model.safetensors", 32)


def test_without_a_tokenizer_it_is_said_what_was_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match=r"tokenizer.json: there is no such file: expected the model's tokenizer.json"):
        load_tokenizer(tmp_path / "model.safetensors", 32)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(Refused, match=r"not installed: pip install tokenizers"):
        load_tokenizer(tmp_path / "model.safetensors", 32)


def test_text_that_is_none_is_refused(tmp_path: Path) -> None:
    found = load_tokenizer(tokenizer_json(tmp_path).parent / "model.safetensors", 32)
    with pytest.raises(Refused, match=r"expected some text, got an empty one"):
        found.tokens("")
    with pytest.raises(Refused, match=r"UTF-8, got '\\udcff' at character 1"):
        found.tokens("a\udcff")
