"""`generate` and `perplexity` as a person uses them: text that streams, and a sentence for each mistake."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from oneblock.bench.format.errors import Refused
from oneblock.bench.runs import chatting
from oneblock.bench.runs.chatting import in_template
from oneblock.bench.runs.decoding import Decoder
from tests.conftest import load
from tests.helpers.oneblock_process import oneblock_here
from tests.helpers.whole_models import WORDS, tokenizer_json, transformers_logits
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


def test_a_whole_program_of_a_native_ops_set_writes_the_same(folder: Path) -> None:
    words = ("generate", "--model", str(folder), "--tokens", "9", "--json", "hello world")
    told = json.loads(oneblock_here(*words, cwd=folder).stdout)
    load("jax_xla")
    done = oneblock_here(*words, "--form", "whole", "--ops", "native", "--backend", "jax_xla", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tokens"] == told["tokens"]


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
        (("generate", "--model", "ENDLESS", "--tokens", str(10**10), "hello"), "sequence take"),
        (("certify", "--model", "ENDLESS", "--tokens", str(10**10), "--backend", "reference"), "float64 logits of 100"),
        (("generate", "--model", "BARE", "hello"), "expected the model's tokenizer.json beside its weights"),
        (("certify", "--model", "BARE"), "expected the model's tokenizer.json beside its weights"),
        (("generate", "--model", "OTHERS", "hello"), "has 33 tokens, and the model's embedding 32 rows"),
        (("certify", "--model", "MODEL", "--text", "latin"), "latin: expected UTF-8, got the byte 0xe9 at 3"),
        (("certify", "--model", "MODEL", "--text", "empty"), "expected some text, got an empty one"),
        (("certify", "--model", "MODEL", "--tokens", "4000", "--backend", "reference"), "has a context of"),
        (("generate", "--model", "MODEL", "--backend", "jax", "hello"), "unknown backend 'jax'"),
        (("generate", "--model", "MODEL", "--dtype", "float64", "hello"), "unknown dtype 'float64'"),
        (("generate", "--model", "MODEL", "--ops", "native", "hello"), "expected one of its ops sets, plain"),
        (("generate", "--model", "MODEL", "--form", "whale", "hello"), "unknown form 'whale'; did you mean 'whole'"),
        (("certify", "--model", "MODEL", "--form", "whale"), "unknown form 'whale'; did you mean 'whole'"),
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
    for name, has in (("ENDLESS", WORDS), ("BARE", None), ("OTHERS", [*WORDS, "be"])):
        shutil.copytree(folder, tmp_path / name)
        (tmp_path / name / "tokenizer.json").unlink()
        if has is not None:
            tokenizer_json(tmp_path / name, has)
    told = json.loads((folder / "config.json").read_text())
    (tmp_path / "ENDLESS" / "config.json").write_text(json.dumps(told | {"max_position_embeddings": 10**12}))
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


# ---------------------------------------------------------------- chat templates

TEMPLATE = (
    "{% for m in messages %}\n    {%- if m.role == 'user' %}\nu {{ m['content'] | trim }}.\n    {%- endif %}\n"
    "{% endfor %}{% if add_generation_prompt %}{{ '!' }}{% endif %}"
)


def test_a_template_is_rendered_as_transformers_does(folder: Path, tmp_path: Path, authority: ModuleType) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE, "bos_token": "a"}))
    tokenizer_json(tmp_path)
    theirs = authority.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"), chat_template=TEMPLATE)
    expected = theirs.apply_chat_template(
        [{"role": "user", "content": " hello "}], tokenize=False, add_generation_prompt=True
    )
    assert in_template(tmp_path / "model.safetensors", " hello ") == expected == "u hello.!"
    (tmp_path / "chat_template.jinja").write_text("{{ bos_token }} {{ messages[0].content }}")
    assert in_template(tmp_path / "model.safetensors", "x") == "a x"


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ raise_exception('no system message') }}", "the chat template fails: ValueError: no system message"),
        ("{% if %}", "the chat template fails: TemplateSyntaxError"),
        ("{{ messages[9].content.x }}", "the chat template fails: UndefinedError"),
        ("{{ 1 / 0 }}", "the chat template fails: ZeroDivisionError"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "the chat template fails: SecurityError"),
        ("{% for i in range(99999) %}{{ 'ab' * 99 }}{% endfor %}", "writes more than 1,048,576 characters"),
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "still rendering the chat"),
        (None, "has no chat template: leave out --chat"),
        (7, "has no chat template: leave out --chat"),
    ],
)
def test_a_template_that_fails_or_runs_away_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: object, says: str
) -> None:
    if says.startswith("still"):  # of the others a busy machine may take longer to start the process
        monkeypatch.setattr(chatting, "_BOUNDS", replace(chatting._BOUNDS, timeout_s=3.0))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    with pytest.raises(Refused) as refused:
        in_template(tmp_path / "model.safetensors", "hello")
    assert says in str(refused.value)
