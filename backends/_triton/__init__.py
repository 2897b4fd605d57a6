"""Our own Triton kernels, one a file; importing one imports Triton, importing this folder does not."""

from __future__ import annotations
