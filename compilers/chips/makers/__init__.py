"""The makers: a file for each, whose `CHIPS` are data."""
