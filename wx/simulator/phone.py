"""One person's phone, without a screen: what the person does, as calls."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urljoin

from wx.simulator import jssdk, menu
from wx.simulator.browser import Browser
from wx.simulator.page import Page
from wx.simulator.referrer import Source
from wx.simulator.world import Person

if TYPE_CHECKING:
    from wx.simulator.app import Simulator

CONSENT = "consent"  # the name of the form on the platform's page


class Phone:
    """What a person can do with WeChat.

    Args:
        simulator: whose platform the phone belongs to.
        person: who holds it.
    """

    def __init__(self, simulator: "Simulator", person: Person) -> None:
        self.person = person
        self.browser = Browser(simulator, person)
        self._simulator = simulator
        self._world = simulator.world

    async def open(self, url: str) -> Page:
        """Scan or tap a link; raises BrowserError when no page comes."""
        return await self.browser.open(url)

    async def submit(
        self, page: Page, form: int | str = 0, button: str | None = None, **fields: str
    ) -> Page:
        """Press a button of a form, with its hidden fields and these typed ones.

        Args:
            page: what the phone shows.
            form: the form's place in the page, or its name.
            button: name, value or label of the button; the first for None.
            fields: what the person types.
        """
        chosen = page.form(form)
        pressed = chosen.button(button)
        values = chosen.fields | fields
        action = chosen.action
        if pressed is not None:
            action = pressed.action or action
            if pressed.name:
                values[pressed.name] = pressed.value
        url = urljoin(page.url, action) if action else page.url
        source = Source(page.url, page.referrer_policy)
        if chosen.method == "POST":
            return await self.browser.open(url, method="POST", fields=values, source=source)
        url = url.partition("#")[0].partition("?")[0]
        return await self.browser.open(f"{url}?{urlencode(values)}", source=source)

    async def agree(self, page: Page) -> Page:
        """Allow, on the platform's consent page."""
        return await self.submit(page, CONSENT, "allow")

    async def refuse(self, page: Page) -> Page:
        """Refuse, on the platform's consent page."""
        return await self.submit(page, CONSENT, "deny")

    async def use_full_service(self) -> Page:
        """Leave a snapshot page by its button: the same authorize link again, for real (2.6)."""
        self.browser.full_service = True
        return await self.browser.open(self.browser.last_authorize)

    async def bind(self, url: str) -> Page:
        """Scan a link, say yes to the site, and allow what the platform asks, if it asks."""
        page = await self.open(url)
        if page.forms:
            page = await self.submit(page)
        return await self.agree(page) if asks_for_consent(page) else page

    async def configure(self, page: Page | str, config: Mapping[str, object]) -> frozenset[str]:
        """Give ``wx.config`` of a page this answer of its server; the calls that it may make.

        Args:
            page: the page, or its address.
            config: appId, timestamp, nonceStr and signature, in any common spelling; all calls
                are asked for where there is no jsApiList.

        Raises:
            JsError: what ``wx.error`` of the page would be told.
        """
        url = page.url if isinstance(page, Page) else page
        return jssdk.configure(self._simulator, url, config)

    async def pick_picture(
        self, page: Page | str, config: Mapping[str, object], name: str = "lake"
    ) -> str:
        """Choose one of the phone's pictures on a page and upload it; the media id.

        Args:
            page: see :meth:`configure`, as for ``config``.
            name: lake, cat, noodles or city.

        Raises:
            JsError: WeChat does not let the page.
        """
        allowed = await self.configure(page, config)
        if "chooseImage" not in allowed:
            raise jssdk.JsError("chooseImage:permission denied")
        return jssdk.upload(self._simulator, name, allowed)

    async def follow(self) -> None:
        """Follow the account."""
        self._world.follow(self.person)

    async def unfollow(self) -> None:
        """Leave the account."""
        self._world.unfollow(self.person)

    async def say(self, text: str) -> None:
        """Write to the account, which may then answer for 48 hours (4.4)."""
        self._world.say(self.person, text)

    async def send(self, kind: str, text: str = "", **parts: str) -> None:
        """Send any kind of message; see :meth:`World.send`."""
        self._world.send(self.person, kind, text, **parts)

    async def enter_chat(self) -> None:
        """Open the chat with the account."""
        self._world.enter(self.person)

    async def scan_code(self, url: str) -> str:
        """Scan a parametric code: "profile", "chat" or "expired" is what the phone shows then."""
        return self._world.scan(self.person, url)

    async def scan_and_follow(self, url: str) -> str:
        """Scan a parametric code, and follow the account where the phone shows its profile."""
        shown = self._world.scan(self.person, url)
        if shown == "profile":
            self._world.follow(self.person)
        return shown

    async def tap(self, i: int, j: int | None = None, *, scanned: str = menu.SCANNED) -> str:
        """Tap a button of the menu, or one of its sub-buttons, counted from 0.

        Args:
            scanned: what a scanning button finds.

        Returns:
            the address that the phone opens now; "" for a button that opens none.

        Raises:
            LookupError: there is no such button, or no menu in front of this person.
        """
        return menu.tap(self._world, self.person, i, j, scanned=scanned)

    async def tap_key(self, key: str, *, scanned: str = menu.SCANNED) -> str:
        """Tap the button with this key; see :meth:`tap`."""
        return await self.tap(*menu.find(self._world, key), scanned=scanned)


def asks_for_consent(page: Page) -> bool:
    """Whether this is the platform's consent page."""
    return any(form.name == CONSENT for form in page.forms)
