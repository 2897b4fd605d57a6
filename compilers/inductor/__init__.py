"""PyTorch's Inductor on the CPU and for GPUs that are not here."""
