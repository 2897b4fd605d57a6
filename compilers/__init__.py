"""How it is lowered: one toolchain a file, each stage captured as text to be read."""

from oneblock.compilers._artifact import Artifact, Stage

__all__ = ["Artifact", "Stage"]
