"""The other sides of the figure of decode: greedy tokens behind a prompt, and the seconds of each but the first."""

from __future__ import annotations

import ctypes
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np


def transformers(file: str, dtype: str, prompt: list[int], tokens: int, threads: int) -> dict[str, Any]:
    """transformers' `generate`, greedy, with its cache; a streamer is told of each token."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.generation import BaseStreamer

    class Clock(BaseStreamer):  # type: ignore[misc]  # transformers' types are not checked
        def __init__(self) -> None:
            self.at: list[float] = []

        def put(self, value: Any) -> None:
            self.at.append(perf_counter())

        def end(self) -> None:
            pass

    torch.set_num_threads(threads)
    path, clock = Path(file), Clock()
    model = AutoModelForCausalLM.from_pretrained(  # nosec B615  a file that is here
        path.parent, gguf_file=path.name, dtype=getattr(torch, dtype)
    ).eval()
    read = torch.tensor([prompt])
    with torch.inference_mode():
        found = model.generate(
            read, attention_mask=torch.ones_like(read), max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False,
            use_cache=True, streamer=clock,
        )  # fmt: skip
    return {"tokens": found[0, len(prompt) :].tolist(), "seconds": np.diff(clock.at[1:]).tolist()}


def llama_cpp(file: str, dtype: str, prompt: list[int], tokens: int, threads: int) -> dict[str, Any]:
    """llama.cpp's decode, of which NumPy takes the likeliest token; the file is in the dtype."""
    import llama_cpp as llama

    llama.llama_backend_init()
    quiet = llama.llama_log_callback(lambda *_: None)
    llama.llama_log_set(quiet, ctypes.c_void_p(0))
    how = llama.llama_model_default_params()
    how.use_mmap = False  # pages that others drop from the file's cache are not ours to pay for
    model = llama.llama_model_load_from_file(file.encode(), how)
    if not model:
        raise ValueError(f"llama.cpp does not load {file}")
    asked = llama.llama_context_default_params()
    asked.n_ctx, asked.n_threads, asked.n_threads_batch = 512, threads, threads
    kind = {"float32": 0, "float16": 1, "bfloat16": 30}[dtype]  # ggml's numbers of types
    asked.type_k, asked.type_v = kind, kind
    context = llama.llama_init_from_model(model, asked)
    many = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))

    def likeliest(read: list[int]) -> int:
        given = (llama.llama_token * len(read))(*read)  # of which a batch has the address alone
        batch = llama.llama_batch_get_one(given, len(read))
        if llama.llama_decode(context, batch):
            raise ValueError("llama.cpp does not decode")
        return int(np.ctypeslib.as_array(llama.llama_get_logits_ith(context, -1), (many,)).argmax())

    written, at = [likeliest(prompt)], [perf_counter()]
    while len(written) < tokens:
        written.append(likeliest(written[-1:]))
        at.append(perf_counter())
    return {"tokens": written, "seconds": np.diff(at).tolist()}
