"""How it is lowered: one toolchain a file, each stage captured as text to be read."""

from oneblock.compilers.api.stages import Artifact, Capture, Detail, Lowering, Stage

__all__ = ["Artifact", "Capture", "Detail", "Lowering", "Stage"]
