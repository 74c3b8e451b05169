"""By which means the user wants files to be watched: settings know it, and need none of what watches."""

from typing import Literal

Mode = Literal["auto", "events", "polling"]
