"""`generate` and `perplexity` as a person uses them: text that streams, and a sentence for each mistake."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from oneblock.bench.runs.decoding import Decoder
from tests.helpers.oneblock_process import oneblock_here
from tests.helpers.whole_models import tokenizer_json, transformers_logits
from tests.workloads.models.test_families import LLAMA

pytest.importorskip("tokenizers")


@pytest.fixture(scope="module")
def folder(authority: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 32 tokens with its tokenizer, and nothing that ends a text."""
    return model(authority, tmp_path_factory)[1]


def model(authority: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    from tests.helpers.transformers_models import made

    found = made(authority.LlamaConfig(**LLAMA, eos_token_id=None, bos_token_id=None))
    path = tmp_path_factory.mktemp("model")
    found.save_pretrained(path)
    tokenizer_json(path)
    return found, path


def test_text_streams_and_is_transformers(authority: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> None:
    theirs, path = model(authority, tmp_path_factory)
    words = ("generate", "--model", str(path), "--tokens", "9", "hello world")
    done = oneblock_here(*words, cwd=path)
    assert done.returncode == 0, done.stderr
    told = json.loads(oneblock_here(*words, "--json", cwd=path).stdout)
    assert done.stdout.rstrip("\n") == told["text"].rstrip("\n")
    assert len(told["tokens"]) == 9
    assert not told["ended"]
    logits = transformers_logits(theirs, np.asarray(told["prompt_tokens"] + told["tokens"]))
    assert told["tokens"] == logits[len(told["prompt_tokens"]) - 1 : -1].argmax(-1).tolist()


def test_a_text_ends_where_the_model_ends_it(authority: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> None:
    _, path = model(authority, tmp_path_factory)
    words = ("generate", "--model", str(path), "--tokens", "6", "--json", "hello")
    tokens = json.loads(oneblock_here(*words, cwd=path).stdout)["tokens"]
    (path / "generation_config.json").write_text(json.dumps({"eos_token_id": [tokens[2]]}))
    told = json.loads(oneblock_here(*words, cwd=path).stdout)
    assert told["tokens"] == tokens[: tokens.index(tokens[2])]
    assert told["ended"]


def test_perplexity_of_a_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("to be, or not to be. that is!")
    words = ("perplexity", "--model", str(folder), "--text", "text", "--tokens", "20")
    told = json.loads(oneblock_here(*words, "--json", cwd=tmp_path).stdout)
    assert told["tokens"] == 19
    assert 1 < told["perplexity"] < math.inf
    done = oneblock_here(*words, cwd=tmp_path)
    assert done.stdout.startswith(
        f"perplexity {told['perplexity']:.6g} ± {told['standard_error']:.2g} (19 tokens of text"
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("generate", "--model", "MODEL", ""), "expected some text, got an empty one"),
        (("generate", "--model", "MODEL", "a\udcff"), "expected text in UTF-8"),
        (("generate", "--model", "MODEL", "--tokens", "4000", "hello"), "has a context of"),
        (("generate", "--model", "MODEL", "--backend", "jax", "hello"), "unknown backend 'jax'"),
        (("generate", "--model", "MODEL", "--dtype", "float64", "hello"), "unknown dtype 'float64'"),
        (("generate", "--model", "nowhere", "hello"), "nowhere"),
        (("generate", "--model", "MODEL/config.json", "hello"), "has no weights: expected a folder"),
        (("generate", "hello"), "Missing option '--model'"),
        (("perplexity", "--model", "MODEL", "--text", "nowhere"), "nowhere: cannot be read: No such file"),
        (("perplexity", "--model", "MODEL", "--text", "."), "expected a file of text"),
        (("perplexity", "--model", "MODEL", "--text", "latin"), "latin: expected UTF-8, got the byte 0xe9 at 3"),
        (("perplexity", "--model", "MODEL", "--text", "empty"), "expected some text, got an empty one"),
        (("perplexity", "--model", "MODEL", "--text", "short"), "at least 2, got 1"),
        (("fetch", "smolm2"), "unknown model 'smolm2'; did you mean 'smollm2'"),
        (("generate", "--model", "smollm2", "hello"), "smollm2 is not here: `oneblock fetch smollm2` keeps it in"),
        (("run", "block", "--model", "smollm2"), "smollm2 is not here: `oneblock fetch smollm2` keeps it in"),
    ],
)  # fmt: skip
def test_a_mistake_is_a_sentence(
    folder: Path, tmp_path: Path, words: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "short").write_text("a")
    done = oneblock_here(*(word.replace("MODEL", str(folder)) for word in words), cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "fault of oneblock's" not in done.stderr
    assert done.stdout == ""


def test_an_interruption_says_how_far_it_came(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, steps = Decoder.step, []

    def interrupted(self: Decoder, token: int) -> Any:
        steps.append(token)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return step(self, token)

    monkeypatch.setattr(Decoder, "step", interrupted)
    done = oneblock_here("generate", "--model", str(folder), "hello", cwd=folder)
    assert done.returncode == 130
    assert "interrupted after 3 tokens" in done.stderr
    assert done.stdout.endswith("\n")
