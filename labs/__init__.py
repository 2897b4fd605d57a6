"""What is learned: the labs of MOD-528, on top of everything else."""
