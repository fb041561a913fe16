"""Accounts."""

import sqlite3

import pytest

from tests.store.conftest import NOW
from wx.store import accounts


def test_an_account_is_kept_as_it_was_given(conn):
    made = accounts.add(conn, "王小明🌻", "$argon2id$x", admin=True, now=NOW)
    assert (made.name, made.password, made.admin) == ("王小明🌻", "$argon2id$x", True)
    assert (made.created_at, made.disabled_at) == (NOW, None)
    assert accounts.find(conn, made.id) == made
    assert accounts.find(conn, made.id + 1) is None


def test_names_are_found_and_taken_in_whatever_case(conn, ann):
    assert accounts.find_by_name(conn, "aNN").id == ann
    assert accounts.find_by_name(conn, "Ann").name == "Ann"
    assert accounts.find_by_name(conn, "an") is None
    with pytest.raises(sqlite3.IntegrityError):
        accounts.add(conn, "ANN", "x", admin=False, now=NOW)
    accounts.add(conn, "straße", "x", admin=False, now=NOW)
    assert accounts.find_by_name(conn, "STRASSE").name == "straße"


def test_accounts_are_listed_by_name_in_whatever_case(conn, bob, ann):
    accounts.add(conn, "Zoe", "x", admin=False, now=NOW)
    assert [one.name for one in accounts.list_all(conn)] == ["Ann", "bob", "Zoe"]


def test_a_password_changes_for_one_account_only(conn, ann, bob):
    accounts.mark_password(conn, ann, "new")
    assert [accounts.find(conn, one).password for one in (ann, bob)] == ["new", "$argon2id$bob"]


def test_an_account_is_disabled_and_enabled_again(conn, ann, bob):
    accounts.mark_disabled(conn, ann, at=NOW + 1)
    assert accounts.find(conn, ann).disabled_at == NOW + 1
    assert accounts.find(conn, bob).disabled_at is None
    accounts.mark_disabled(conn, ann, at=None)
    assert accounts.find(conn, ann).disabled_at is None
