"""The block's operations in Pallas, for TPUs."""
