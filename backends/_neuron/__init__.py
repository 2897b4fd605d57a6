"""A traced program on a NeuronCore."""
