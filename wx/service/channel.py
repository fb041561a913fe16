"""Channels: by which way a notice reaches a person, and what it looks like there."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from wx.clock import when
from wx.config import Config
from wx.model import Follower, Notice, Template
from wx.protocol import notice as form
from wx.values import NoticeTemplate

CUSTOM, TEMPLATE, SUBSCRIBE = "custom", "template", "subscribe"
WINDOW_CLOSED, WINDOW_FULL = 45015, 45047


@dataclass(frozen=True, slots=True)
class Choice:
    """What a notice becomes. ``channel`` is "" where there is no way; then ``reason`` is the name
    of why not, or "" where the way is only closed for a while.

    ``text`` is a chat message, ``fields`` those of the template ``template_id``. ``cut``: the whole
    text stands on a page of ours.
    """

    channel: str
    why: str = ""
    reason: str = ""
    text: str = ""
    template_id: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    url: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known when a channel is chosen.

    Args:
        templates: the account's, by id; None while they are not known.
        subscriptions: how many the follower has left, by template.
        closed: channels that the platform has closed for a while.
    """

    templates: Mapping[str, Template] | None
    subscriptions: Mapping[str, int]
    closed: Collection[str] = ()


def choose(
    notice: Notice,
    follower: Follower,
    known: Known,
    config: Config,
    *,
    page: Callable[[], str],
    now: float,
) -> Choice:
    """The way that a notice takes now.

    Args:
        page: gives the address of the page with the whole text.
        now: Unix time.
    """
    if follower.blocked_at is not None:
        return Choice("", reason="blocked")
    if follower.following is False:
        return Choice("", reason="not-following")
    ways = list(_ways(notice, follower, known, config, now=now))
    if not ways:
        return Choice("", reason=_no_way(notice, follower, config, now=now))
    for channel, why in ways:
        if channel not in known.closed:
            return _dressed(notice, channel, why, known, config, page=page, now=now)
    return Choice("")


def window_open(follower: Follower, *, now: float) -> bool:
    """Whether a customer-service message is let through, as far as is known (platform document,
    4.4)."""
    brief = follower.brief_left > 0 and follower.brief_ends_at > now
    return brief or (follower.window_left > 0 and follower.window_ends_at > now)


def _ways(
    notice: Notice, follower: Follower, known: Known, config: Config, *, now: float
) -> Iterator[tuple[str, str]]:
    """The channels that may be tried, the best first, each with why."""
    asked = notice.wish != "auto"
    if notice.doubt_at is not None and notice.channel:
        yield notice.channel, notice.why  # where it may be already, and is known by its number
    elif notice.template_id:
        yield from _ways_of_template(notice, known)
    elif notice.wish == CUSTOM:
        if notice.errcode not in (WINDOW_CLOSED, WINDOW_FULL):
            yield CUSTOM, "asked-for"
    elif asked:
        yield from _ways_by_template(notice.wish, "asked-for", known, config)
    else:
        if window_open(follower, now=now):
            yield CUSTOM, "window"
        fell_over = notice.errcode in (WINDOW_CLOSED, WINDOW_FULL)
        why = "fell-over" if fell_over else "outside-window"
        yield from _ways_by_template(TEMPLATE, why, known, config)
        yield from _ways_by_template(SUBSCRIBE, "subscribed", known, config)
        # Without the webhook nobody tells us of windows, so the platform has to be asked.
        if not config.webhook_token and not fell_over:
            yield CUSTOM, "try-window"


def _ways_of_template(notice: Notice, known: Known) -> Iterator[tuple[str, str]]:
    listed = known.templates is None or notice.template_id in known.templates
    subscribed = known.subscriptions.get(notice.template_id, 0) > 0
    if notice.wish == SUBSCRIBE:
        if subscribed:
            yield SUBSCRIBE, "asked-for"
    elif notice.wish == TEMPLATE:
        yield TEMPLATE, "asked-for"
    elif listed or not subscribed:
        yield TEMPLATE, "template-given"
    else:
        yield SUBSCRIBE, "subscribed"


def _ways_by_template(
    channel: str, why: str, known: Known, config: Config
) -> Iterator[tuple[str, str]]:
    template = _template_for(channel, config)
    if template is None:
        return
    if channel == TEMPLATE or known.subscriptions.get(template.id, 0) > 0:
        yield channel, why


def _template_for(channel: str, config: Config) -> NoticeTemplate | None:
    return config.notice_template if channel == TEMPLATE else config.subscribe_template


def _no_way(notice: Notice, follower: Follower, config: Config, *, now: float) -> str:
    if notice.wish == SUBSCRIBE:
        return "not-subscribed"
    if notice.wish == TEMPLATE:
        return "no-template"
    still = follower.window_ends_at > now or follower.brief_ends_at > now
    full = notice.errcode == WINDOW_FULL or (still and notice.errcode != WINDOW_CLOSED)
    return "window-full" if full else "window-closed"


def _dressed(
    notice: Notice,
    channel: str,
    why: str,
    known: Known,
    config: Config,
    *,
    page: Callable[[], str],
    now: float,
) -> Choice:
    if channel == CUSTOM:
        text, cut = form.chat_text(notice.text, url=notice.url)
        url = page() if cut else notice.url
        if cut:
            text, _ = form.chat_text(notice.text, url=url)
        return Choice(channel, why, text=text, cut=cut, url=url)
    template_id, fields, cut = notice.template_id, notice.fields, False
    try:
        if template_id:
            template = (known.templates or {}).get(template_id)
            fitted = form.fit(notice.fields, template if channel == TEMPLATE else None)
            fields, cut = fitted.fields, fitted.cut
        else:
            given = _template_for(channel, config)
            if given is None:  # it was when the first call was made
                return Choice("", why, reason="no-template")
            template_id = given.id
            value, cut = form.fit_text(notice.text, given.field)
            fields = {given.field: value}
            if given.time_field:
                fields[given.time_field] = when(now)
    except form.BadField as error:
        return Choice("", why, reason="bad-field", problem=str(error))
    return Choice(
        channel,
        why,
        template_id=template_id,
        fields=fields,
        cut=cut,
        url=page() if cut else notice.url,
    )
