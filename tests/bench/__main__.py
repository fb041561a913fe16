"""``python -m tests.bench [NAME…] [--quick]``: figures as ratios to floors of the same run."""

import argparse
import asyncio
import gc
import time

from tests.bench import callbacks, entry, latency, logins, memory, outbox, pages, start, webhook
from tests.bench.harness import Size, show

BENCHES = {
    "latency": latency.bench,
    "memory": memory.bench,
    "callbacks": callbacks.bench,
    "entry": entry.bench,
    "pages": pages.bench,
    "logins": logins.bench,
    "start": start.bench,
    "webhook": webhook.bench,
    "outbox": outbox.bench,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the benches; 0 whether or not the aims are met, because machines differ."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--quick", action="store_true", help="small numbers, a minute in all")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(BENCHES))
    if unknown:
        parser.error(f"no bench of the name {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    # The load's own pauses must not look like the server's.
    gc.disable()
    for name in options.names or BENCHES:
        begun = time.perf_counter()
        rows = asyncio.run(BENCHES[name](Size(quick=options.quick)))
        show(f"{name} ({time.perf_counter() - begun:.0f} s)", rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
