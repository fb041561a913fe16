"""A page's forms."""

import pytest
from tornado.httputil import HTTPHeaders

from wx.simulator.page import Page
from wx.simulator.referrer import Source

TEXT = """
<form><input name=q value="a &amp; b"></form>
<form name="main" action="/save" method="post">
  <input type="hidden" name="_xsrf" value="2|x"> <input name="gone" value="1" disabled>
  <input type="checkbox" name="on" checked> <input type="checkbox" name="off" value="1">
  <input type="radio" name="pick" value="a"> <input type="radio" name="pick" value="b" checked>
  <select name="city"><option value="sz">深圳<option value="hz" selected>杭州</select>
  <select name="first"><option value="1"><option value="2"></select>
  <textarea name="note">hello
there</textarea>
  <input type="file" name="picture"> <button type="button" name="no">No</button>
  <button name="answer" value="yes"><b>Bind</b></button>
  <input type="submit" value="Later" formaction="/later">
</form>
"""
PAGE = Page(200, "http://127.0.0.1/", TEXT, HTTPHeaders())


def test_fields_start_as_a_browser_starts_them():
    assert PAGE.form("main").fields == {
        "_xsrf": "2|x",
        "on": "on",
        "pick": "b",
        "city": "hz",
        "first": "1",
        "note": "hello\nthere",
    }
    assert PAGE.form().fields == {"q": "a & b"}
    assert [form.method for form in PAGE.forms] == ["GET", "POST"]


def test_a_button_is_found_by_its_name_value_or_label():
    form = PAGE.form(1)
    for wish in (None, "answer", "yes", "Bind"):
        assert form.button(wish).value == "yes"
    assert form.button("Later").action == "/later"
    with pytest.raises(LookupError):
        form.button("No")
    assert PAGE.form(0).button(None) is None


def test_a_form_that_is_not_there_is_an_error():
    with pytest.raises(LookupError):
        PAGE.form("other")


def test_the_metadata_of_a_page_overrules_its_header():
    headers = HTTPHeaders({"Referrer-Policy": "no-referrer"})
    text = '<meta name="Referrer" content="same-origin">'
    page = Page(200, "http://127.0.0.1/", text, headers)
    assert page.referrer_policy == "no-referrer,same-origin"
    assert Source(page.url, page.referrer_policy).policy == "same-origin"
    assert Source(page.url, Page(200, "", "", headers).referrer_policy).policy == "no-referrer"
