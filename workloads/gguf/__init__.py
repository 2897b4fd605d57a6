"""GGUF, llama.cpp's file of a model: what it says of itself, how its tensors are packed, whose names they have."""
