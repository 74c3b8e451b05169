"""The starting worker and its paused copies."""
