"""The Explorer's data: stages, lines and steps."""
