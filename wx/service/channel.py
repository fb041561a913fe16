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
WINDOW_SHUT = {WINDOW_CLOSED, WINDOW_FULL, 10706}


@dataclass(frozen=True, slots=True)
class Choice:
    """What a notice becomes. ``channel`` is "" where there is no way; then ``reason`` is the name
    of why not, or "" where every way is only closed for a while: those in ``waits``.

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
    waits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known when a channel is chosen.

    Args:
        templates: the account's, by id; None while they are not known.
        subscriptions: how many the follower has left, by template.
        closed: channels that the platform has closed for a while: one of them may be waited for.
        barred: channels that the account has no right to: others are taken.
    """

    templates: Mapping[str, Template] | None
    subscriptions: Mapping[str, int]
    closed: Collection[str] = ()
    barred: Collection[str] = ()


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
    if follower.out_of_reach:
        return Choice("", reason=follower.out_of_reach)
    ways = list(_ways(notice, follower, known, config, now=now))
    if not ways:
        return Choice("", reason=_no_way(notice, follower, known, now=now))
    for channel, why in ways:
        if channel not in known.closed:
            return _dressed(notice, channel, why, known, config, page=page, now=now)
    return Choice("", waits=tuple(channel for channel, _ in ways))


def long_window_open(follower: Follower, *, now: float) -> bool:
    """Whether a customer-service message is let through because of one of theirs, as far as is
    known (platform document, 4.4)."""
    return follower.window_left > 0 and follower.window_ends_at > now


def brief_window_open(follower: Follower, *, now: float) -> bool:
    """The same because of a scan, a tap or following."""
    return follower.brief_left > 0 and follower.brief_ends_at > now


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
        if notice.errcode not in WINDOW_SHUT:
            yield CUSTOM, "asked-for"
    elif asked:
        yield from _ways_by_template(notice.wish, "asked-for", known, config)
    else:
        barred = CUSTOM in known.barred
        if long_window_open(follower, now=now) and not barred:
            yield CUSTOM, "window"
        fell_over = barred or notice.errcode in WINDOW_SHUT
        why = "fell-over" if fell_over else "outside-window"
        yield from _ways_by_template(TEMPLATE, why, known, config)
        yield from _ways_by_template(SUBSCRIBE, "subscribed", known, config)
        # A minute after a scan or a tap is short, and what comes by a template has a receipt.
        if brief_window_open(follower, now=now) and not barred:
            yield CUSTOM, "window"
        # Without the webhook nobody tells us of windows, so the platform has to be asked.
        if not config.webhook_token and not fell_over and config.notice_template is None:
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


def _no_way(notice: Notice, follower: Follower, known: Known, *, now: float) -> str:
    if notice.wish == SUBSCRIBE:
        return "not-subscribed"
    if notice.wish == TEMPLATE:
        return "no-template"
    if notice.wish == "auto" and CUSTOM in known.barred:
        return "no-right"
    still = follower.window_ends_at > now or follower.brief_ends_at > now
    shut = notice.errcode in WINDOW_SHUT and notice.errcode != WINDOW_FULL
    full = notice.errcode == WINDOW_FULL or (still and not shut)
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
        # An undo link of ours is worth more than the end of a sentence.
        url=page() if cut and not notice.hidden else notice.url,
    )
