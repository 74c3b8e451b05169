"""The HTTP server on Django's basehttp."""
