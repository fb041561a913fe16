"""Reasons: why a notice did not arrive, in words that a person can act on."""

from wx.model import Notice, NoticeState
from wx.protocol import errcode
from wx.protocol.errcode import Explanation
from wx.service.outbox import Plan

# By the stable names in Notice.reason; a number of the platform has its words in protocol/errcode.
REASONS = {
    "not-following": Explanation(
        "They do not follow the WeChat account.",
        "WeChat delivers nothing to people who have left.",
        "Ask them to follow the account again.",
    ),
    "blocked": Explanation(
        "They have blocked messages of the WeChat account.",
        "WeChat said so; nothing more is sent to them until they write to the account.",
        "Ask them to allow messages in the account's settings in WeChat, and to write to it.",
    ),
    "window-closed": Explanation(
        "WeChat lets through a chat message only within 48 hours of one of theirs.",
        "They have not written to the account lately.",
        "Ask them to write to the account, or let it go as a template: set notice_template.",
    ),
    "window-full": Explanation(
        "WeChat lets through no more chat messages for now.",
        "Five are allowed after each message of theirs.",
        "Ask them to write to the account, or let it go as a template: set notice_template.",
    ),
    "no-right": Explanation(
        "The WeChat account may not send chat messages.",
        "WeChat said so, and there is no other way to reach them.",
        "Set notice_template, or have the account verified in WeChat's console.",
    ),
    "no-template": Explanation(
        "No template is configured for texts.",
        "A text was to be sent as a template message.",
        "Set notice_template.",
    ),
    "not-subscribed": Explanation(
        "They have accepted no subscription notice that is left.",
        "WeChat lets one through for each time that they accept it.",
        "Ask them to accept it again.",
    ),
    "unbound": Explanation(
        "The account was unbound from this WeChat.",
        "It happened while the notice was waiting.",
        "Bind the account, and send it again.",
    ),
    "disabled": Explanation(
        "The account is disabled.",
        "It happened while the notice was waiting.",
        "Enable it with: wxbind account enable NAME",
    ),
    "expired": Explanation(
        "It could not be sent in time.",
        "WeChat could not be reached, or the day's quota was used up, or an earlier notice waited.",
        "Send it again; the log says what WeChat answered.",
    ),
    "doubt": Explanation(
        "It may have arrived, or not.",
        "WeChat did not say clearly whether it took it.",
        "Look at the chat before it is sent again.",
    ),
    "bad-field": Explanation(
        "A field does not take this text.",
        "Each type of field has its own rules.",
        "Change the text, or the field in notice_template.",
    ),
    "unknown-template": Explanation(
        "The WeChat account has no such template.",
        "It was removed, or belongs to another account.",
        "Look up the template's id in WeChat's console.",
    ),
    "delivery-failed": Explanation(
        "WeChat took it and could not deliver it.",
        "Its receipt says no more.",
        "Send it again later.",
    ),
    "unknown-account": Explanation(
        "There is no such account.",
        "The name is not known here, or the account is disabled.",
        "Look at the names with: wxbind account list",
    ),
    "too-many-notices": Explanation(
        "They have had as many notices in 24 hours as one account gets.",
        "The setting notices_per_day says how many.",
        "Send it later, or set notices_per_day higher.",
    ),
    "not-bound": Explanation(
        "This account is not bound to a WeChat.",
        "Nobody has scanned its code yet.",
        "Ask its owner to log in and to scan the code.",
    ),
}
# What is waited for is told, too.
BEHIND = Explanation(
    "An earlier notice to the same person has to leave first.",
    "They leave in the order that they came in.",
    "Look what the earlier one waits for.",
)
WAITING = Explanation(
    "WeChat could not be reached.",
    "There was no usable answer.",
    "It is tried again by itself.",
)


def explain(one: Notice | Plan) -> Explanation | None:
    """The words for what went wrong with a notice, would go wrong with a planned one, or is waited
    for; None for nothing."""
    if one.reason in REASONS:
        return REASONS[one.reason]
    if one.errcode is not None:
        return errcode.explain(one.errcode)
    if isinstance(one, Notice) and one.state is NoticeState.QUEUED:
        if one.due_at is None:
            return BEHIND
        return WAITING if one.attempts else None
    return None
