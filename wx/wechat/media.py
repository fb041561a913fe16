"""Media that people sent, fetched by the platform's name of them (platform document, 9)."""

from wx.protocol import picture
from wx.wechat.client import Client

LARGEST = 10 * 1024 * 1024  # bytes: the platform takes no larger pictures
CONNECTIONS = 3  # each may hold a whole picture in memory
PATIENCE = 20.0  # seconds more than for an ordinary answer


class NoPicture(Exception):
    """The platform gave something, and it is no picture that is kept here."""


class Media:
    """What is behind a media id, as long as the platform keeps it: three days.

    Args:
        client: over a transport that takes answers of :data:`LARGEST` bytes and has
            :data:`PATIENCE`.
    """

    PATH = "/cgi-bin/media/get"

    def __init__(self, client: Client) -> None:
        self._client = client

    async def picture(self, media_id: str) -> tuple[str, bytes]:
        """A picture's kind ("jpeg", "png" or "gif", told by its bytes alone) and its bytes.

        Raises:
            NoPicture: it is something else, such as a film, a page, or a picture that was cut off.
            PlatformError: it could not be had; 40007: there is none of that name, or no more.
        """
        body = await self._client.download(self.PATH, {"media_id": media_id})
        if not body:
            raise NoPicture("nothing came")
        if len(body) > LARGEST:
            raise NoPicture("too large")
        kind = picture.kind_of(body)
        if not kind:
            raise NoPicture("what came is no whole JPEG, PNG or GIF")
        return kind, body
