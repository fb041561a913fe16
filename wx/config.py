"""The configuration: defaults, ``wxbind.toml``, the environment, flags, in rising order.

Every key is one row of :data:`KEYS`; the command line, the environment, ``config`` and the
README's table follow from it. All problems are found before any is reported.
"""

import ipaddress
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wx import rules, values
from wx.errors import ConfigError
from wx.rules import Rule
from wx.values import Network, NoticeTemplate

FILE = "wxbind.toml"
PREFIX = "WXBIND_"
MASK = "********"


@dataclass(frozen=True, slots=True)
class Config:
    """What is in force. The fields are the keys of the interface document and a few beside it."""

    address: str
    port: int
    public_url: str
    insecure_http: bool
    data_dir: Path
    site_name: str
    trusted_proxies: tuple[Network, ...]
    app_id: str
    app_secret: str
    webhook_token: str
    webhook_aes_key: str
    webhook_mode: str
    original_id: str
    access_token_mode: str
    api_base: str
    open_base: str
    mp_base: str
    bind_route: str
    bind_scope: str
    invite_seconds: int
    invites_per_hour: int
    bind_confirm: str
    scan_login: bool
    domain_verification: tuple[str, ...]
    notice_template: NoticeTemplate | None
    subscribe_template: NoticeTemplate | None
    notice_seconds: int
    notice_days: int
    notice_url_hosts: tuple[str, ...]
    api_per_minute: int
    notices_per_minute: int
    notices_per_day: int
    notice_templates: tuple[str, ...]
    serverchan: bool
    wechat_server: bool
    invite_origins: tuple[str, ...]
    js_sdk_url: str
    pictures: bool
    keep_media: bool
    media_megabytes: int
    replies: tuple[Rule, ...]
    follow_qr: Path | None
    avatar_origins: tuple[str, ...]
    session_idle_seconds: int
    session_seconds: int
    live_sockets: int

    @property
    def secure(self) -> bool:
        """Whether people reach the server by https."""
        return self.public_url.startswith("https://")

    @property
    def public_host(self) -> str:
        """Host, and port where it isn't the scheme's own, as a Host header names it."""
        return urlsplit(self.public_url).netloc.lower()


# Scheme, host and port; the host is looked at more closely by whoever parses it.
@dataclass(frozen=True, slots=True)
class Key:
    """One key: how it is read, what it is when nobody sets it, and whether it is a secret.

    ``counted`` says what its items are called where they would fill pages if they were shown.
    """

    name: str
    read: Callable[[object], Any]
    default: str | int | bool | tuple[()]
    meaning: str
    secret: bool = False
    required: bool = False
    file_only: bool = False
    counted: str = ""

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


# Lone surrogates are what an environment that isn't UTF-8 leaves; no page could show them.
_ANY_LINE = values.text(
    r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,64}",
    "must be one line of 1 to 64 characters",
)
_TOKEN = values.text(r"|[A-Za-z0-9]{3,32}", "must be 3 to 32 letters and digits")
_AES_KEY = values.text(r"|[A-Za-z0-9]{43}", "must be 43 letters and digits")
_APP_ID = values.text(
    r"[A-Za-z0-9_-]{1,64}", "must be the WeChat account's app id, such as wx5a17…"
)
_APP_SECRET = values.text(
    r"[\x21-\x7e]{1,128}", "must be the WeChat account's app secret, one word"
)
_ORIGINAL_ID = values.text(
    r"|gh_[0-9A-Za-z]{1,32}", "must be the account's original id: gh_ and letters or digits"
)
_WEEK = 7 * 86400
_MONTH = 30 * 86400
_JS_SDK = "https://res.wx.qq.com/open/js/jweixin-1.6.0.js"
_AVATARS = "https://thirdwx.qlogo.cn, https://wx.qlogo.cn"

