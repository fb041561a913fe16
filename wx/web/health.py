"""For the operator's watchdog and graphs. Holds no secret and names nobody."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wx.errors import StorageUnavailable
from wx.protocol import errcode
from wx.web.base import Base, Site

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric


class Alive(Base):
    """The process runs and answers."""

    needs_session = False
    any_host = True

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("ok\n")


class Ready(Base):
    """What the process needs is there: 200, or 503 and what is missing. With ``verbose`` it also
    says what is not as it should be, which changes no status."""

    needs_session = False
    any_host = True

    async def get(self) -> None:
        health = self.services.health
        checks = {
            "database": await health.database_answers(),
            "access token": health.access_token_held(),
        }
        if not all(checks.values()):
            self.set_status(503)
            self.set_header("Retry-After", "10")
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        lines = [f"{name}: {'ok' if ok else 'no'}\n" for name, ok in checks.items()]
        if "verbose" in self.request.query_arguments and (stolen := health.stolen_today()):
            cure = errcode.explain(errcode.NOT_LATEST).cure
            lines.append(f"access token replaced by another program today: {stolen}. {cure}\n")
        if "verbose" in self.request.query_arguments:
            lines += [
                f"sending as {channel} pauses for {seconds:.0f} s{errcode.clause(why)}\n"
                for channel, (seconds, why) in health.pauses().items()
            ]
        self.finish("".join(lines))


class Metrics(Base):
    """Prometheus text."""

    needs_session = False
    any_host = True

    async def get(self) -> None:
        waiting = await self._waiting()
        # Loaded when first asked for: it costs a tenth of the start.
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.exposition import CONTENT_TYPE_LATEST

        registry = CollectorRegistry()
        registry.register(_Collector(self.site, waiting))
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(generate_latest(registry))

    async def _waiting(self) -> int | None:
        """How many notices wait; None if the database does not say, which hides nothing else."""
        try:
            return await self.services.outbox.count_waiting()
        except StorageUnavailable:
            return None


class _Collector:
    """Reads the program's own counters when somebody asks.

    Args:
        waiting: notices that have still to leave, if that is known.
    """

    def __init__(self, site: Site, waiting: int | None) -> None:
        self._site = site
        self._waiting = waiting

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        requests = CounterMetricFamily(
            "wxbind_requests", "Requests answered", labels=["handler", "status"]
        )
        for (name, status), count in self._site.requests.items():
            requests.add_metric([name, str(status)], count)
        yield requests
        inbox = self._site.services.inbox
        incoming = CounterMetricFamily(
            "wxbind_incoming", "Messages and events acted upon", labels=["kind"]
        )
        for kind, count in inbox.kinds.items():
            incoming.add_metric([kind], count)
        yield incoming
        yield CounterMetricFamily(
            "wxbind_incoming_repeats", "Repeats answered as before", value=inbox.repeats
        )
        notices = CounterMetricFamily(
            "wxbind_notices", "Notices that came to this state", labels=["channel", "state"]
        )
        for (channel, state), count in self._site.services.outbox.settled.items():
            notices.add_metric([channel or "none", state], count)
        yield notices
        if self._waiting is not None:
            yield GaugeMetricFamily(
                "wxbind_notices_waiting", "Notices that have still to leave", self._waiting
            )
        health = self._site.services.health
        paused = GaugeMetricFamily(
            "wxbind_sending_paused", "Seconds that a channel still pauses", labels=["channel"]
        )
        for channel, (seconds, _) in health.pauses().items():
            paused.add_metric([channel], seconds)
        yield paused
        yield GaugeMetricFamily(
            "wxbind_live_sockets", "Waiting browsers", value=float(health.waiting())
        )
        yield GaugeMetricFamily(
            "wxbind_access_token_held",
            "1 while there is an access token",
            value=float(health.access_token_held()),
        )
        yield CounterMetricFamily(
            "wxbind_access_token_stolen",
            "Times that another program replaced the access token",
            value=float(health.stolen()),
        )
