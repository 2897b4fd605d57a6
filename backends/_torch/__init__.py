"""PyTorch: its operations, arrays and executables, on the CPU and on GPUs."""