KEYS: tuple[Key, ...] = (
    Key("address", values.host, "127.0.0.1", "where to listen"),
    Key("port", values.number(0, 65535), 8000, "where to listen; 0 picks a free one"),
    Key("public_url", lambda v: v and values.url(v), "", "what WeChat and browsers reach"),
    Key("insecure_http", values.yes_no, False, "allow a public_url that is not https"),
    Key("data_dir", values.path, "data", "database, generated secrets, backups"),
    Key("site_name", _ANY_LINE, "wxbind", "the site's name, shown to people"),
    Key("trusted_proxies", values.networks, (), "addresses whose X-Forwarded-For is believed"),
    Key("app_id", _APP_ID, "", "the WeChat account's app id", required=True),
    Key("app_secret", _APP_SECRET, "", "its secret", secret=True, required=True),
    Key("webhook_token", _TOKEN, "", "the webhook's Token", secret=True),
    Key("webhook_aes_key", _AES_KEY, "", "the webhook's EncodingAESKey", secret=True),
    Key(
        "webhook_mode",
        values.choice("", "plain", "compatible", "safe"),
        "",
        "what is demanded of a request; safe where an AES key is set, else plain",
    ),
    Key(
        "original_id",
        _ORIGINAL_ID,
        "",
        "the account's original id (gh_…); messages to any other are refused",
    ),
    Key(
        "access_token_mode",
        values.choice("stable", "classic"),
        "stable",
        "which of the platform's two access token calls is used",
    ),
    Key("api_base", values.url, "https://api.weixin.qq.com", "the platform's API"),
    Key("open_base", values.url, "https://open.weixin.qq.com", "the platform's authorize page"),
    Key("mp_base", values.url, "https://mp.weixin.qq.com", "the platform's pictures of codes"),
    Key("bind_route", values.choice("auto", "oauth", "scan"), "auto", "how people bind"),
    Key(
        "bind_scope",
        values.choice("snsapi_userinfo", "snsapi_base"),
        "snsapi_userinfo",
        "what the authorize page asks for: the profile, or the openid alone",
    ),
    Key("invite_seconds", values.number(1, 3600), 600, "life of a code"),
    Key("invites_per_hour", values.number(1, 100_000), 60, "new codes for each account"),
    Key(
        "bind_confirm",
        values.choice("phone", "desktop"),
        "phone",
        "desktop: a code from the phone is typed at the computer too",
    ),
    Key("scan_login", values.yes_no, True, "sign in by scan, once somebody is bound"),
    Key("domain_verification", values.codes, (), "codes of WeChat's MP_verify_CODE.txt files"),
    Key("notice_template", values.notice_template, "", "template and field for plain texts"),
    Key(
        "subscribe_template",
        values.notice_template,
        "",
        "template and field for plain texts as subscription notices",
    ),
    Key("notice_seconds", values.number(60, _MONTH), 2 * 86400, "how long a notice may wait"),
    Key("notice_days", values.number(0, 365), 30, "days that a settled notice's text is kept"),
    Key(
        "notice_url_hosts",
        values.hosts,
        (),
        "hosts that notices may link to, beside public_url's; * allows all",
    ),
    Key("api_per_minute", values.number(1, 1_000_000), 6000, "notices and calls of one API key"),
    Key(
        "notices_per_minute",
        values.number(1, 1_000_000),
        12_000,
        "notices of all API keys together",
    ),
    Key(
        "notices_per_day",
        values.number(0, 10_000),
        1000,
        "notices to one account in 24 hours; 0 is no limit",
    ),
    Key(
        "notice_templates",
        values.templates,
        (),
        "ids of the templates that programs may use; none: all that the account has",
    ),
    Key("serverchan", values.yes_no, False, "answer ServerChan's addresses, /KEY.send"),
    Key(
        "wechat_server",
        values.yes_no,
        False,
        "answer wechat-server's GET /api/wechat/access_token",
    ),
    Key(
        "invite_origins",
        values.origins,
        (),
        "sites whose pages may show the codes that programs ask for",
    ),
    Key("js_sdk_url", values.script, _JS_SDK, "WeChat's script for pages inside WeChat"),
    Key("pictures", values.yes_no, False, "the page where people pick pictures in WeChat"),
    Key("keep_media", values.yes_no, False, "keep the pictures that followers send to the chat"),
    Key("media_megabytes", values.number(1, 1_000_000), 500, "room for pictures that are kept"),
    Key(
        "replies",
        rules.read,
        rules.BUILT_IN,
        "rules that answer messages",
        file_only=True,
        counted="rule",
    ),
    Key("follow_qr", values.picture, "", "picture of the account's own QR code, for step 1"),
    Key("avatar_origins", values.origins, _AVATARS, "where avatars may be shown from"),
    Key(
        "session_idle_seconds",
        values.number(60, _MONTH),
        _WEEK,
        "an unused session ends after this",
    ),
    Key("session_seconds", values.number(60, 12 * _MONTH), _MONTH, "any session ends after this"),
    Key("live_sockets", values.number(1, 1_000_000), 10_000, "waiting browsers at once"),
)
_BY_NAME = {key.name: key for key in KEYS}


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of what ``config`` prints."""

    name: str
    shown: str
    source: str


@dataclass(slots=True)
class Sources:
    """Everything that was said about the configuration, read but not yet judged as a whole."""

    values: dict[str, Any]
    origins: dict[str, str]
    problems: list[str]

    def settings(self) -> list[Setting]:
        """Each key with its value, secrets masked, and where the value came from."""
        return [
            Setting(key.name, _shown(key, self.values.get(key.name)), self.origins[key.name])
            for key in KEYS
        ]

    def config(self, *, complete: bool = True) -> Config:
        """The configuration in force.

        Args:
            complete: demand what ``serve`` needs; other verbs do without the WeChat account.

        Raises:
            ConfigError: with every problem at once.
        """
        problems = list(self.problems)
        if complete:
            problems += self.missing()
        if problems:
            raise ConfigError(problems)
        return Config(**self.values)

    def missing(self) -> list[str]:
        """A sentence for each required key that nobody set, and for each that needs another one."""
        # A key that was set to something wrong is named once, by its own problem.
        problems = [
            f"{key.name}: is required ({key.meaning}); set it in {FILE}, or as {key.variable}"
            + (f" or {key.variable}_FILE" if key.secret else f" or {key.flag}")
            for key in KEYS
            if key.required and not self.values[key.name] and self.origins[key.name] == "default"
        ]
        if not self.values["webhook_token"] and "webhook_token" not in _named(self.problems):
            if self.values["webhook_aes_key"]:
                problems.append("webhook_aes_key: does nothing without webhook_token")
            if self.values["bind_route"] == "scan":
                problems.append("bind_route: scan needs the webhook; set webhook_token")
        return problems


def read(
    *,
    flags: Mapping[str, str],
    environ: Mapping[str, str] = os.environ,
    file: str | None = None,
) -> Sources:
    """Read the configuration from all its sources.

    Args:
        flags: what the command line says, by key.
        environ: the environment; ``WXBIND_APP_ID``, for a secret also ``WXBIND_APP_SECRET_FILE``.
        file: the configuration file; without it ``wxbind.toml`` in the current folder, if any.
    """
    sources = Sources({}, {}, [])
    for key in KEYS:
        sources.values[key.name] = key.read(key.default) if not key.required else key.default
        sources.origins[key.name] = "default"
    _read_file(sources, file)
    _read_environment(sources, environ)
    for name, value in flags.items():
        _take(sources, _BY_NAME[name], value, f"flag {_BY_NAME[name].flag}")
    _check_together(sources)
    return sources


def _take(sources: Sources, key: Key, value: object, origin: str) -> None:
    sources.origins[key.name] = origin
    try:
        sources.values[key.name] = key.read(value)
    except ValueError as error:
        sources.problems.append(f"{key.name} ({origin}): {error}")


def _read_file(sources: Sources, file: str | None) -> None:
    path = Path(file or FILE)
    if file is None and not path.exists():
        return
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        sources.problems.append(f"{path}: cannot be read: {error.strerror}")
        return
    except (ValueError, RecursionError) as error:  # an endless number or nesting, too
        sources.problems.append(f"{path}: is not TOML: {error}")
        return
    for name, value in content.items():
        if name not in _BY_NAME:
            sources.problems.append(f"{name} ({path}): is not a key of wxbind{_guess(name)}")
            continue
        _take(sources, _BY_NAME[name], value, str(path))


def _read_environment(sources: Sources, environ: Mapping[str, str]) -> None:
    known = {key.variable: key for key in KEYS if not key.file_only}
    files = {key.variable + "_FILE": key for key in KEYS if key.secret}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX):
            continue
        if variable in known:
            _take(sources, known[variable], environ[variable], variable)
        elif variable in files:
            _read_secret_file(sources, files[variable], variable, environ)
        else:
            name = variable.removeprefix(PREFIX).lower()
            sources.problems.append(f"{variable}: is not a key of wxbind{_guess(name)}")


def _read_secret_file(
    sources: Sources, key: Key, variable: str, environ: Mapping[str, str]
) -> None:
    sources.origins[key.name] = variable
    if key.variable in environ:
        sources.problems.append(f"{key.name}: set {key.variable} or {variable}, not both")
        return
    try:
        value = Path(environ[variable]).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        sources.problems.append(f"{key.name} ({variable}): cannot be read: {reason}")
        return
    _take(sources, key, value, variable)


def _guess(name: str) -> str:
    import difflib  # only when something is already wrong

    close = difflib.get_close_matches(name, _BY_NAME, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _check_together(sources: Sources) -> None:
    """What can only be judged across keys, and what follows from others."""
    found = sources.values
    if not found["public_url"] and "public_url" not in _named(sources.problems):
        found["public_url"] = f"http://{_bracket(found['address'])}:{found['port']}"
        sources.origins["public_url"] = "from address and port"
    host = urlsplit(found["public_url"]).hostname or ""
    if found["public_url"].startswith("http:") and not found["insecure_http"] and not _near(host):
        sources.problems.append(
            f"public_url ({sources.origins['public_url']}): must be https, because {host} is not"
            " a loopback or private address; insecure_http = true allows it all the same"
        )
    if not found["webhook_mode"] and "webhook_mode" not in _named(sources.problems):
        found["webhook_mode"] = "safe" if found["webhook_aes_key"] else "plain"
    if found["webhook_mode"] in ("safe", "compatible") and not found["webhook_aes_key"]:
        sources.problems.append(f"webhook_mode: {found['webhook_mode']} needs webhook_aes_key")


def _named(problems: Sequence[str]) -> set[str]:
    return {problem.split(" ", 1)[0] for problem in problems}


def _bracket(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _near(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_private


def _shown(key: Key, value: Any) -> str:
    if key.secret:
        return MASK if value else "(not set)"
    if key.counted and value:
        return f"{len(value)} {key.counted}{'s' if len(value) > 1 else ''}"
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value) or "(none)"
    if value is None or value == "":
        return "(not set)"
    return str(value).lower() if isinstance(value, bool) else str(value)
