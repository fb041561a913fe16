"""A page as the phone's browser holds it: its text, and the forms to press."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

from tornado.httputil import HTTPHeaders


@dataclass
class Button:
    """Something that sends its form. ``label`` is what people read on it."""

    label: str = ""
    name: str = ""
    value: str = ""
    action: str | None = None


@dataclass
class Form:
    """``action`` as it is written in the page; ``fields`` with the values they start with."""

    action: str = ""
    method: str = "GET"
    name: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[Button] = field(default_factory=list)

    def button(self, wish: str | None) -> Button | None:
        """The button of this name, value or label; the first for None, as the Enter key does."""
        if wish is None:
            return self.buttons[0] if self.buttons else None
        for button in self.buttons:
            if wish in (button.name, button.value, button.label):
                return button
        raise LookupError(f"no button {wish!r} in the form")


@dataclass
class Page:
    """An answer that the phone shows. ``url`` is where the redirects ended."""

    status: int
    url: str
    text: str
    headers: HTTPHeaders
    again: "Page | None" = None  # the answer to the second of two requests for a callback

    @property
    def forms(self) -> list[Form]:
        """The forms of the page, in order."""
        return self._read().forms

    @property
    def referrer_policy(self) -> str:
        """The policies of the header and of the page's own metadata; the last one counts."""
        return ",".join([self.headers.get("Referrer-Policy", ""), *self._read().policies])

    def form(self, wish: int | str = 0) -> Form:
        """The form at this place, or of this name."""
        forms = self.forms
        if isinstance(wish, int):
            return forms[wish]
        for form in forms:
            if form.name == wish:
                return form
        raise LookupError(f"no form {wish!r} in {self.url}")

    def _read(self) -> "_Reader":
        reader = _Reader()
        reader.feed(self.text)
        reader.close()
        return reader


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.policies: list[str] = []
        self._form: Form | None = None
        self._button: Button | None = None
        self._area: str | None = None  # the name of the text area that is being read
        self._choice: str | None = None  # the name of the select that is being read

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "meta" and found.get("name", "").lower() == "referrer":
            self.policies.append(found.get("content", ""))
        if tag == "form":
            method = found.get("method", "get").upper()
            self._form = Form(found.get("action", ""), method, found.get("name", ""))
            self.forms.append(self._form)
        if self._form is None or "disabled" in found:
            return
        name, value = found.get("name", ""), found.get("value", "")
        if tag == "button" and found.get("type", "submit").lower() == "submit":
            self._button = Button("", name, value, found.get("formaction"))
            self._form.buttons.append(self._button)
        elif tag == "textarea" and name:
            self._area = name
            self._form.fields[name] = ""
        elif tag == "select" and name:
            self._choice = name
        elif tag == "option" and self._choice is not None:
            if self._choice not in self._form.fields or "selected" in found:
                self._form.fields[self._choice] = value
        elif tag == "input":
            self._input(found.get("type", "text").lower(), name, value, found)

    def _input(self, kind: str, name: str, value: str, found: dict[str, str]) -> None:
        assert self._form is not None
        if kind in ("submit", "image"):
            self._form.buttons.append(Button(value, name, value, found.get("formaction")))
        elif kind in ("checkbox", "radio"):
            if name and "checked" in found:
                self._form.fields[name] = value or "on"
        elif name and kind not in ("button", "reset", "file"):
            self._form.fields[name] = value

    def handle_data(self, data: str) -> None:
        if self._button is not None:
            self._button.label = (self._button.label + data).strip()
        if self._area is not None and self._form is not None:
            self._form.fields[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "button":
            self._button = None
        elif tag == "textarea":
            self._area = None
        elif tag == "select":
            self._choice = None
