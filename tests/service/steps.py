"""Steps that tests of bindings and callbacks take."""

import re
from typing import Any
from urllib.parse import urlencode, urljoin

from tests.world import World
from wx.simulator.page import Page
from wx.simulator.phone import Phone

EXCHANGE = "/sns/oauth2/access_token"
PROFILE = "/sns/userinfo"
TEMPLATE = "/cgi-bin/message/template/send"


async def consent(world: World, invite: dict[str, Any], person: str = "wang") -> tuple[Phone, Page]:
    """The phone, on the platform's consent page."""
    phone = world.simulator.phone(person)
    return phone, await phone.submit(await phone.open(invite["url"]))


async def callback(world: World, invite: dict[str, Any], person: str = "wang") -> tuple[Phone, str]:
    """The phone, and the callback's address that it has not opened yet."""
    phone, page = await consent(world, invite, person)
    form = page.form("consent")
    body = {**form.fields, "answer": "allow"}
    headers = {"Origin": world.simulator.base_url, "Sec-Fetch-Site": "same-origin"}
    answer, _ = await phone.browser.request(
        "POST", urljoin(page.url, form.action), body=urlencode(body), headers=headers
    )
    return phone, answer.headers["Location"]


def bindings(world: World) -> list[tuple[str, str]]:
    """Who is bound to whom."""
    rows = world.rows(
        """SELECT name, openid FROM bindings JOIN accounts ON accounts.id = account_id
             JOIN followers ON followers.id = follower_id WHERE ended_at IS NULL ORDER BY name"""
    )
    people = {one.openid: one.id for one in world.simulator.world.people.values()}
    return [(row["name"], people.get(row["openid"], row["openid"])) for row in rows]


def history(world: World) -> list[tuple[str, str, str]]:
    rows = world.rows("SELECT what, route, who FROM binding_events ORDER BY id")
    return [(row["what"], row["route"], row["who"]) for row in rows]


async def undo_link(world: World, page: Page) -> str:
    found = re.search(r'href="(/undo/\w+)"', page.text)
    assert found, page.text
    return world.base + found[1]
