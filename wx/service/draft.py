"""Drafts: what somebody wants to be sent, looked at before it is taken."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from wx.config import Config
from wx.errors import Refused
from wx.model import Template
from wx.protocol import answer
from wx.protocol import notice as form
from wx.service.channel import CUSTOM, SUBSCRIBE

TEXT_CHARACTERS = 10_000
URL_CHARACTERS = 1000
FIELDS = 50
WISHES = ("auto", "custom", "template", "subscribe")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is to be sent: a ``text``, or the ``fields`` of the template ``template_id``.

    Args:
        url: where a tap leads.
        wish: "auto", or the channel.
        expires_in: seconds that it may wait; the configured time for None.
    """

    text: str = ""
    url: str = ""
    template_id: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    wish: str = "auto"
    expires_in: float | None = None


def cleaned(draft: Draft) -> Draft:
    """The draft as it is kept: its texts without control characters and blank ends.

    Raises:
        Refused: 422, it says nothing, too much, or two things at once.
    """
    if draft.wish not in WISHES:
        raise wrong("bad-channel", "The channel is one of auto, custom, template and subscribe.")
    if draft.text and draft.template_id:
        raise wrong("bad-text", "A notice takes a text or a template, not both.")
    if draft.expires_in is not None and not 1 <= draft.expires_in <= 30 * 86400:
        raise wrong("bad-expiry", "A notice may wait 1 second to 30 days.")
    if not draft.template_id:
        return replace(draft, text=_clean_text(draft.text))
    if draft.wish == CUSTOM:
        raise wrong("bad-channel", "A template cannot be sent as a chat message.")
    if not 1 <= len(draft.fields) <= FIELDS:
        raise wrong("bad-field", "A template needs 1 to 50 fields.")
    fields = {name: _clean_text(value) for name, value in draft.fields.items()}
    return replace(draft, fields=fields)


def check(draft: Draft, config: Config, templates: Mapping[str, Template] | None) -> None:
    """Refuse a cleaned draft that does not fit what is configured and known now.

    Args:
        templates: the WeChat account's, by id; None while they are not known.

    Raises:
        Refused: 422, its link leads elsewhere, or a field does not take its value.
    """
    _check_url(draft.url, config)
    if not draft.template_id:
        return
    template = None
    if draft.wish != SUBSCRIBE:
        template = (templates or {}).get(draft.template_id)
    try:
        form.fit(draft.fields, template)
    except form.BadField as error:
        raise Refused(
            422,
            "bad-field",
            "The field %(field)s is wrong.",
            hint=error.problem,
            more={"field": error.field},
            field=error.field[:64],
        ) from error


def wrong(code: str, message: str, *, hint: str = "") -> Refused:
    """The refusal of a draft."""
    return Refused(422, code, message, hint=hint)


def _clean_text(text: str) -> str:
    found = answer.clean(text.replace("\r\n", "\n").replace("\r", "\n"), limit=len(text) + 1)
    found = found.strip()
    if not found:
        raise wrong("bad-text", "The text is empty.")
    if len(found) > TEXT_CHARACTERS:
        raise wrong("bad-text", "The text is longer than 10,000 characters.")
    return found


def _check_url(url: str, config: Config) -> None:
    """Refuse a link that leads elsewhere than to our own host and those that are allowed."""
    if not url:
        return
    hint = "Links lead to the host of public_url, and to those in notice_url_hosts."
    try:
        parts = urlsplit(url)
        host = parts.netloc.lower()
        # In bytes: a link is never cut, and has to fit into a chat message.
        sound = url.isprintable() and " " not in url and len(url.encode()) <= URL_CHARACTERS
    except ValueError:
        raise wrong("bad-url", "This is no link.", hint=hint) from None
    mine = host == config.public_host
    schemes = ("https", "http") if mine and not config.secure else ("https",)
    if not sound or parts.scheme not in schemes or not host or "@" in host or "\\" in url:
        raise wrong("bad-url", "This is no https link.", hint=hint)
    allowed = config.notice_url_hosts
    if not mine and host not in allowed and "*" not in allowed:
        raise wrong("bad-url", "Notices may not link to this host.", hint=hint)
