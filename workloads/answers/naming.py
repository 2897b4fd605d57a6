"""Whose names a checkpoint's tensors have, and which are one layer: each has a place in the block, or is named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oneblock.workloads.answers.checkpoint_files import CheckpointError, files_by_tensor, opened
from oneblock.workloads.answers.float8 import beside
from oneblock.workloads.answers.places import Place
from oneblock.workloads.gguf.config import FAMILIES as FAMILIES_OF
from oneblock.workloads.gguf.config import NEIGHBOURS
from oneblock.workloads.models import FAMILIES, Config, Tensors, family
from oneblock.workloads.models._layouts import MISTRALS_OWN, in_gguf

# In the names of tensors, what tells of more than an architecture.
_SIGNS = {
    "lora_": "an adapter alone is no layer: merge it into its model first",
    "_scale": "scales of quantised weights, which are read of float8 alone: convert it to bfloat16 first",
    ".qweight": "packed integers, which are not read: convert it to bfloat16 first",
    "attention.wq.": "Meta's or Mistral's own names among others: give their consolidated.safetensors by itself",
}
_OWN = re.compile(r"layers\.\d+\.attention\.wq\.")
# Around the names of a text model in one that sees, too (of older and newer transformers), or with an adapter merged.
_WRAPPED = ("language_model.{}", "model.language_model.", "model.text_model.", "base_model.model.{}")


@dataclass(frozen=True)
class Layer:
    """One layer of a checkpoint: which file holds each tensor of it all, and how those of the layer are called."""

    path: Path
    files: Mapping[str, Path]
    naming: Tensors
    root: str  # what their names begin with

    @property
    def tensors(self) -> list[str]:
        """The names of the layer's tensors, whole."""
        return sorted(tensor for tensor in self.files if tensor.startswith(self.root))

    def file_of(self, tensor: str) -> Path:
        """The file that holds a tensor; CheckpointError where none does."""
        if tensor not in self.files:
            what = "if this is one shard of many, give their index.json"
            raise CheckpointError(f"{self.path}: no tensor {tensor}; {what}")
        return self.files[tensor]

    def all_have_a_place(self, places: Mapping[str, Place]) -> None:
        """CheckpointError names the tensors that the block has no place for: to drop one would be wrong."""
        known = {tensor for place in places.values() for tensor in place.tensors}
        known |= {one for tensor in known if self.root + tensor in self.files for one in beside(tensor)}
        known |= set(self.naming.ignored)
        left = [tensor for tensor in self.tensors if tensor.removeprefix(self.root) not in known]
        if left:
            shown = ", ".join(ascii(tensor)[1:-1][:80] for tensor in left[:4]) + (", ..." if len(left) > 4 else "")
            whose = _whose(self.root, left, self.naming)
            raise CheckpointError(f"{self.path}: {shown}: no place in the block: {whose}")


def layer_of(path: Path, config: Config, layer: int) -> Layer:
    """A layer of a checkpoint of that configuration's family; CheckpointError where it has none."""
    files = files_by_tensor(path)
    naming = _tensors(path, files, config)
    return Layer(path, files, naming, _root(path, files, config, naming, layer))


def _whose(root: str, left: Sequence[str], naming: Tensors) -> str:
    """Whose tensors these are, as far as their names tell, and what to do about it."""
    for sign, what in _SIGNS.items():
        if any(sign in tensor for tensor in left):
            return what
    names = [tensor.removeprefix(root) for tensor in left]
    if all(naming.has(name) for name in names):
        return "its family has them, and this configuration has not: this is another architecture"
    others = [other for other, one in FAMILIES.items() if all(one.tensors.has(name) for name in names)]
    if others:
        return f"as in {', '.join(others)}: give --model its folder with the config.json"
    return "this is another architecture"


def _tensors(path: Path, files: Mapping[str, Path], config: Config) -> Tensors:
    """How this checkpoint of a configuration's family names its tensors, and how it lays them."""
    try:
        naming = family(config.family).tensors
    except LookupError as error:
        raise CheckpointError(f"{config.name}: {error}; use seeded weights") from None
    if path.suffix == ".gguf":
        with opened(path) as file:
            architecture = file.architecture
        if config.family not in FAMILIES_OF.get(architecture, ()):
            got = f"expected an architecture of the {config.family} family, got {architecture[:60]!a}"
            raise CheckpointError(f"{path}: {got}; --model {path} takes it as it is")
        return in_gguf(naming, neighbours=architecture in NEIGHBOURS)
    if config.family in ("llama", "mistral") and any(map(_OWN.match, files)):
        return MISTRALS_OWN
    return naming


def _root(path: Path, files: Mapping[str, Path], config: Config, naming: Tensors, layer: int) -> str:
    """What the names of the layer's tensors begin with in this checkpoint."""
    for prefix in dict.fromkeys((naming.prefix, "", *(outer.format(naming.prefix) for outer in _WRAPPED))):
        root = f"{prefix}{naming.layers}.{layer}."
        if layer >= 0 and any(tensor.startswith(root) for tensor in files):
            return root
    if here := _layers(files, naming):
        raise CheckpointError(f"{path}: expected a layer among {here}, got {layer}")
    expected = (
        f"{path}: expected tensors named {naming.prefix}{naming.layers}.{layer}.* as in the {config.family} family"
    )
    if others := [other for other, theirs in FAMILIES.items() if _layers(files, theirs.tensors)]:
        raise CheckpointError(
            f"{expected}, got names as in {', '.join(others)}; choose a --preset of that family, or give --model the "
            "folder with its config.json"
        )
    raise CheckpointError(f"{expected}, got {len(files)} of other names, the first {min(files, default='')[:80]!r}")


def _layers(tensors: Iterable[str], naming: Tensors) -> str:
    pattern = re.compile(rf"({re.escape(naming.prefix)})?{naming.layers}\.(0|[1-9][0-9]{{0,5}})\.")
    found = sorted({int(match[2]) for match in map(pattern.match, tensors) if match})
    if len(found) > 2 and found == list(range(found[0], found[-1] + 1)):
        return f"{found[0]} to {found[-1]}"
    return ", ".join(map(str, found[:8])) + (", ..." if len(found) > 8 else "")
