"""The page of a person's pictures: picking them in WeChat, looking at them, removing them."""

import asyncio
from typing import cast
from urllib.parse import urlsplit

from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError

from wx.clock import when
from wx.model import Account, Picture
from wx.service.pictures import MOST
from wx.web import qr
from wx.web.base import ANY, Base, Page, lead, one

# What a browser is told that a picture is, whatever WeChat called it.
_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "gif": "image/gif"}
_FILES = {"jpeg": "picture.jpg", "png": "picture.png", "gif": "picture.gif"}


READ_SECONDS = 30  # in which a browser has to take the next piece


class Album(Page):
    """What belongs to the page, and is nothing where there is no such page."""

    setting = "pictures"


class Pictures(Album):
    """The page; and one more picture, which WeChat has by this media id."""

    page = "/pictures"

    async def prepare(self) -> None:
        await Base.prepare(self)
        if self._finished or self.session:
            return
        if self.inside_wechat and self.request.method == "GET" and not self.wants_json():
            # Who is bound comes in without a word there.
            self.redirect(lead("/enter", "pictures"), status=303)
            return
        await super().prepare()

    async def get(self) -> None:
        _, account = self.signed_in()
        bound = await self.services.bindings.of_account(account) is not None
        kept = await self.services.pictures.list_of(account)
        state = "unbound" if not bound else "ready" if self.inside_wechat else "outside"
        if state == "ready":
            self._allow_script(self.config.js_sdk_url)
        self.render(
            "pictures.html",
            state=state,
            pictures=[shown(self, picture) for picture in kept],
            most=MOST,
            sdk=self.config.js_sdk_url,
            host=self.config.public_host,
            entry=entry(self),
        )

    async def post(self) -> None:
        _, account = self.signed_in()
        media_id = one(self.request, "media_id", ANY, body=True)
        kept = await self.services.pictures.fetch(account, media_id)
        self.set_status(201)
        self.finish(shown(self, kept))

    def wants_json(self) -> bool:
        return self.request.method == "POST" or super().wants_json()

    def _allow_script(self, url: str) -> None:
        """Let this one answer load WeChat's script, and nothing else from there."""
        parts = urlsplit(url)
        policy = self.site.security_headers["Content-Security-Policy"]
        allowed = f"script-src 'self' {parts.scheme}://{parts.netloc};"
        self.set_header("Content-Security-Policy", policy.replace("script-src 'self';", allowed, 1))


class OnePicture(Album):
    """A picture itself, for the one whose it is. Nothing in it is ever run, whatever it says."""

    async def get(self, picture_id: str) -> None:
        session, account = self.signed_in()
        async with self.services.pictures.turn(session.digest):
            await self._show(account, picture_id)

    async def _show(self, account: Account, picture_id: str) -> None:
        opened = await self.services.pictures.open(account, picture_id)
        try:
            # An id's bytes never change. Bound to the cookie, and not for long, since the next one
            # at this computer may be somebody else.
            self.set_header("Cache-Control", "private, max-age=3600, immutable")
            self.add_header("Vary", "Cookie")
            self.set_header("Content-Type", _TYPES[opened.kind])
            self.set_header("Content-Length", str(opened.size))
            self.set_header("Content-Disposition", f'inline; filename="{_FILES[opened.kind]}"')
            self.set_header("Content-Security-Policy", "default-src 'none'; sandbox")
            async for chunk in opened.chunks():
                self.write(chunk)
                async with asyncio.timeout(READ_SECONDS):
                    await self.flush()  # so that slow readers cost a piece each, and not the whole
        except StreamClosedError:
            pass  # whoever asked has gone
        except TimeoutError:
            cast(HTTP1Connection, self.request.connection).close()  # or stopped reading
        finally:
            opened.close()


class RemovePicture(Album):
    """Removing one."""

    def get(self, picture_id: str) -> None:
        self.redirect("/pictures", status=303)  # the form's address, reloaded

    async def post(self, picture_id: str) -> None:
        _, account = self.signed_in()
        await self.services.pictures.remove(account, picture_id)
        if self.wants_json():
            self.finish({"removed": picture_id})
        else:
            self.redirect("/pictures", status=303)


class EntryCode(Album):
    """The code that opens the page in WeChat."""

    async def get(self) -> None:
        self.set_header("Content-Type", "image/svg+xml")
        self.finish(await qr.svg(entry(self)))


def entry(handler: Base) -> str:
    """The address that opens the page in WeChat, whoever is signed in there."""
    return handler.config.public_url + lead("/enter", "pictures")


def shown(handler: Base, picture: Picture) -> dict[str, str]:
    """A picture as its page needs it."""
    time = when(picture.created_at)
    return {
        "id": picture.id,
        "url": f"/pictures/{picture.id}",
        "when": time,
        "alt": handler.say("Picture of %(time)s", time=time),
    }
