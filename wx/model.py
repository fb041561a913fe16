"""The things this program is about, as plain values (words: see the README's code map)."""

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Account:
    """Someone who logs in here. ``password`` is an Argon2id string; times are Unix seconds."""

    id: int
    name: str
    password: str
    admin: bool
    created_at: float
    disabled_at: float | None


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
    id, and only the digest is kept. ``replace``: the password was given for replacing a binding."""

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
