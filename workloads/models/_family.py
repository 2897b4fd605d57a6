"""What a family of models is: its presets, and what its checkpoints call the tensors of a layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from oneblock.workloads.models._config import Config


@dataclass(frozen=True)
class Tensors:
    """The names and layouts of a family's checkpoints, as Hugging Face writes them."""

    prefix: str  # absent from the files of a model saved without its head
    layers: str
    parts: Mapping[str, str]  # our name -> theirs
    transposed: bool  # nn.Linear stores (out, in); GPT-2's Conv1D stores (in, out) as we do
    fused: str | None = None  # the part, if any, that holds q, k and v side by side


@dataclass(frozen=True)
class Family:
    """Models whose checkpoints look alike; a public file of workloads/models defines one, as FAMILY."""

    name: str  # the file's stem
    presets: tuple[Config, ...]
    tensors: Tensors
