"""The rows of the page, from records."""
