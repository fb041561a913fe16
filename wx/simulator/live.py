"""The live socket of a drawn phone: how things stand, then each change."""

import json
from typing import TYPE_CHECKING

from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from wx.simulator.world import Person

if TYPE_CHECKING:
    from wx.simulator.app import Simulator


class Live(WebSocketHandler):
    """``/phone/PERSON/live``. A frame is ``{"following", "unread", "messages", "version"}``;
    a page that was drawn at another version asks for itself again."""

    person: Person

    @property
    def simulator(self) -> "Simulator":
        simulator: Simulator = self.application.settings["simulator"]
        return simulator

    def prepare(self) -> None:
        if not self.simulator.is_own_host(self.request.host):
            raise HTTPError(421)
        person = self.simulator.world.people.get(self.path_args[0])
        if person is None:
            raise HTTPError(404)
        self.person = person

    def open(self, name: str) -> None:
        self.simulator.sockets.add(self)
        self.tell()

    def on_message(self, message: str | bytes) -> None:
        """The page has nothing to say."""

    def on_close(self) -> None:
        self.simulator.sockets.discard(self)

    def tell(self) -> None:
        """Send how things stand."""
        frame = {
            "following": self.person.following,
            "unread": self.person.unread,
            "messages": len(self.person.chat),
            "version": self.simulator.version,
        }
        try:
            self.write_message(json.dumps(frame))
        except WebSocketClosedError:
            self.simulator.sockets.discard(self)
