"""The verb ``serve``: runs the server; what the program does when no verb is said."""

import argparse
import asyncio
import gc
import logging

from wx import logs
from wx.verbs import flags, running

log = logging.getLogger(__name__)

HELP = "run the server (also with no verb)"


def add_words(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(options: argparse.Namespace) -> int:
    """Serve until a signal; the exit code."""
    configuration = flags.sources(options).config()
    logs.set_up(secrets=flags.secrets(configuration))
    if configuration.webhook_token and configuration.webhook_mode == "plain":
        if configuration.webhook_aes_key:
            advice = "although webhook_aes_key is set"
        else:
            advice = "set webhook_aes_key"
        log.warning("webhook_mode is plain: messages come unencrypted; %s", advice)

    async def work(stopped: asyncio.Event) -> None:
        from wx.app import Server  # the other verbs need no web server

        server = Server(configuration)
        await server.start()
        # What is loaded now stays: the collector need not walk through it each time.
        gc.freeze()
        try:
            place = running.place(configuration.address, server.port)
            print(f"listening on http://{place}", flush=True)
            await stopped.wait()
        finally:
            await server.stop()

    return running.until_signal(work)
