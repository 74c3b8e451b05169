"""What the user can mend."""

from __future__ import annotations


class HttpsError(Exception):
    """HTTPS cannot be spoken; the message is a sentence or two for the user: the cause, and what helps."""
