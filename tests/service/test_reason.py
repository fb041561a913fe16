"""Reasons: why a notice did not arrive, in words."""

import re
from pathlib import Path

import pytest

from tests.store.test_outbox import notice
from wx import model
from wx.model import NoticeState
from wx.protocol import errcode
from wx.service import channel, courier, outbox, reason, receipts
from wx.service.outbox import Plan

# Those that stand for nothing more than the number beside them.
BY_NUMBER = {"platform"}


def test_every_reason_that_the_program_gives_has_words() -> None:
    given = set()
    for module in (outbox, courier, channel, receipts, model):
        source = Path(module.__file__ or "").read_text(encoding="utf-8")
        given |= set(re.findall(r'reason(?:: str)? ?= ?"([a-z-]+)"', source))
        given |= set(re.findall(r'NoticeState\.[A-Z]+, "([a-z-]+)"', source))
        given |= set(re.findall(r'return "([a-z]+(?:-[a-z]+)+)"', source))
        given |= set(re.findall(r'(?:return|else|or) "([a-z-]+)"', source)) & set(reason.REASONS)
    assert {"blocked", "not-following", "doubt", "expired", "unbound", "no-template"} <= given
    assert given - BY_NUMBER <= set(reason.REASONS)


@pytest.mark.parametrize("name", reason.REASONS)
def test_each_has_three_sentences(name: str) -> None:
    told = reason.explain(notice("n", state=NoticeState.FAILED, reason=name))
    assert told == reason.REASONS[name]
    for sentence in (told.sentence, told.cause, told.cure):
        assert re.fullmatch(r"[A-Z].*\.|[A-Z].* with: wxbind .*", sentence), sentence


def test_the_words_of_a_reason_go_before_those_of_the_number() -> None:
    one = notice("n", state=NoticeState.FAILED, reason="blocked", errcode=43004)
    assert reason.explain(one) == reason.REASONS["blocked"]


def test_a_refusal_without_a_reason_of_ours_has_the_words_of_its_number() -> None:
    one = notice("n", state=NoticeState.FAILED, reason="platform", errcode=47003)
    assert reason.explain(one) == errcode.explain(47003)


def test_what_waits_for_another_try_says_what_for() -> None:
    assert reason.explain(notice("n", attempts=1)) == reason.WAITING
    assert reason.explain(notice("n", attempts=1, errcode=45009)) == errcode.explain(45009)


def test_where_nothing_is_wrong_nothing_is_said() -> None:
    for state in (NoticeState.SENDING, NoticeState.SENT, NoticeState.DELIVERED):
        assert reason.explain(notice("n", state=state, attempts=1)) is None
    assert reason.explain(notice("n")) is None


def test_what_waits_behind_another_one_says_so() -> None:
    assert reason.explain(notice("n", due_at=None)) == reason.BEHIND
    assert reason.explain(Plan("ann", "template", "outside-window")) is None


def test_a_plan_is_explained_like_a_notice() -> None:
    assert reason.explain(Plan("ann", reason="not-bound")) == reason.REASONS["not-bound"]
