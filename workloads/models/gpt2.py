"""GPT-2: LayerNorm, GELU, biases everywhere, and positions that were added before the first block."""

from __future__ import annotations

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Family, Tensors

_FUSED = "attn.c_attn"
_PARTS = {"norm1": "ln_1", "norm2": "ln_2", "proj": "attn.c_proj", "up": "mlp.c_fc", "down": "mlp.c_proj"}
_PARTS |= dict.fromkeys(("q", "k", "v"), _FUSED)

FAMILY = Family(
    "gpt2",
    presets=(
        # GPT-2 small, 124M: 12 such blocks. https://huggingface.co/openai-community/gpt2/blob/main/config.json
        Config(
            "gpt2", "gpt2", 768, 12, 12, 64, 3072,
            norm="layer_norm", activation="gelu", gated=False, qkv_bias=True, proj_bias=True, mlp_bias=True,
        ),
    ),
    tensors=Tensors("transformer.", "h", _PARTS, transposed=False, fused=_FUSED),
)  # fmt: skip
