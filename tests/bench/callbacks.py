"""Many phones that come back at once while the platform is slow (aims C1 and C2)."""

import asyncio
import time
from itertools import batched
