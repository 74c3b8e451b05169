"""``python -m devrunserver status`` and its like: runs in processes of their own, that ask a running server."""

COMMANDS = ("status", "wait", "errors", "requests", "routes", "reload", "mcp")
