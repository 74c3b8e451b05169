"""The process that runs the project and answers requests."""
