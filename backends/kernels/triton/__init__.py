"""The block's operations in Triton."""
