"""What others may import of a compiler: stages, facts, searches, passes, child processes."""
