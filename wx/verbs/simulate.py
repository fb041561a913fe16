"""The verb ``simulate``: runs the simulator of the platform alone."""

import argparse
import asyncio
import logging

from wx import config, logs
from wx.clock import Clock
from wx.errors import StartError
from wx.verbs import running

HELP = "run the simulator alone"
PORT = "8001"  # unless said otherwise: the server's own is 8000


def add_words(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(options: argparse.Namespace) -> int:
    """Run the simulator until a signal; the exit code."""
    logs.set_up(level=logging.WARNING)
    flags = {"address": options.key_address, "port": options.key_port or PORT}
    chosen = config.read(
        flags={name: value for name, value in flags.items() if value}, environ={}, file="/dev/null"
    ).config(complete=False)

    async def work(stopped: asyncio.Event) -> None:
        from wx.simulator.app import Simulator  # the other verbs need no web server
        from wx.web import qr
        from wx.web.routes import load_languages

        load_languages()
        simulator = Simulator(clock=Clock(), draw_code=qr.svg)
        try:
            await simulator.start(address=chosen.address, port=chosen.port)
        except OSError as error:
            place = running.place(chosen.address, chosen.port)
            raise StartError(f"cannot listen on {place}: {error.strerror}") from None
        try:
            base = simulator.base_url
            print(f"listening on {base}")
            print(f"api_base, open_base and mp_base: {base}", flush=True)
            print(f"app_id {simulator.app_id}, app_secret {simulator.app_secret}", flush=True)
            webhook = '{"url": "http://127.0.0.1:8000/wechat", "token": "TOKEN"}'
            print(f"to set the webhook: curl {base}/admin/webhook -d '{webhook}'", flush=True)
            await stopped.wait()
        finally:
            await simulator.stop()

    return running.until_signal(work)
