"""Measurements of the service, side by side with DuckDB used directly in the same run."""
