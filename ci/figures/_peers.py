"""One block as peers of ours run it, each an executable that is timed as ours are, on the arrays of one export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from oneblock.workloads._workload import Phase
from oneblock.workloads.models import Config

Given = Mapping[str, np.ndarray]
INPUTS = ("x", "k_cache", "v_cache", "rope_cos", "rope_sin")  # what is no weight, and changes from call to call


class PeerRefused(Exception):
    """A peer does not do this here."""


class Transformers:
    """Hugging Face's own layer of a family with our weights; a decode writes into its static cache."""

    def __init__(self, config: Config, phase: Phase, given: Given, *, compiled: bool) -> None:
        import torch
        from transformers import StaticCache

        from oneblock.backends._torch.arrays import _to_torch

        torch.manual_seed(0)
        self.tensors = {name: _to_torch(array) for name, array in given.items()}
        self.layer, told = (_gpt2 if config.name == "gpt2" else _llama)(config, self.tensors)
        self.words: dict[str, Any] = {}
        if "rope_cos" in given:
            tables = (self.tensors[name].repeat(1, 2)[None] for name in ("rope_cos", "rope_sin"))
            self.words["position_embeddings"] = tuple(tables)
        self.length = None
        if phase is Phase.DECODE:
            keys, values = (self.tensors[f"{name}_cache"] for name in "kv")
            cache = StaticCache(config=told, max_cache_len=keys.shape[2])
            cache.layers[0].update(keys, values)
            self.length, self.before = cache.layers[0].cumulative_length, keys.shape[2] - 1
            self.words |= {"cache": cache, "use_cache": True}
        self.run: Callable[..., Any] = (
            torch.compile(self.layer, fullgraph=True, dynamic=False) if compiled else self.layer
        )

    def call(self, args: Mapping[str, Any]) -> Any:
        import torch

        with torch.inference_mode():
            if self.length is not None:
                self.length.fill_(self.before)  # the same token again
            return self.run(self.tensors["x"], **self.words)

    def wait(self, out: Any) -> None:
        """On the CPU a call returns when it is done."""

    def answer(self, out: Any) -> np.ndarray:
        return np.asarray((out[0] if isinstance(out, tuple) else out).float().numpy())


def _llama(c: Config, tensors: Mapping[str, Any]) -> tuple[Any, Any]:
    from transformers.models.llama.modeling_llama import LlamaConfig, LlamaDecoderLayer

    told = LlamaConfig(
        hidden_size=c.width, intermediate_size=c.ffn_width, head_dim=c.head_width, num_attention_heads=c.heads,
        num_key_value_heads=c.kv_heads, num_hidden_layers=1, rms_norm_eps=c.norm_eps, attn_implementation="sdpa",
    )  # fmt: skip
    theirs = {f"self_attn.{letter}_proj": letter for letter in "qkv"} | {"self_attn.o_proj": "proj"}
    theirs |= {f"mlp.{part}_proj": part for part in ("gate", "up", "down")}
    state = {f"{name}.weight": tensors[f"{ours}_weight"].t().contiguous() for name, ours in theirs.items()}
    state["input_layernorm.weight"] = tensors["norm1_weight"]
    state["post_attention_layernorm.weight"] = tensors["norm2_weight"]
    return _loaded(LlamaDecoderLayer(told, layer_idx=0), state, tensors), told


def _gpt2(c: Config, tensors: Mapping[str, Any]) -> tuple[Any, Any]:
    import torch
    from transformers.models.gpt2.modeling_gpt2 import GPT2Block, GPT2Config

    told = GPT2Config(n_embd=c.width, n_head=c.heads, n_inner=c.ffn_width, n_layer=1, layer_norm_epsilon=c.norm_eps,
                      attn_implementation="sdpa")  # fmt: skip
    state = {f"ln_{n}.{part}": tensors[f"norm{n}_{part}"] for n in (1, 2) for part in ("weight", "bias")}
    for part in ("weight", "bias"):
        state[f"attn.c_attn.{part}"] = torch.cat([tensors[f"{letter}_{part}"] for letter in "qkv"], dim=-1)
        state |= {f"{name}.{part}": tensors[f"{ours}_{part}"] for name, ours in
                  {"attn.c_proj": "proj", "mlp.c_fc": "up", "mlp.c_proj": "down"}.items()}  # fmt: skip
    return _loaded(GPT2Block(told, layer_idx=0), state, tensors), told


def _loaded(layer: Any, state: Mapping[str, Any], tensors: Mapping[str, Any]) -> Any:
    layer = layer.to(tensors["x"].dtype).eval()
    layer.load_state_dict(state)  # strict: all of it, and nothing else
    return layer


def with_constants(program: Path, given: Given) -> bytes:
    """An exported ONNX program whose weights are constants, as a runtime wants them that packs weights beforehand."""
    import onnx

    model = onnx.load(str(program))
    constant = {name: array for name, array in given.items() if name not in INPUTS}
    kept = [one for one in model.graph.input if one.name not in constant]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    model.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in constant.items())
    return bytes(model.SerializeToString())


class OnnxRuntime:
    """ONNX Runtime, all its optimisations on."""

    def __init__(self, program: bytes, given: Given, threads: int) -> None:
        from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions

        options = SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = InferenceSession(program, options, providers=["CPUExecutionProvider"])
        self.inputs = {one.name: given[one.name] for one in self.session.get_inputs()}

    def call(self, args: Mapping[str, Any]) -> Any:
        return self.session.run(None, self.inputs)

    def wait(self, out: Any) -> None:
        """A call returns when it is done."""

    def answer(self, out: Any) -> np.ndarray:
        return np.asarray(out[0])


class OpenVino:
    """OpenVINO, told to answer soon; in bfloat16 it computes where the processor has that, and else it is no peer."""

    def __init__(self, program: bytes, given: Given, threads: int, dtype: str) -> None:
        import openvino

        core, (short, able) = openvino.Core(), {"float32": ("f32", "FP32"), "bfloat16": ("bf16", "BF16")}[dtype]
        how = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": short}
        if able not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise PeerRefused(f"OpenVINO does not compute in {dtype} on this processor")
        self.request = core.compile_model(core.read_model(program, b""), "CPU", how).create_infer_request()
        names = [one.get_any_name() for one in self.request.model_inputs]
        self.inputs = {name: given[name] for name in names}

    def call(self, args: Mapping[str, Any]) -> Any:
        return self.request.infer(self.inputs, share_inputs=True, share_outputs=True)

    def wait(self, out: Any) -> None:
        """A call returns when it is done."""

    def answer(self, out: Any) -> np.ndarray:
        return np.asarray(out[0])
