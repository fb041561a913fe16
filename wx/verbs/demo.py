"""The verb ``demo``: runs server and simulator together, with a sample account."""

import argparse
import asyncio
import logging
from pathlib import Path
from typing import Any

from wx import config, logs
from wx.verbs import running

HELP = "run server and simulator with a sample account"


def add_words(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(options: argparse.Namespace) -> int:
    """Run the demo until a signal; the exit code."""
    logs.set_up(level=logging.WARNING)

    async def work(stopped: asyncio.Event) -> None:
        from wx import demo  # the other verbs need no web server

        async with demo.run(**_chosen(options)) as text:
            print(text, flush=True)
            await stopped.wait()

    return running.until_signal(work)


def _chosen(options: argparse.Namespace) -> dict[str, Any]:
    """The demo takes a few keys from flags, and nothing from elsewhere."""
    flags = {
        name: value
        for name in ("address", "port", "bind_route")
        if (value := getattr(options, f"key_{name}")) is not None
    }
    chosen = config.read(flags=flags, environ={}, file="/dev/null").config(complete=False)
    data_dir = options.key_data_dir
    return {
        "address": chosen.address,
        "port": chosen.port,
        "data_dir": Path(data_dir) if data_dir else None,
        "bind_route": chosen.bind_route,
    }
