"""What the simulator's pages have in common: language, headers, and who holds the phone."""

from typing import TYPE_CHECKING

from tornado.web import HTTPError, RequestHandler

from wx.simulator.world import Person

if TYPE_CHECKING:
    from wx.simulator.app import Simulator

PERSON_HEADER = "X-Simulator-Person"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors 'self'"
)


class Screen(RequestHandler):
    """A page of the simulator."""

    @property
    def simulator(self) -> "Simulator":
        simulator: Simulator = self.application.settings["simulator"]
        return simulator

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")

    def prepare(self) -> None:
        """A name that is not this machine's is someone's DNS trick, not a visitor."""
        if not self.simulator.is_own_host(self.request.host):
            raise HTTPError(421)

    def _(self, text: str) -> str:
        return self.locale.translate(text)

    def person_of_phone(self) -> Person:
        """Who holds the phone that asks; anybody else's phone counts as the first person's."""
        people = self.simulator.world.people
        name = self.request.headers.get(PERSON_HEADER, "")
        return people.get(name) or next(iter(people.values()))

    def person(self, name: str) -> Person:
        """The person of this name in an address."""
        found = self.simulator.world.people.get(name)
        if found is None:
            raise HTTPError(404)
        return found

    def notice(self, title: str, text: str = "", *, code: int = 0) -> None:
        """A page of the platform that only says something."""
        self.render("simulator/notice.html", title=title, text=text, code=code)
