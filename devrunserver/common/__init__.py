"""What any process may run: the standard library alone, nothing of Django."""
