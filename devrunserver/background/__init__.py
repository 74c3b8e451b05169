"""Processes that never serve: dry runs, builders, state reports."""
