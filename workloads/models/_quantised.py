"""What `quantization_config` may say: float8 weights with scales, which the tensors themselves tell of all the same.

Weights are their values times their scales. Activations stay in the cell's dtype, whatever the file says of them: to
round them is what a kernel does, and no property of the block's weights.
"""

from __future__ import annotations

from oneblock.workloads.models._keys import Keys

BLOCK = 128  # rows and columns that have one scale, where there are blocks
_STRATEGIES = {"tensor": None, "channel": None, "block": None}
_NO_MATTER = ("activation_scheme", "modules_to_not_convert", "ignored_layers", "ignore", "dequantize", "version")
_OF_COMPRESSED = ("global_compression_ratio", "quantization_status", "run_compressed")


def check_quantised(keys: Keys) -> None:
    """ModelError where `quantization_config` has another quantisation than these, or more of it than weights."""
    told = keys.object("quantization_config")
    if told is None:
        return
    method = told.values.get("quant_method")
    if method not in ("fp8", "compressed-tensors"):
        raise keys.refused({"quantization_config": dict(told.values)}, " (modelled: fp8, compressed-tensors' float8)")
    told.read |= {"quant_method", *_NO_MATTER}
    told.only("kv_cache_scheme")
    if method == "fp8":
        told.only("fmt", "e4m3")
        told.only("scale_fmt", "float", "ue8m0")  # powers of two, and stored as floats
        told.only("weight_block_size", [BLOCK, BLOCK])
    else:
        told.read |= set(_OF_COMPRESSED)
        told.only("format", "float-quantized", "naive-quantized")
        told.only("sparsity_config", {})
        told.only("transform_config", {})
        _check_groups(told)
    told.rest()


def _check_groups(told: Keys) -> None:
    groups = told.object("config_groups")
    each = [] if groups is None else [groups.object(name) for name in groups.values]
    for group in (one for one in each if one is not None):
        group.read |= {"targets", "input_activations"}
        group.only("output_activations")
        group.only("format", "float-quantized", "naive-quantized")
        weights = group.object("weights")
        if weights is not None:
            weights.only("num_bits", 8)
            weights.only("type", "float")
            weights.only("symmetric", True)
            weights.only("dynamic", False)
            weights.only("block_structure", [BLOCK, BLOCK], f"{BLOCK}x{BLOCK}")
            weights.only("group_size")
            weights.word("strategy", _STRATEGIES)
            weights.read |= {"observer", "observer_kwargs", "actorder", "scale_dtype", "zp_dtype"}
            weights.rest()
        group.rest()
