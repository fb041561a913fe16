"""The drawn phone: chats, the account, scanning, and a page of the web. Works without scripts."""

import re
import time
from typing import Any
from urllib.parse import urlencode

from wx.simulator.frame import Frame
from wx.simulator.screen import POLICY, Screen
from wx.simulator.world import Message, Person

SHOWN = 200  # messages of a chat
GAP = 300  # seconds between two messages that the time stands between
_LINK = re.compile(
    r"""<a\s[^>]*?href=["'](https?://[^"']+)["'][^>]*>(.*?)</a>|(https?://[^\s<>"']+)"""
)
LOG_SHOWN = 14


class PhonePage(Screen):
    """A person's phone, with one of its screens."""

    def set_default_headers(self) -> None:
        super().set_default_headers()
        # Not for the platform's own pages: their form leads on to the site.
        self.set_header("Content-Security-Policy", f"{POLICY}; form-action 'self'")

    def show(self, template: str, person: Person, **values: Any) -> None:
        """Draw the phone around a screen; ``template`` is a file in ``templates/simulator``."""
        simulator = self.simulator
        self.render(
            f"simulator/{template}.html",
            person=person,
            people=simulator.world.people.values(),
            account_name=simulator.world.account_name,
            base_url=simulator.base_url,
            log=list(simulator.log)[-LOG_SHOWN:][::-1],
            hour_of=lambda at: time.strftime("%H:%M", time.localtime(at)),
            now=simulator.world.clock.now(),
            screen=template,
            web=lambda url: screen_address(person.id, url),
            **values,
        )


class Chats(PhonePage):
    """``/phone/PERSON``: the list of chats."""

    def get(self, name: str) -> None:
        person = self.person(name)
        self.show("chats", person, last=person.chat[-1] if person.chat else None)


class Chat(PhonePage):
    """``/phone/PERSON/chat``: the chat with the account, read by looking; ``POST`` writes."""

    def get(self, name: str) -> None:
        person = self.person(name)
        self.simulator.world.read(person)
        self.show("chat", person, entries=entries(person.chat[-SHOWN:]), pieces=pieces)

    def post(self, name: str) -> None:
        person = self.person(name)
        text = self.get_body_argument("text", "")
        if text and person.following:
            self.simulator.world.say(person, text)
        self.redirect(f"/phone/{name}/chat", status=303)


class Account(PhonePage):
    """``/phone/PERSON/account``: the account's card; ``POST`` follows or leaves."""

    def get(self, name: str) -> None:
        self.show("account", self.person(name))

    def post(self, name: str) -> None:
        person, world = self.person(name), self.simulator.world
        if self.get_body_argument("following", "") == "yes":
            world.follow(person)
            self.redirect(f"/phone/{name}/chat", status=303)
            return
        world.unfollow(person)
        self.redirect(f"/phone/{name}/account", status=303)


class Scanner(PhonePage):
    """``/phone/PERSON/scan``: a link to paste, or a picture of a code."""

    def get(self, name: str) -> None:
        self.show("scan", self.person(name))


class WebPage(PhonePage):
    """``/phone/PERSON/browser?url=…``: a page of the web on the phone."""

    def get(self, name: str) -> None:
        person = self.person(name)
        browser = self.simulator.phone(name).browser
        url = self.get_query_argument("url", "")
        address = Frame(name).address(browser.complete(url)) if browser.may_open(url) else ""
        snapshot = person.snapshot and bool(browser.last_authorize)
        self.show("web", person, url=url, address=address, snapshot=snapshot)


class Snapshot(PhonePage):
    """``POST /phone/PERSON/snapshot``: whether WeChat shows snapshot pages to this person."""

    def post(self, name: str) -> None:
        person = self.person(name)
        person.snapshot = self.get_body_argument("snapshot", "") == "yes"
        self.simulator.world.changed(person)
        self.redirect(f"/phone/{name}", status=303)


class FullService(PhonePage):
    """``POST /phone/PERSON/full``: out of a snapshot page, by its button (2.6)."""

    def post(self, name: str) -> None:
        self.person(name)
        browser = self.simulator.phone(name).browser
        browser.full_service = True
        self.redirect(screen_address(name, browser.last_authorize), status=303)


class Home(Screen):
    """``/``: the first person's phone."""

    def get(self) -> None:
        self.redirect(f"/phone/{next(iter(self.simulator.world.people))}")


def screen_address(name: str, url: str) -> str:
    """The page on which this person's phone shows a link."""
    return f"/phone/{name}/browser?{urlencode({'url': url})}"


def entries(chat: list[Message]) -> list[tuple[Message, bool]]:
    """The messages, each with whether its time is shown above it."""
    shown = []
    before = 0.0
    for message in chat:
        shown.append((message, message.at - before > GAP))
        before = message.at
    return shown


def pieces(text: str) -> list[tuple[str, str]]:
    """A text cut at its links: pieces of text, each with its address or an empty one."""
    found = []
    end = 0
    for match in _LINK.finditer(text):
        found.append((text[end : match.start()], ""))
        found.append((match[2] or match[3], match[1] or match[3]))
        end = match.end()
    found.append((text[end:], ""))
    return [(piece, url) for piece, url in found if piece]
