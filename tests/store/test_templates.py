"""The account's templates, as they were last read."""

from tests.store.conftest import APP, NOW
from wx.model import Template
from wx.store import templates

ONE = Template("one", "通知 🌻", "内容：{{thing1.DATA}}\n时间：{{time2.DATA}}")
TWO = Template("two", "", "")


def test_they_are_found_by_id_as_they_were_kept_with_the_time(conn):
    templates.replace_all(conn, APP, [ONE, TWO], now=NOW)
    assert templates.list_all(conn, APP) == ({"one": ONE, "two": TWO}, NOW)


def test_none_are_known_before_the_first_reading_and_in_another_account(conn):
    templates.replace_all(conn, APP, [ONE], now=NOW)
    assert templates.list_all(conn, "wx-other") == ({}, None)


def test_a_new_reading_replaces_the_old_one_of_its_own_account_only(conn):
    templates.replace_all(conn, APP, [ONE, TWO], now=NOW)
    templates.replace_all(conn, "wx-other", [ONE], now=NOW)
    newer = Template("two", "new", "new")
    templates.replace_all(conn, APP, [newer], now=NOW + 5)
    assert templates.list_all(conn, APP) == ({"two": newer}, NOW + 5)
    assert templates.list_all(conn, "wx-other") == ({"one": ONE}, NOW)
    templates.replace_all(conn, APP, [], now=NOW + 9)
    assert templates.list_all(conn, APP) == ({}, None)


def test_one_that_is_listed_twice_is_kept_once(conn):
    templates.replace_all(conn, APP, [TWO, ONE, Template("two", "last", "")], now=NOW)
    found, _ = templates.list_all(conn, APP)
    assert found == {"one": ONE, "two": Template("two", "last", "")}
