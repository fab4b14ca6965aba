"""Treadle: a self-hosted SQL statement service whose cancel is true."""

__version__ = "0.1.0"
