"""What people read on the page."""
