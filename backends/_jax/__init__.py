"""JAX: its operations, placement and executables."""
