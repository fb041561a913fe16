"""Places where a test can end the process as a power cut does; off unless ``FAILPOINT`` is set."""

import os

_NAMED = os.environ.get("FAILPOINT", "")


def here(name: str) -> None:
    """End the process at once if ``FAILPOINT`` is ``name``."""
    if _NAMED and name == _NAMED:
        os._exit(137)
