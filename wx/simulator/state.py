"""How things stand in the simulator's world, ready to be written as JSON."""

from collections import Counter
from typing import Any

from wx.simulator.pushes import Delivery
from wx.simulator.world import Accepted, Person, World


def person(one: Person, world: World) -> dict[str, Any]:
    """A person with their chat; windows with how many messages and seconds are left of them."""
    now = world.clock.monotonic()
    return {
        "id": one.id,
        "openid": one.openid,
        "nickname": one.nickname,
        "following": one.following,
        "blocked": one.blocked,
        "receipt_status": one.receipt_status,
        "snapshot": one.snapshot,
        "unread": one.unread,
        "windows": {
            action: {"left": window.left, "seconds": round(window.until - now, 3)}
            for action, window in one.allowances.items()
            if window.until > now
        },
        "subscriptions": dict(one.subscriptions),
        "chat": [
            {
                "id": message.id,
                "kind": message.kind,
                "title": message.title,
                "text": message.text,
                "fields": message.fields,
                "url": message.url,
                "picture": message.picture,
                "parts": message.parts,
                "mine": message.mine,
                "at": message.at,
            }
            for message in one.chat
        ],
    }


def counts(world: World) -> dict[str, Any]:
    """How many messages there are of each sort.

    "messages": in all chats, people's own too; "accepted": by channel; "delivered": of these, what
    reached a chat; "repeats": sends with a client_msg_id that had been taken already; "doubled":
    messages in a chat beyond the first with the same person and client_msg_id.
    """
    reached = [one for one in world.accepted if one.message is not None]
    known = Counter((one.person.id, one.client_msg_id) for one in reached if one.client_msg_id)
    return {
        "people": len(world.people),
        "messages": len(world.messages),
        "accepted": dict(Counter(one.channel for one in world.accepted)),
        "delivered": dict(Counter(one.channel for one in reached)),
        "repeats": world.repeats,
        "doubled": sum(count - 1 for count in known.values()),
    }


def accepted(one: Accepted) -> dict[str, Any]:
    """A message that the platform took. Its msgid is a text: it may be too large for a double."""
    message = one.message
    return {
        "person": one.person.id,
        "channel": one.channel,
        "outcome": one.outcome,
        "msgid": str(one.msgid or ""),
        "client_msg_id": one.client_msg_id,
        "template_id": one.template_id,
        "at": one.at,
        "message": message.id if message else None,
        "text": message.text if message else "",
        "fields": message.fields if message else [],
        "url": message.url if message else "",
    }


def delivery(one: Delivery) -> dict[str, Any]:
    """One try of a push."""
    return {
        "person": one.person.id,
        "kind": one.kind,
        "name": one.name,
        "attempt": one.attempt,
        "status": one.status,
        "outcome": one.outcome,
        "reason": one.reason,
        "seconds": round(one.seconds, 3),
        "at": one.at,
    }
