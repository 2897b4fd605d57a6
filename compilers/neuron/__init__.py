"""AWS Neuron's toolchain: tracing, operators, profiles, versions."""
