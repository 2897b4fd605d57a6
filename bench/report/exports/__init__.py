"""The data of a report as files."""
