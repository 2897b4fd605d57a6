"""A prompt as a model that was trained to chat expects it: within its own template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from oneblock.bench.format.errors import Refused
from oneblock.bench.records.record import Status
from oneblock.bench.runs.tokenizing import read_small
from oneblock.bench.worker.launch import launch
from oneblock.bench.worker.template_job import TemplateJob
from oneblock.bench.worker.watch import Bounds
from oneblock.workloads.gguf.header import GgufError, read_header

_BOUNDS = Bounds(threads=1, timeout_s=20.0, memory_bytes=2**30)  # with the start of a process, which others delay
_GGUF = {name: f"tokenizer.ggml.{name}_token_id" for name in ("bos", "eos")}


def in_template(checkpoint: Path, prompt: str) -> str:
    """The prompt within the template of a checkpoint's model; Refused where it has none, or that fails or runs away."""
    template, names = _of_gguf(checkpoint) if checkpoint.suffix == ".gguf" else _of_folder(checkpoint.parent)
    if not isinstance(template, str):
        raise Refused(f"{checkpoint}: has no chat template: leave out --chat, and PROMPT is taken as it is")
    outcome = launch(TemplateJob(template, prompt, names), _BOUNDS)
    if outcome.status is not Status.PASSED or outcome.result is None:
        raise Refused(f"{checkpoint}: {outcome.reason}; leave out --chat, and PROMPT is taken as it is")
    return outcome.result


def _of_gguf(path: Path) -> tuple[Any, dict[str, str]]:
    try:
        told = read_header(path, ("tokenizer.ggml.tokens",)).metadata
    except GgufError as error:
        raise Refused(str(error)) from None
    tokens, names = told.get("tokenizer.ggml.tokens"), {}
    for name, key in _GGUF.items():
        number = told.get(key)
        if isinstance(tokens, list) and type(number) is int and 0 <= number < len(tokens):
            names[f"{name}_token"] = str(tokens[number])
    return told.get("tokenizer.chat_template"), names


def _of_folder(folder: Path) -> tuple[Any, dict[str, str]]:
    """As transformers keeps it: chat_template.jinja, or before that a text of tokenizer_config.json."""
    try:
        raw = read_small(folder / "chat_template.jinja")
        told = json.loads(read_small(folder / "tokenizer_config.json") or b"{}")
        template = None if raw is None else raw.decode()
    except (ValueError, RecursionError) as error:
        raise Refused(f"{folder}: the chat template cannot be read: {ascii(str(error))[1:-1][:200]}") from None
    if not isinstance(told, dict):
        raise Refused(f"{folder / 'tokenizer_config.json'}: expected an object, got a {type(told).__name__}")
    names = {}
    for name in ("bos_token", "eos_token"):
        token = told.get(name)
        token = token.get("content") if isinstance(token, dict) else token
        if isinstance(token, str):
            names[name] = token
    return template if template is not None else told.get("chat_template"), names
