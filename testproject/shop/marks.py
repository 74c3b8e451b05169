"""The line to edit when you want to see whether a reload arrived: ``/version/`` shows it."""

MARK = "mark-0"
