"""The things this program is about, as plain values (words: see the README's code map)."""

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Account:
    """Someone who logs in here. ``password`` is an Argon2id string, or "" for an account that can
    only be reached; times are Unix seconds."""

    id: int
    name: str
    password: str
    admin: bool
    created_at: float
    disabled_at: float | None

    @property
    def can_sign_in(self) -> bool:
        """Whether anybody may be signed in as it, by whatever way."""
        return self.disabled_at is None and bool(self.password)


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser, known by the digest of its cookie. Times are Unix seconds."""

    digest: bytes
    account_id: int
    created_at: float
    seen_at: float


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a request came from, as far as it is kept: the address cut to its network."""

    network: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """What the platform tells of a WeChat user (platform document, 2.4). All of it is optional
    and untrusted text, save the openid. ``sex``: 0 unknown, 1 male, 2 female."""

    openid: str
    unionid: str = ""
    nickname: str = ""
    sex: int = 0
    province: str = ""
    city: str = ""
    country: str = ""
    avatar: str = ""
    privilege: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Follower:
    """A WeChat user known to one WeChat account.

    ``read_at``: when the profile was read. ``following`` is None while it is not known.
    ``follow_changed_at``: when they last began or ceased to follow, ``acted_at``: when they last
    did something here, in Unix seconds of the platform's clock. ``came_by``: how they came to
    follow, in the platform's word (platform document, 6, `subscribe_scene`), and ``scene`` what the
    code said that they came by. ``language``: "zh", "en", or "" while it is not known.
    ``unbind_asked_at``: when they were asked whether to unbind, while that is not answered.
    ``window_left``: customer-service messages that their last message still allows, until
    ``window_ends_at``; ``brief_left`` and ``brief_ends_at`` the same for what they did last with
    the menu, a code, or by following (platform document, 4.4). ``blocked_at``: when the platform
    said that they receive nothing; None where it did not, or they have acted since.
    """

    id: int
    app_id: str
    profile: Profile
    read_at: float | None
    following: bool | None = None
    follow_changed_at: float | None = None
    acted_at: float | None = None
    came_by: str = ""
    scene: str = ""
    language: str = ""
    unbind_asked_at: float | None = None
    window_left: int = 0
    window_ends_at: float = 0.0
    brief_left: int = 0
    brief_ends_at: float = 0.0
    blocked_at: float | None = None

    @property
    def out_of_reach(self) -> str:
        """Why nothing that is sent can arrive, as far as is known: "blocked" or "not-following";
        "" where it can."""
        if self.following is False:
            return "not-following"
        return "" if self.blocked_at is None else "blocked"


class InviteState(StrEnum):
    """How far an invite has come; the words of a live frame (interface document)."""

    WAITING = "waiting"
    SCANNED = "scanned"
    BOUND = "bound"
    REFUSED = "refused"
    TAKEN = "taken"
    EXPIRED = "expired"
    FAILED = "failed"

    @property
    def open(self) -> bool:
        """Whether the phone can still complete the invite: a failed try may be repeated."""
        return self in (InviteState.WAITING, InviteState.SCANNED, InviteState.FAILED)


@dataclass(frozen=True, slots=True)
class Invite:
    """A one-time right to bind one account. Its secret is derived from the server's key and its
    id, and only the digest is kept. ``replace``: the password was given for replacing a binding.

    Where a program asked for it, ``api_key_id`` is its key's number, and ``session`` is the digest
    of what its page elsewhere follows it by.
    """

    id: str
    account_id: int
    session: bytes
    app_id: str
    number: str
    state: InviteState
    replace: bool
    created_at: float
    expires_at: float
    browser: Browser
    follower_id: int | None
    confirm_state: bytes | None  # the consent whose six digits are to be typed at the computer
    confirm_until: float
    confirm_tries: int
    api_key_id: int | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """One phone's "yes" to an invite, known by the digest of the OAuth ``state`` it was given.

    ``outcome`` is the settled answer of the callback ("" while there is none), ``code`` the digest
    of the OAuth code that was exchanged. ``route``: "oauth", or "scan" where the yes was the scan
    of a parametric code.
    """

    state: bytes
    invite_id: str
    phone: bytes
    created_at: float
    code: bytes | None
    outcome: str
    route: str = "oauth"


class ScanLoginState(StrEnum):
    """How far a sign-in by scan has come; the words of its live frame."""

    WAITING = "waiting"
    SCANNED = "scanned"
    CONFIRMED = "confirmed"
    ENTERED = "entered"
    REFUSED = "refused"
    EXPIRED = "expired"

    @property
    def open(self) -> bool:
        """Whether somebody may still be signed in by it."""
        return self in (ScanLoginState.WAITING, ScanLoginState.SCANNED, ScanLoginState.CONFIRMED)


