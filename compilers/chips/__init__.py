"""What is known of chips: peaks, memory, links, occupancy, topologies."""
