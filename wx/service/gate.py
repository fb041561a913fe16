"""The webhook's gate: lets in what WeChat has signed, and nothing else."""

import hashlib
import logging
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wx.clock import Clock
from wx.config import Config
from wx.protocol import signature, xml
from wx.protocol.envelope import Damaged, Envelope
from wx.protocol.xml import BadXML, Fields

WINDOW_SECONDS = 600  # that a timestamp may be off
# That a signature is remembered: from ten minutes before its time it is good for twenty.
SEEN_SECONDS = 2 * WINDOW_SECONDS + 60
BODY_BYTES = 128 * 1024

_SHAPES = {
    "signature": re.compile(rb"[0-9a-f]{40}"),
    "msg_signature": re.compile(rb"[0-9a-f]{40}"),
    "timestamp": re.compile(rb"[0-9]{10}"),
    "nonce": re.compile(rb"[A-Za-z0-9]{1,32}"),
    "echostr": re.compile(rb"[\x20-\x7e]{1,512}"),
}
_WRONG = "the signature is wrong: is webhook_token the console's Token (令牌)?"
_SAME_MODE = "the console's 消息加解密方式 must be the same"
_VERIFICATION = b"GET"  # stands for the body of a request that has none

log = logging.getLogger(__name__)

Query = Mapping[str, list[bytes]]


class Rejected(Exception):
    """A request that is not let in.

    Args:
        status: 400 it makes no sense, 403 it is not WeChat's, 404 there is no webhook; others where
            it is not the message that is wrong.
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
    """What was let in: the message's fields; and what its signature is kept as, with the digest
    of the body that it was used for, where that has to be kept."""

    fields: Fields = field(repr=False)
    used: tuple[bytes, bytes] | None


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

    def verify(self, query: Query) -> tuple[str, tuple[bytes, bytes] | None]:
        """What the console's check is answered with (platform document, 3.1), and what its
        signature is kept as.

        Raises:
            Rejected: 400, 403, 404.
        """
        given, timestamp, nonce = self._signed(query, "signature")
        echo = _one(query, "echostr")
        if not signature.matches(given, self._token, timestamp, nonce):
            raise Rejected(403, _WRONG)
        # An old one passes, since the check does nothing; messages will not. Its signature fits a
        # message too, so it is used up.
        off = int(timestamp) - self._clock.now()
        if abs(off) > WINDOW_SECONDS:
            log.warning("webhook: the check's timestamp is %s: is this clock right?", _age(off))
        return echo, self._use(given, timestamp, _VERIFICATION)

    def open(self, query: Query, body: bytes) -> Delivery:
        """The message in a POST (platform document, 3.2 and 3.3).

        Raises:
            Rejected: 400, 403, 404.
        """
        if len(body) > BODY_BYTES:
            raise Rejected(400, "the body is too large")
        sealed = self._envelope is not None
        if self._token and sealed and "msg_signature" not in query:
            raise Rejected(400, f"not sealed, and webhook_mode is {self._mode}: {_SAME_MODE}")
        given, timestamp, nonce = self._signed(query, "msg_signature" if sealed else "signature")
        if self._envelope is None:
            if not signature.matches(given, self._token, timestamp, nonce):
                raise Rejected(403, _WRONG)
            fields = _read(body)
            if "MsgType" not in fields and "Encrypt" in fields:
                raise Rejected(400, f"sealed, and webhook_mode is plain: {_SAME_MODE}")
        else:
            fields = self._unseal(self._envelope, _read(body), given, timestamp, nonce)
        self._refuse_stale(timestamp)
        self._refuse_stranger(fields)
        return Delivery(fields, self._use(given, timestamp, body))

    def warm_up(self) -> None:
        """Load what the first message needs, which it would wait for. Blocks for some 50 ms."""
        xml.read(b"<xml></xml>")
        if self._envelope:
            self._envelope.open(self._envelope.encrypt(b"", salt=bytes(16)))

    def remember(self, seen: Iterable[tuple[bytes, bytes]]) -> None:
        """Take up what was kept of another run's signatures."""
        ends_at = self._clock.monotonic() + SEEN_SECONDS
        for used, body in seen:
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
            raise Rejected(400, f"not sealed, and webhook_mode is {self._mode}: {_SAME_MODE}")
        if self._mode == "safe" and not outer.keys() <= {"ToUserName", "Encrypt"}:
            raise Rejected(400, f"sealed and plain too, webhook_mode is safe: {_SAME_MODE}")
        if not signature.matches(given, self._token, timestamp, nonce, encrypted):
            raise Rejected(403, _WRONG)
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
            raise Rejected(403, f"the timestamp is {_age(off)}: a replay, or this clock is wrong")

    def _refuse_stranger(self, fields: Fields) -> None:
        if self._account and fields.get("ToUserName") != self._account:
            raise Rejected(403, "the message is for another account than original_id")

    def _use(self, given: str, timestamp: str, body: bytes) -> tuple[bytes, bytes] | None:
        """Use a signature up for this body; both as they are kept.

        The signature of a plain message says nothing about its body, so whoever has seen one could
        put another body under it. That of a sealed one covers it, and need not outlive this run.
        """
        used = min(int(timestamp), 2**32 - 1).to_bytes(4) + bytes.fromhex(given)
        digest = hashlib.sha256(body).digest()
        now = self._clock.monotonic()
        # Only who knows the token can add to them, so time alone bounds their number. Before the
        # look, since a check may come again when its signature is long forgotten.
        while self._seen and next(iter(self._seen.values()))[1] <= now:
            self._seen.popitem(last=False)
        first, _ = self._seen.setdefault(used, (digest, now + SEEN_SECONDS))
        if first != digest:
            raise Rejected(403, "a used signature came with another body", alarm=True)
        return (used, digest) if self._envelope is None else None


def _age(off: float) -> str:
    return f"{abs(off):.0f} s {'ahead' if off > 0 else 'old'}"


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