@dataclass(frozen=True, slots=True)
class ScanLogin:
    """A sign-in at a computer that waits for a phone's yes. What its code carries is derived from
    the server's key and its id; ``desk`` is the digest of the cookie of the browser that shows it.

    ``expires_at``: when it ends if nothing more happens; of one that was entered, when its
    session does at the latest. ``follower_id``: whoever scanned it first, and ``account_id`` whom
    they are bound to. ``session``: the digest of the session that came of it.
    """

    id: str
    desk: bytes
    app_id: str
    number: str
    state: ScanLoginState
    created_at: float
    expires_at: float
    browser: Browser
    follower_id: int | None = None
    account_id: int | None = None
    session: bytes | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """An account joined to a follower. ``ended_at`` is None while it holds."""

    id: int
    account_id: int
    follower: Follower
    route: str
    bound_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class Kept:
    """An incoming message that was acted upon, as far as it is kept.

    ``key``: what a repeat has in common with it. ``answer`` is the reply, empty for a bare
    "success"; it holds a mark where a secret belongs that is derived from ``hidden``.
    """

    key: bytes
    kind: str
    follower_id: int | None
    received_at: float
    answer: bytes = field(repr=False)
    hidden: str = ""


class NoticeState(StrEnum):
    """How far a notice has come (interface document, API)."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"

    @property
    def waiting(self) -> bool:
        """Whether it has still to leave."""
        return self in (NoticeState.QUEUED, NoticeState.SENDING)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told to the person behind an account.

    Args:
        number: the order of acceptance.
        id: what it is known by outside.
        account: the account's name.
        binding_id: the binding that must still hold when it leaves; None: it need not.
        origin: who asked for it: "key NAME", "send", "page" or "bind".
        wish: "auto", or the channel that was asked for.
        text: what it says; "" where a template's fields say it, or once it was forgotten.
        hidden: what the secret in ``url`` is derived from, in the place of a mark there.
        channel: "custom", "template" or "subscribe"; "" while none is chosen.
        why: a stable name for why that channel.
        due_at: when it may leave, in Unix seconds as all times here; None behind an earlier one.
        claimed_at: when the last call for it began.
        doubt_at: the first call whose outcome is not known.
        platform_id: WeChat's number of the message.
        errcode: WeChat's last number for what went wrong.
        reason: a stable name for what went wrong, "" for nothing.
    """

    number: int
    id: str
    app_id: str
    account_id: int
    account: str
    binding_id: int | None
    follower_id: int
    origin: str
    wish: str
    text: str
    url: str
    hidden: str
    template_id: str
    fields: dict[str, str]
    state: NoticeState
    channel: str
    why: str
    attempts: int
    due_at: float | None
    created_at: float
    expires_at: float
    claimed_at: float | None
    doubt_at: float | None
    sent_at: float | None
    settled_at: float | None
    platform_id: str
    errcode: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What a program of the team shows to be let in; only a digest of the key itself is kept.
    ``account_id``: the only account that it reaches, if there is one. Times are Unix seconds."""

    id: int
    name: str
    prefix: str
    scopes: frozenset[str]
    account_id: int | None
    created_at: float
    expires_at: float | None
    used_at: float | None
    revoked_at: float | None

    def holds(self, now: float) -> bool:
        """Whether it still opens anything."""
        in_time = self.expires_at is None or self.expires_at > now
        return in_time and self.revoked_at is None

    def reaches(self, account_id: int) -> bool:
        """Whether it is for this account too."""
        return self.account_id in (None, account_id)


@dataclass(frozen=True, slots=True)
class Template:
    """A message template of the WeChat account; ``content`` holds ``{{thing1.DATA}}`` marks."""

    id: str
    title: str
    content: str


class PictureState(StrEnum):
    """How far a picture has come that somebody sent."""

    WANTED = "wanted"
    KEPT = "kept"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that somebody sent, on a page of ours or in the chat (``origin``).

    ``media_id``: the platform's name of it. ``kind``: "jpeg", "png" or "gif", and ``size`` its
    bytes, once it is kept. ``due_at``: when it is to be fetched, in Unix seconds as all times here;
    None where nobody has to. ``attempts``: how often that was tried.
    """

    id: str
    app_id: str
    follower_id: int
    media_id: str
    origin: str
    state: PictureState
    kind: str
    size: int
    attempts: int
    due_at: float | None
    created_at: float
