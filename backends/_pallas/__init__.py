"""Our own Pallas kernels for the TPU, one a file; importing one imports JAX, importing this folder does not."""

from __future__ import annotations
