"""The worker process: its jobs, how it is started and how it measures."""
