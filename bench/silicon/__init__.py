"""Modelled times against silicon: latencies that others reported, and the model of a launch that is tried on them."""
