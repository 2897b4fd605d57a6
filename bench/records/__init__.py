"""Outcomes as files: records, their store, environment, stages, bundles."""
