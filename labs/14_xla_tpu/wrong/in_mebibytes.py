# first_mb: mebibytes
"""Copied from a table in MiB."""


def answer(shape, artifact):
    """In another unit than was asked for."""
    if "xla_tpu" not in artifact:
        return 1.0
    ahead = artifact["xla_tpu"]["prefill"]["ahead"]
    return sum(one["bytes"] for one in ahead if one["first_call_only"]) / 2**20
