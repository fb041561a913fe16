"""The drawn phone: chats, the account, scanning, and a page of the web. Works without scripts."""

import re
import time
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from tornado.web import HTTPError

from wx.simulator import attachments, bubbles
from wx.simulator.frame import Frame
from wx.simulator.screen import POLICY, Screen
from wx.simulator.world import Person

SHOWN = 200  # messages of a chat
PEOPLE_SHOWN = 12
LOG_SHOWN = 14
DELIVERIES_SHOWN = 8
# What the lower end of the chat shows: the account's menu, the keyboard, all that can be sent
# beside a text, or the choices of one of these kinds.
FEET = ("menu", "write", "more", "image", "voice", "video", "location", "link", "file")
REFRESH_HEADER = "X-Simulator-Refresh"  # the page's script looks again; nobody opened anything
_BUTTON = re.compile(r"(\d)(?:-(\d))?", re.ASCII)


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
            people=self._shown_people(person),
            account_name=simulator.world.account_name,
            base_url=simulator.base_url,
            log=list(simulator.log)[-LOG_SHOWN:][::-1],
            deliveries=list(simulator.deliveries)[-DELIVERIES_SHOWN:][::-1],
            hour_of=lambda at: time.strftime("%H:%M", time.localtime(at)),
            now=simulator.world.clock.now(),
            screen=template,
            version=simulator.version,
            web=lambda url: screen_address(person.id, url),
            picture=lambda url: self._picture(person, url),
            preview=lambda message: bubbles.preview(message, self._),
            **values,
        )

    def _shown_people(self, person: Person) -> list[Person]:
        """Whom the page names: the first ones, and who holds this phone."""
        people = list(islice(self.simulator.world.people.values(), PEOPLE_SHOWN))
        return people if person in people else [*people, person]

    def _picture(self, person: Person, url: str) -> str:
        """Where this page finds a picture; "" where it may not: nothing leaves this machine."""
        if url.startswith("/") and not url.startswith("//"):
            return url
        browser = self.simulator.phone(person.id).browser
        return Frame(person.id).address(url) if browser.may_open(url) else ""


class Chats(PhonePage):
    """``/phone/PERSON``: the list of chats."""

    def get(self, name: str) -> None:
        person = self.person(name)
        self.show("chats", person, last=person.chat[-1] if person.chat else None)


class ChatPage(PhonePage):
    """What is drawn after the chat itself was used, too: the chat, with what went wrong."""

    def draw(self, person: Person, *, foot: str = "", problem: str = "") -> None:
        """The chat; ``foot`` is one of :data:`FEET`, "" for what WeChat shows at first."""
        menu = self.simulator.world.menu
        asked = bool(foot)
        if foot not in FEET or (foot == "menu" and menu is None):
            foot = "write" if menu is None else "menu"
        self.show(
            "chat",
            person,
            entries=bubbles.entries(person.chat[-SHOWN:]),
            bubbles=bubbles,
            attachments=attachments,
            buttons=menu["button"] if menu else [],
            foot=foot,
            asked=asked,
            problem=problem,
            typed=lambda name: self.get_body_argument(name, "") if problem else "",
        )

    def refuse(self, status: int, person: Person, foot: str, problem: str) -> None:
        """The chat again, with a sentence; what was typed stays."""
        self.set_status(status)
        self.draw(person, foot=foot, problem=self._(problem))

    def to_chat(self, person: Person) -> None:
        """On to the chat, with the foot that the form came from."""
        foot = self.get_body_argument("foot", "")
        query = f"?foot={foot}" if foot in FEET else ""
        self.redirect(f"/phone/{person.id}/chat{query}", status=303)


class Chat(ChatPage):
    """``/phone/PERSON/chat``: the chat with the account, read by looking; ``POST`` sends.

    A form's ``kind`` is a key of :mod:`wx.simulator.attachments`, a text where there is none.
    """

    def get(self, name: str) -> None:
        person = self.person(name)
        again = REFRESH_HEADER in self.request.headers
        (self.simulator.world.read if again else self.simulator.world.enter)(person)
        self.draw(person, foot=self.get_query_argument("foot", ""))

    def post(self, name: str) -> None:
        person = self.person(name)
        if not person.following:
            self.refuse(409, person, "", "Follow the account to write to it")
            return
        kind = self.get_body_argument("kind", "text")
        try:
            found = attachments.read(kind, lambda field: self.get_body_argument(field, ""))
        except ValueError as error:
            self.refuse(400, person, "write" if kind == "text" else kind, str(error))
            return
        self.simulator.world.send(person, found.kind, found.text, **found.parts)
        self.to_chat(person)


class Menu(ChatPage):
    """``POST /phone/PERSON/menu``: a button of the account's menu, ``tap`` is "1" or "1-0"."""

    async def post(self, name: str) -> None:
        person = self.person(name)
        button = _BUTTON.fullmatch(self.get_body_argument("tap", ""))
        if button is None:
            self.refuse(400, person, "menu", "This phone cannot send that.")
            return
        if not person.following:
            self.refuse(409, person, "", "Follow the account to write to it")
            return
        try:
            url = await self.simulator.phone(name).tap(
                int(button[1]), None if button[2] is None else int(button[2])
            )
        except LookupError:
            self.refuse(409, person, "menu", "The account has changed its menu meanwhile.")
            return
        if url:
            self.redirect(screen_address(name, url), status=303)
            return
        self.to_chat(person)


class Account(PhonePage):
    """``/phone/PERSON/account``: the account's card; ``POST`` follows or leaves, and switches off
    or on that anything is received."""

    def get(self, name: str) -> None:
        templates = self.simulator.world.subscription_templates.values()
        self.show("account", self.person(name), subscriptions=templates)

    def post(self, name: str) -> None:
        person, world = self.person(name), self.simulator.world
        if blocked := self.get_body_argument("blocked", ""):
            (world.block if blocked == "yes" else world.unblock)(person)
            self.redirect(f"/phone/{name}/account", status=303)
            return
        if self.get_body_argument("following", "") == "yes":
            world.follow(person)
            self.redirect(f"/phone/{name}/chat", status=303)
            return
        world.unfollow(person)
        self.redirect(f"/phone/{name}/account", status=303)


class Subscription(PhonePage):
    """``POST /phone/PERSON/subscription``: the ``answer`` to a pop-up that asks for one notice of a
    ``template``, accept or reject; or withdraw, as in the settings."""

    def post(self, name: str) -> None:
        person, world = self.person(name), self.simulator.world
        answers = {
            "accept": world.accept_subscription,
            "reject": world.reject_subscription,
            "withdraw": world.withdraw_subscription,
        }
        answer = answers.get(self.get_body_argument("answer", ""))
        template_id = self.get_body_argument("template", "")
        if answer is None or template_id not in world.subscription_templates:
            raise HTTPError(400)
        answer(person, template_id)
        self.redirect(f"/phone/{name}/account", status=303)


class Scanner(PhonePage):
    """``/phone/PERSON/scan``: a link to paste, or a picture of a code; ``?over`` after one whose
    time was up."""

    def get(self, name: str) -> None:
        over = "over" in self.request.query_arguments
        self.show("scan", self.person(name), over=over, url="")


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
