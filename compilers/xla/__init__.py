"""XLA for CPU, GPU and TPU: lowering, stages, dumps, estimates, passes."""
