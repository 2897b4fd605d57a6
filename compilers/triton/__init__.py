"""Triton: building for GPUs, machine code, passes, the interpreter made right."""
