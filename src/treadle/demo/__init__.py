"""The demo: a plain client of the HTTP API that loads TPC-H, asks, and cancels what it asked."""
