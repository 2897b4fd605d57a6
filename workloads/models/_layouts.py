"""The layouts of checkpoints that are not Hugging Face's: each follows from a family's own, and from nothing else."""

from __future__ import annotations

from dataclasses import replace

from oneblock.workloads.models._family import Tensors

# Our name -> llama.cpp's, of whatever family (TENSOR_NAMES in gguf-py's constants.py).
_GGUF = {
    "norm1": "attn_norm", "q": "attn_q", "k": "attn_k", "v": "attn_v", "q_norm": "attn_q_norm", "k_norm": "attn_k_norm",
    "proj": "attn_output", "post_norm1": "post_attention_norm", "norm2": "ffn_norm", "gate": "ffn_gate",
    "up": "ffn_up", "down": "ffn_down", "post_norm2": "post_ffw_norm", "router": "ffn_gate_inp",
    "expert_gate": "ffn_gate_exps", "expert_up": "ffn_up_exps", "expert_down": "ffn_down_exps",
}  # fmt: skip
_MISTRALS = {
    "norm1": "attention_norm", "q": "attention.wq", "k": "attention.wk", "v": "attention.wv", "proj": "attention.wo",
    "norm2": "ffn_norm", "gate": "feed_forward.w1", "up": "feed_forward.w3", "down": "feed_forward.w2",
}  # fmt: skip
MISTRALS_OWN = Tensors(
    "", "layers", _MISTRALS, transposed=True, neighbours=("q", "k"), embedding="tok_embeddings", head="output"
)


def in_gguf(tensors: Tensors, *, neighbours: bool) -> Tensors:
    """How llama.cpp's converter names and lays what a family has; of a model's experts it makes one tensor."""
    fused = {
        theirs: [part for part, one in tensors.parts.items() if one == theirs] for theirs in tensors.parts.values()
    }
    named = {theirs: "attn_qkv" if len(parts) == 3 else _GGUF[parts[-1]] for theirs, parts in fused.items()}
    parts = {part: named[theirs] for part, theirs in tensors.parts.items()}
    return replace(
        tensors, prefix="", layers="blk", parts=parts, transposed=True, by_head=False, offset_norms=False, ignored=(),
        neighbours=("q", "k") if neighbours else (), embedding="token_embd", positions="position_embd",
        final_norm="output_norm", head="output",
    )  # fmt: skip
