"""What a model costs on each device: launches, memory, traffic, prices, and what would turn the order."""
