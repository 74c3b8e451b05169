"""The process that the user started: holds the socket, watches files, decides. No Django."""
