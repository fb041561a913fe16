"""The hub: who waits for what. Holds nothing that is not in the database too."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Protocol, TypeVar

from wx.errors import Refused
from wx.service.throttle import place

K = TypeVar("K")
PER_KEY = 5
PER_ADDRESS = 20
SESSION = "session"
DESK = "desk"  # of strangers: a sign-in page that waits for a phone


class Listener(Protocol):
    """A live socket, as the hub sees it: ``key`` is the digest of what it was let in by, a session
    or another ``kind`` of secret, and ends with; ``peer`` is the address of its client. No method
    may wait."""

    topic: str
    kind: str
    key: bytes
    peer: str

    def changed(self, news: object = None) -> None:
        """What it waits for has changed: tell the ``news``, or ask how it stands and tell that."""

    def ended(self) -> None:
        """What it was let in by is over."""

    def shut_down(self) -> None:
        """The server stops."""


class Hub:
    """Listeners by topic (an invite's id) and by what they were let in by (a session).

    Args:
        limit: how many may wait at once.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._topics: defaultdict[str, set[Listener]] = defaultdict(set)
        self._keys: defaultdict[bytes, set[Listener]] = defaultdict(set)
        self._places: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._count

    def admit(self, *, key: bytes, address: str, near: bool, kind: str = SESSION) -> None:
        """Refuse one listener too many.

        Args:
            near: the address is this machine's own, so it may stand for everybody behind a proxy.
            kind: what it is let in by. Strangers get half of all places, so that they cannot keep
                out who is signed in.

        Raises:
            Refused: 429 too many of this key or address, 503 too many of all.
        """
        message = "Too many pages are waiting."
        full = self._count >= self._limit
        if full or (kind == DESK and self._kinds[DESK] >= self._limit // 2):
            raise Refused(503, "too-many-waiting", message, retry_after=30)
        crowded = not near and self._places[place(address)] >= PER_ADDRESS
        if crowded or len(self._keys.get(key, ())) >= PER_KEY:
            raise Refused(429, "too-many-waiting", message, retry_after=5)

    def join(self, listener: Listener) -> None:
        """Tell ``listener`` of changes from now on."""
        self._topics[listener.topic].add(listener)
        self._keys[listener.key].add(listener)
        self._places[place(listener.peer)] += 1
        self._kinds[listener.kind] += 1
        self._count += 1

    def leave(self, listener: Listener) -> None:
        """Forget ``listener``."""
        if listener not in self._topics.get(listener.topic, ()):
            return
        _discard(self._topics, listener.topic, listener)
        _discard(self._keys, listener.key, listener)
        for counter, name in ((self._places, place(listener.peer)), (self._kinds, listener.kind)):
            counter[name] -= 1
            if not counter[name]:
                del counter[name]
        self._count -= 1

    def publish(self, topic: str, news: object = None) -> None:
        """Say that something has changed for those who wait for ``topic``.

        Args:
            news: how it stands now, where the one who changed it knows; saves everybody asking.
        """
        for listener in list(self._topics.get(topic, ())):
            listener.changed(news)

    def topics(self, kind: str) -> list[str]:
        """What those wait for who were let in by this kind of secret."""
        if not self._kinds[kind]:
            return []  # without looking through thousands that wait for something else
        return [name for name, (one, *_) in self._topics.items() if one.kind == kind]

    def keys(self, kind: str) -> list[bytes]:
        """What those who wait were let in by, of this kind: the sessions, say."""
        if not self._kinds[kind]:
            return []
        return [key for key, (one, *_) in self._keys.items() if one.kind == kind]

    def end(self, keys: Iterable[bytes]) -> None:
        """Tell those who were let in by these that they are over."""
        for key in keys:
            for listener in list(self._keys.get(key, ())):
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
