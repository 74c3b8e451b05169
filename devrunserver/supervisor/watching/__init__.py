"""Which files changed: inotify, watchdog or polling."""
