"""The reloader: supervisor, watcher, link and processes. Nothing here imports Django."""
