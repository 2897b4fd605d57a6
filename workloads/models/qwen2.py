"""Qwen2: Llama's block with biases where it projects into heads; checkpoints in Llama's names."""

from __future__ import annotations

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Family, Tensors
from oneblock.workloads.models.llama import PARTS

FAMILY = Family(
    "qwen2",
    presets=(
        # Qwen2 0.5B: 24 such blocks. https://huggingface.co/Qwen/Qwen2-0.5B/blob/main/config.json
        Config("qwen2-0.5b", "qwen2", 896, 14, 2, 64, 4864, 1e-6, 1_000_000.0, qkv_bias=True),
    ),
    tensors=Tensors("model.", "layers", PARTS, transposed=True),
)
