"""The webhook's gate: lets in what WeChat has signed, and nothing else."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wx.clock import Clock
from wx.config import Config
from wx.protocol import signature, xml
from wx.protocol.envelope import Damaged, Envelope
from wx.protocol.xml import BadXML, Fields

WINDOW_SECONDS = 600  # that a timestamp may be off
SEEN_SECONDS = 900  # that a signature is remembered: longer than it is good for
SEEN_LIMIT = 100_000
BODY_BYTES = 128 * 1024

_SHAPES = {
    "signature": re.compile(rb"[0-9a-f]{40}"),
    "msg_signature": re.compile(rb"[0-9a-f]{40}"),
    "timestamp": re.compile(rb"[0-9]{10}"),
    "nonce": re.compile(rb"[A-Za-z0-9]{1,32}"),
    "echostr": re.compile(rb"[\x20-\x7e]{1,512}"),
}
_VERIFICATION = b"GET"  # stands for the body of a request that has none

Query = Mapping[str, list[bytes]]


class Rejected(Exception):
    """A request that is not let in.

    Args:
        status: 400 it makes no sense, 403 it is not WeChat's, 404 there is no webhook.
        reason: for the operator; whoever sent it learns the status only.
        alarm: somebody may be up to something.
    """

    def __init__(self, status: int, reason: str, *, alarm: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.alarm = alarm


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was let in: the message's fields, and digests of its signature and its body."""

    fields: Fields
    signature: bytes
    body: bytes


class Gate:
    """Knows the webhook's token and key, and which signatures have been used.

    What is demanded is decided by ``webhook_mode``, never by the request: in ``safe`` and in
    ``compatible`` only the sealed message counts, and only its own signature.
    """

    def __init__(self, clock: Clock, config: Config) -> None:
        self._clock = clock
        self._token = config.webhook_token
        self._mode = config.webhook_mode
        self._account = config.original_id
        self._envelope: Envelope | None = None
        if self._token and self._mode != "plain":
            self._envelope = Envelope(
                token=config.webhook_token, aes_key=config.webhook_aes_key, app_id=config.app_id
            )
        self._seen: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()

    @property
    def on(self) -> bool:
        """Whether there is a webhook at all."""
        return bool(self._token)

    @property
    def envelope(self) -> Envelope | None:
        """What answers are sealed with; None where they go plain."""
        return self._envelope

    def verify(self, query: Query) -> str:
        """What the console's check is answered with (platform document, 3.1).

        Raises:
            Rejected: 400, 403, 404.
        """
        given, timestamp, nonce = self._signed(query, "signature")
        echo = _one(query, "echostr")
        if not signature.matches(given, self._token, timestamp, nonce):
            raise Rejected(403, "the signature is wrong: is webhook_token the console's Token?")
        # Old ones pass: the check does nothing, and is how a wrong clock here is found out. But
        # its signature fits a message too, so it is used up.
        self._use(given, _VERIFICATION)
        return echo

    def open(self, query: Query, body: bytes) -> Delivery:
        """The message in a POST (platform document, 3.2 and 3.3).

        Raises:
            Rejected: 400, 403, 404.
        """
        if len(body) > BODY_BYTES:
            raise Rejected(400, "the body is too large")
        sealed = self._envelope is not None
        given, timestamp, nonce = self._signed(query, "msg_signature" if sealed else "signature")
        if self._envelope is None:
            if not signature.matches(given, self._token, timestamp, nonce):
                raise Rejected(403, "the signature is wrong")
            fields = _read(body)
        else:
            fields = self._unseal(self._envelope, _read(body), given, timestamp, nonce)
        self._refuse_stale(timestamp)
        self._refuse_stranger(fields)
        used, digest = self._use(given, body)
        return Delivery(fields, used, digest)

    def warm_up(self) -> None:
        """Load what the first message needs: half a tenth of a second that it need not wait. For a
        thread."""
        xml.read(b"<xml></xml>")
        if self._envelope:
            self._envelope.open(self._envelope.encrypt(b"", salt=bytes(16)))

    def remember(self, seen: Iterable[tuple[bytes, bytes]]) -> None:
        """Take up what another run has let in; the newest first."""
        ends_at = self._clock.monotonic() + SEEN_SECONDS
        for used, body in reversed(list(seen)):
            self._seen[used] = (body, ends_at)

    def _signed(self, query: Query, name: str) -> tuple[str, str, str]:
        if not self.on:
            raise Rejected(404, "there is no webhook: webhook_token is not set")
        return _one(query, name), _one(query, "timestamp"), _one(query, "nonce")

    def _unseal(
        self, envelope: Envelope, outer: Fields, given: str, timestamp: str, nonce: str
    ) -> Fields:
        encrypted = outer.get("Encrypt")
        if not isinstance(encrypted, str):
            raise Rejected(400, f"no sealed message: is the console's mode {self._mode} too?")
        if self._mode == "safe" and not outer.keys() <= {"ToUserName", "Encrypt"}:
            raise Rejected(400, "plain elements beside a sealed message")
        if not signature.matches(given, self._token, timestamp, nonce, encrypted):
            raise Rejected(403, "the signature is wrong")
        try:
            return _read(envelope.open(encrypted))
        except Damaged:
            # One reason for all damage: which byte is wrong is nobody's business.
            raise Rejected(
                403, "the sealed message cannot be opened: are webhook_aes_key and app_id right?"
            ) from None

    def _refuse_stale(self, timestamp: str) -> None:
        off = int(timestamp) - self._clock.now()
        if abs(off) > WINDOW_SECONDS:
            age = f"{abs(off):.0f} s {'ahead' if off > 0 else 'old'}"
            raise Rejected(403, f"the timestamp is {age}: a replay, or this clock is wrong")

    def _refuse_stranger(self, fields: Fields) -> None:
        if self._account and fields.get("ToUserName") != self._account:
            raise Rejected(403, "the message is for another account than original_id")

    def _use(self, given: str, body: bytes) -> tuple[bytes, bytes]:
        """Use a signature up for this body; their digests.

        The signature of a plain message says nothing about its body, so whoever has seen one could
        put another body under it.
        """
        used = bytes.fromhex(given)
        digest = hashlib.sha256(body).digest()
        now = self._clock.monotonic()
        first, _ = self._seen.setdefault(used, (digest, now + SEEN_SECONDS))
        if first != digest:
            raise Rejected(403, "a used signature came with another body", alarm=True)
        while self._seen:
            oldest = next(iter(self._seen))
            if self._seen[oldest][1] > now and len(self._seen) <= SEEN_LIMIT:
                break
            del self._seen[oldest]
        return used, digest


def _one(query: Query, name: str) -> str:
    values = query.get(name, [])
    if len(values) != 1 or not _SHAPES[name].fullmatch(values[0]):
        state = "missing" if not values else "doubled" if len(values) > 1 else "odd"
        raise Rejected(400, f"{name} is {state}")
    return values[0].decode("ascii")


def _read(body: bytes) -> Fields:
    try:
        return xml.read(body)
    except BadXML as error:
        raise Rejected(400, f"the body is no message: {error}") from None
