"""How weights split over devices: by columns, by rows, or not at all."""

from __future__ import annotations

Split = tuple[str | None, ...]  # for each axis of an array the mesh axis that it is split along


_BY_COLUMNS = ("q", "k", "v", "up", "gate")


_BY_ROWS = ("proj", "down")


def split(name: str, shape: tuple[int, ...]) -> Split:
    """How one array of a workload, (I, O) for a projection, lies over the mesh."""
    if name.endswith("_cache"):
        return "dp", None, "tp", None  # (B, S, K, D)
    if name in ("x", "y"):
        return "dp", None, None  # (B, T, C)
    part = name.rpartition("_")[0]
    if is_projection(name, shape) and part in (*_BY_COLUMNS, *_BY_ROWS):
        return (None, "tp") if part in _BY_COLUMNS else ("tp", None)
    if name.endswith("_bias") and part in _BY_COLUMNS:
        return ("tp",)
    return (None,) * len(shape)


def is_projection(name: str, shape: tuple[int, ...]) -> bool:
    """Whether an array is the weight (I, O) of a projection, which a backend may keep in a layout of its own."""
    return len(shape) == 2 and name.endswith("_weight")
