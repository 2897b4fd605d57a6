"""A fleet: cells over the machines of a cluster. Ray places them; what is here asks, and takes in what comes back."""
