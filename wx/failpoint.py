"""Places where a test can end the process as a power cut does; off unless ``FAILPOINT`` is set."""

import itertools
import os

_NAMED, _, _TIMES = os.environ.get("FAILPOINT", "").partition("@")
_passed = itertools.count(1)


def here(name: str) -> None:
    """End the process at once if ``FAILPOINT`` is ``name``; if it is ``name@3``, the third time."""
    if _NAMED and name == _NAMED and next(_passed) >= int(_TIMES or 1):
        os._exit(137)
