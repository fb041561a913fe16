"""Steps that tests of signing in by scan take."""

import json
import re
from collections.abc import Mapping
from typing import Any

from tests.world import Desktop, Socket, World
from wx.simulator.page import Page

NOT_ME = re.compile(r"http://\S+?(/not-me/[0-9A-Za-z]{22}/[0-9A-Za-z]{43})")


async def code(desktop: Desktop, **fields: str) -> dict[str, Any]:
    """The code that the login page shows in this browser."""
    answer = await desktop.post("/login/codes", json_answer=True, **fields)
    assert answer.code == 201, answer.body
    return json.loads(answer.body)


async def state(desktop: Desktop, made: Mapping[str, Any]) -> str:
    """How the sign-in of a code stands."""
    answer = await desktop.fetch(f"/login/codes/{made['id']}")
    return str(json.loads(answer.body)["state"])


def link(world: World, made: Mapping[str, Any]) -> str:
    """What the code of the OAuth route holds."""
    logins = world.server.services.scan_logins
    found = f"{world.base}/s/{logins._secret_of(made['id'])}"
    world.planted.add(found.rpartition("/")[2])
    return found


async def scan(world: World, made: Mapping[str, Any], person: str = "wang") -> Page:
    """What this person's phone shows once the code was scanned."""
    page = await world.simulator.phone(person).open(link(world, made))
    world.planted.add(page.url.partition("?")[0].rpartition("/")[2])
    return page


async def say(world: World, page: Page, answer: str = "yes", person: str = "wang") -> Page:
    """What the phone shows after its yes or no."""
    return await world.simulator.phone(person).submit(page, 0, answer)


async def confirmed(world: World, desktop: Desktop, person: str = "wang") -> dict[str, Any]:
    """A code that this person has said yes to."""
    made = await code(desktop)
    done = await say(world, await scan(world, made, person), person=person)
    assert done.status == 200, done.text
    return made


async def enter(desktop: Desktop, made: Mapping[str, Any], **fields: str) -> Any:
    """The answer to the page's own form."""
    return await desktop.post(f"/login/codes/{made['id']}/enter", **fields)


async def signed_in(world: World, desktop: Desktop, person: str = "wang") -> dict[str, Any]:
    """A browser that was signed in by a scan, and by what code."""
    made = await confirmed(world, desktop, person)
    answer = await enter(desktop, made)
    assert answer.code == 303, answer.body
    return made


async def live(desktop: Desktop, made: Mapping[str, Any], **headers: str) -> Socket:
    """The live socket of the login page."""
    return await desktop.live(made, headers=headers)


async def not_me(world: World, person: str = "wang") -> str:
    """The path in the last notice of a sign-in."""
    await world.delivered()
    chat = world.simulator.world.people[person].chat
    found = [
        path for one in chat for path in NOT_ME.findall(f"{one.text} {getattr(one, 'url', '')}")
    ]
    assert found, [one.text for one in chat]
    world.planted.add(found[-1].rpartition("/")[2])
    return str(found[-1])
