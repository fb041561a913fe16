"""Arrivals: pages that a browser comes back to from the platform, with a code and our state."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar

from tornado.web import HTTPError

from wx.errors import StorageUnavailable
from wx.service import visit
from wx.service.throttle import too_many
from wx.service.visit import CODE, STATE, Arrival
from wx.web.base import one
from wx.web.phone import PhonePage

WAIT_SECONDS = 59  # what a page says that no longer knows how long: a share is whole in a minute

# What a page may be asked to say, by name, with nothing in it that an address could say.
PROBLEMS: Mapping[str, Callable[[], Exception]] = {
    **{name: partial(visit.refusal, name) for name in visit.PROBLEMS},
    "too-many-tries": partial(too_many, WAIT_SECONDS),
    "storage-unavailable": StorageUnavailable,
    "bad-request": partial(HTTPError, 400),
}


class ArrivalPage(PhonePage):
    """A page for those who come back. No page is shown at an address with a code and a state in it,
    which would stay in the browser's history, also when it is a refusal: that has an address of its
    own, which names it."""

    problems: ClassVar[Mapping[str, Callable[[], Exception]]] = PROBLEMS
    final: ClassVar[tuple[str, ...]] = ()  # refusals that another try does not change
    clean = ""  # this page's address without what was brought; "" until it is known
    _retry: str | None = None

    @property
    def came_back(self) -> bool:
        """Whether the browser brought something from the platform."""
        return bool(self.request.query_arguments.keys() & {"code", "state"})

    def arrival(self, purpose: str, *, share: str) -> Arrival:
        """What it brought.

        Args:
            purpose, share: see :class:`Arrival`.

        Raises:
            Refused: 400, it cannot come from the platform.
        """
        return Arrival(
            purpose=purpose,
            visit=self.own_cookie("visit"),
            state=one(self.request, "state", STATE),
            code=one(self.request, "code", CODE),
            share=share,
        )

    def say_problem(self) -> None:
        """Raise the problem that the address names, if it names one."""
        name = one(self.request, "problem", "|".join(self.problems))
        if name:
            self.page = self._saying(name)
            raise self.problems[name]()

    def leave(self) -> None:
        """Lead to this page without what was brought."""
        self.redirect(self.clean, status=303)

    def finish_error(self, status: int, code: str, sentence: str) -> None:
        if not (self.clean and self.came_back) or self.wants_json():
            super().finish_error(status, code, sentence)
            return
        self.clear_header("Retry-After")  # the page itself says so
        if code in self.problems:
            self.redirect(self._saying(code), status=303)
        elif status in (404, 410):
            self.leave()  # and the page says so by itself
        elif status == 400:
            self.redirect(self._saying("bad-request"), status=303)
        else:
            super().finish_error(status, code, sentence)

    def retry_url(self, code: str) -> str | None:
        return None if code in self.final else self._retry

    def _saying(self, problem: str) -> str:
        return f"{self.clean}{'&' if '?' in self.clean else '?'}problem={problem}"

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("X-Robots-Tag", "noindex, nofollow, noarchive")
