"""The hub: who waits for what. Holds nothing that is not in the database too."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Protocol, TypeVar

from wx.errors import Refused

K = TypeVar("K")
PER_SESSION = 5
PER_ADDRESS = 20


class Listener(Protocol):
    """A live socket, as the hub sees it: ``key`` is its session's digest, ``peer`` the address of
    its client. No method may wait."""

    topic: str
    key: bytes
    peer: str

    def changed(self, news: object = None) -> None:
        """What it waits for has changed: tell the ``news``, or ask how it stands and tell that."""

    def ended(self) -> None:
        """Its session is over."""

    def shut_down(self) -> None:
        """The server stops."""


class Hub:
    """Listeners by topic (an invite's id) and by session.

    Args:
        limit: how many may wait at once.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._topics: defaultdict[str, set[Listener]] = defaultdict(set)
        self._sessions: defaultdict[bytes, set[Listener]] = defaultdict(set)
        self._addresses: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._count

    def admit(self, *, session: bytes, address: str, near: bool) -> None:
        """Refuse one listener too many.

        Args:
            near: the address is this machine's own, so it may stand for everybody behind a proxy.

        Raises:
            Refused: 429 too many of this session or address, 503 too many of all.
        """
        message = "Too many pages are waiting."
        if self._count >= self._limit:
            raise Refused(503, "too-many-waiting", message, retry_after=30)
        crowded = not near and self._addresses[address] >= PER_ADDRESS
        if crowded or len(self._sessions.get(session, ())) >= PER_SESSION:
            raise Refused(429, "too-many-waiting", message, retry_after=5)

    def join(self, listener: Listener) -> None:
        """Tell ``listener`` of changes from now on."""
        self._topics[listener.topic].add(listener)
        self._sessions[listener.key].add(listener)
        self._addresses[listener.peer] += 1
        self._count += 1

    def leave(self, listener: Listener) -> None:
        """Forget ``listener``."""
        if listener not in self._topics.get(listener.topic, ()):
            return
        _discard(self._topics, listener.topic, listener)
        _discard(self._sessions, listener.key, listener)
        self._addresses[listener.peer] -= 1
        if not self._addresses[listener.peer]:
            del self._addresses[listener.peer]
        self._count -= 1

    def publish(self, topic: str, news: object = None) -> None:
        """Say that something has changed for those who wait for ``topic``.

        Args:
            news: how it stands now, where the one who changed it knows; saves everybody asking.
        """
        for listener in list(self._topics.get(topic, ())):
            listener.changed(news)

    def sessions(self) -> list[bytes]:
        """The sessions that wait for something."""
        return list(self._sessions)

    def end_sessions(self, sessions: Iterable[bytes]) -> None:
        """Tell those who wait with these sessions that they are over."""
        for session in sessions:
            for listener in list(self._sessions.get(session, ())):
                listener.ended()

    def shut_down(self) -> None:
        """Tell everybody that the server stops."""
        for waiting in list(self._topics.values()):
            for listener in list(waiting):
                listener.shut_down()


def _discard(index: dict[K, set[Listener]], key: K, listener: Listener) -> None:
    index[key].discard(listener)
    if not index[key]:
        del index[key]
