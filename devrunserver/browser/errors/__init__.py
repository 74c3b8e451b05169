"""What is shown of an error: one description of it, and its forms as page, overlay, text, Markdown and JSON."""
