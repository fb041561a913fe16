"""``python -m tests.faults [NAME…] [--kills N] [--quick]``: what nothing may come of, and a line of
what came of it. Ends with 1 if a promise was broken."""

import argparse
import asyncio
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.faults import kills, platform, stops, storage
from tests.faults.kills import Kills
from tests.faults.platform import Outage, Storm
from tests.faults.site import Verdict
from tests.faults.stops import Stopped
from tests.faults.storage import Trouble

KILLS = 2000
Result = Kills | Outage | Storm | Trouble | Stopped | Verdict
Story = Callable[[Path], Awaitable[Result]]


def stories(count: int, *, quick: bool) -> dict[str, Story]:
    """What can go wrong, by name; ``quick`` only shows that it still runs."""
    away = 0.6 if quick else 20.0
    found: dict[str, Story] = {"kills": lambda folder: kills.kills(folder, count=count)}
    for way in platform.WAYS:
        found[f"platform-{way}"] = lambda folder, way=way: platform.outage(
            folder, [way], seconds=away, between=1.0
        )
    found["dead-token"] = lambda folder: platform.dead_token(folder, count=1000)
    found["full-disk"] = lambda folder: storage.full_disk(
        folder, seconds=away / 4, mounted=os.geteuid() == 0
    )
    found["full-disk-by-limit"] = lambda folder: storage.full_disk(folder, seconds=away / 4)
    found["locked-2-s"] = lambda folder: storage.locked(folder, seconds=2)
    found["locked-7-s"] = lambda folder: storage.locked(folder, seconds=7)
    found["stops"] = lambda folder: stops.stops(folder, times=2 if quick else 50)
    found["stop-while-it-hangs"] = lambda folder: stops.stops(folder, times=1, hang=True)
    found["clock"] = lambda folder: stops.jumps(folder, seconds=away / 4)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the stories that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--kills", type=int, default=KILLS, metavar="N")
    parser.add_argument("--quick", action="store_true", help="small numbers, a minute in all")
    options = parser.parse_args(arguments)
    known = stories(12 if options.quick else options.kills, quick=options.quick)
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"no fault of the name {', '.join(unknown)}; there are {', '.join(known)}")
    names = options.names or list(known)
    begun = time.monotonic()
    failed = [name for name in names if not _run(name, known[name])]
    minutes = (time.monotonic() - begun) / 60
    told = f"broken: {', '.join(failed)}" if failed else "every promise was kept"
    print(f"{len(names)} faults in {minutes:.0f} min: {told}", flush=True)
    return 1 if failed else 0


def _run(name: str, story: Story) -> bool:
    """Tell a story, and whether it ended well."""
    begun = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="wxbind-faults-") as folder:
            result = asyncio.run(story(Path(folder)))
    except Exception:
        traceback.print_exc()
        print(f"{name}: BROKEN", file=sys.stdout, flush=True)
        return False
    wrong = result.wrong()
    verdict = f"BROKEN ({'; '.join(wrong)})" if wrong else "ok"
    print(f"{name} ({time.monotonic() - begun:.0f} s): {verdict}: {result}", flush=True)
    return not wrong


if __name__ == "__main__":
    raise SystemExit(main())
