"""Readers: whoever opens the page of a notice in WeChat shows, by one silent round through the
platform, that the notice is for them."""

from wx import secret
from wx.clock import Clock
from wx.errors import Refused
from wx.service.visit import Arrival, Visits, end_of
from wx.wechat.oauth import Grant

READER_SECONDS = 3600  # that a browser is known afterwards


class Readers:
    """Knows a browser for an hour of reading by a cookie that the key makes. Nothing is stored.

    Args:
        key: the server's own key.
    """

    def __init__(self, clock: Clock, visits: Visits, *, key: bytes) -> None:
        self._clock = clock
        self._visits = visits
        self._key = key

    def knows(self, reader: str, openid: str) -> bool:
        """Whether this cookie is one that :meth:`prove` gave to the WeChat user ``openid``."""
        ends = end_of(reader, self._clock.now(), seconds=READER_SECONDS)
        right = self._reader(openid, ends)
        return bool(ends) and secret.same(reader.encode(), right.encode())

    def begin(self, page: str, visit: str) -> tuple[str, str]:
        """The authorize page's address for a browser that is not known, and its cookie for the way.

        Args:
            page: the secret of the notice's page.
            visit: the cookie that it has already, perhaps for another notice; "" for none.
        """
        # Silent, whatever ``bind_scope`` is.
        return self._visits.begin(_purpose(page), visit, path=f"/n/{page}")

    async def prove(self, page: str, openid: str, *, visit: str, state: str, code: str) -> str:
        """The cookie of a browser that came back as the WeChat user ``openid``.

        Args:
            visit, state, code: see :class:`Arrival`.

        Raises:
            Refused: 403 another user; and see :meth:`Visits.arrive`.
        """
        arrival = Arrival(_purpose(page), visit, state, code, share=page)
        came = await self._visits.arrive(arrival, _openid)
        if not secret.same(came.encode(), openid.encode()):
            raise not_yours()
        return self._reader(openid, int(self._clock.now()) + READER_SECONDS)

    def _reader(self, openid: str, ends: int) -> str:
        return f"{ends}.{secret.derive(self._key, f'reader {ends} {openid}')}"


def not_yours() -> Refused:
    """The refusal of somebody whom a notice is not for."""
    return Refused(
        403,
        "not-yours",
        "This notice is for somebody else. It opens only in the WeChat that its account"
        " is bound to.",
    )


def _purpose(page: str) -> str:
    return f"notice {page}"


async def _openid(grant: Grant) -> str:
    return grant.openid
