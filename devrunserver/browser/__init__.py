"""What the browser is shown in place of the project."""
