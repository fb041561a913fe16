"""Channels: by which way a notice reaches a person, and what it looks like there."""

from dataclasses import replace

import pytest

from tests.store.test_outbox import notice
from wx import config as configuration
from wx.clock import when
from wx.config import Config
from wx.model import Follower, Notice, Profile, Template
from wx.service.channel import CUSTOM, SUBSCRIBE, TEMPLATE, Choice, Known, choose

NOW = 1_800_000_000.0
PAGE = "https://wx.example.com/n/secret"
PLAIN = Template("plain", "t", "内容：{{thing1.DATA}}\n时间：{{time2.DATA}}")
LEFT = {"sub": 1}
NOTHING = Known({}, {})


def config(**keys: str) -> Config:
    flags = {
        "app_id": "wx5a17c0de00000001",
        "app_secret": "5a17c0de5a17c0de5a17c0de5a17c0de",
        "public_url": "https://wx.example.com",
        "data_dir": "data",
        "webhook_token": "TokenOfOurWebhook",
        "notice_template": "plain:thing1,time2",
        "subscribe_template": "sub:thing1",
    }
    return configuration.read(flags=flags | keys, environ={}, file="/dev/null").config()


WHOLE = config()
BARE = config(notice_template="", subscribe_template="")
NO_TEMPLATE = config(notice_template="")
DEAF = config(webhook_token="")
BARE_AND_DEAF = config(webhook_token="", notice_template="", subscribe_template="")


def follower(**changes: object) -> Follower:
    made = Follower(id=1, app_id="wx5a17c0de00000001", profile=Profile("o-wang"), read_at=None)
    return replace(made, **changes)


OPEN = follower(window_left=1, window_ends_at=NOW + 1)
SHUT = follower()


def text(**changes: object) -> Notice:
    return notice("n", **{"text": "backup finished"} | changes)


def card(template_id: str = "plain", **changes: object) -> Notice:
    fields = {"thing1": "backup finished", "time2": "09:30"}
    return notice("n", template_id=template_id, fields=fields, **changes)


def chosen(one: Notice, who: Follower, cfg: Config = WHOLE, known: Known = NOTHING) -> Choice:
    return choose(one, who, known, cfg, page=lambda: PAGE, now=NOW)


def way(one: Notice, who: Follower, cfg: Config = WHOLE, known: Known = NOTHING) -> tuple[str, str]:
    choice = chosen(one, who, cfg, known)
    return choice.channel, choice.why or choice.reason


# The window


@pytest.mark.parametrize(
    ("changes", "opens"),
    [
        ({}, False),
        ({"window_left": 1, "window_ends_at": NOW + 0.1}, True),
        ({"window_left": 0, "window_ends_at": NOW + 9}, False),
        ({"window_left": 5, "window_ends_at": NOW}, False),
        ({"brief_left": 1, "brief_ends_at": NOW + 0.1}, True),
        ({"brief_left": 0, "brief_ends_at": NOW + 9}, False),
        ({"brief_left": 3, "brief_ends_at": NOW}, False),
        (
            {"brief_left": 3, "brief_ends_at": NOW, "window_left": 1, "window_ends_at": NOW + 1},
            True,
        ),
        ({"brief_left": 3, "brief_ends_at": 0, "window_left": 0, "window_ends_at": NOW + 9}, False),
    ],
)
def test_the_window_is_open_while_one_kind_has_both_time_and_count(
    changes: dict[str, object], opens: bool
) -> None:
    expected = (CUSTOM, "window") if opens else ("", "window")
    found = way(text(), follower(**changes), BARE)
    assert (found[0], found[1].split("-")[0]) == expected


@pytest.mark.parametrize("barred", [(), (CUSTOM,)])
def test_the_minute_after_a_scan_is_taken_where_there_is_no_template(barred: tuple[str]) -> None:
    scanned = follower(brief_left=3, brief_ends_at=NOW + 60)
    left = Known({}, LEFT, barred=barred)
    assert way(text(), scanned, WHOLE, left)[0] == TEMPLATE
    assert way(text(), scanned, NO_TEMPLATE, left) == (SUBSCRIBE, "subscribed")
    alone = way(text(), scanned, BARE, Known({}, {}, barred=barred))
    assert alone == (("", "no-right") if barred else (CUSTOM, "window"))


# A text by itself


def test_a_text_takes_the_first_way_there_is() -> None:
    left = Known({}, LEFT)
    assert way(text(), OPEN, known=left) == (CUSTOM, "window")
    assert way(text(), SHUT, known=left) == (TEMPLATE, "outside-window")
    assert way(text(), SHUT, NO_TEMPLATE, left) == (SUBSCRIBE, "subscribed")
    assert way(text(), SHUT, NO_TEMPLATE, Known({}, {"sub": 0})) == ("", "window-closed")
    assert way(text(), SHUT, BARE, left) == ("", "window-closed")


@pytest.mark.parametrize("errcode", [45015, 45047])
def test_after_the_platform_closed_the_window_the_next_way_is_taken(errcode: int) -> None:
    left = Known({}, LEFT)
    assert way(text(errcode=errcode), SHUT, known=left) == (TEMPLATE, "fell-over")
    assert way(text(errcode=errcode), SHUT, NO_TEMPLATE, left) == (SUBSCRIBE, "subscribed")
    again = (CUSTOM, "window")
    assert way(text(errcode=errcode), OPEN) == again, "they have written again since"


def test_without_the_webhook_the_platform_is_asked_last_and_once() -> None:
    left = Known({}, LEFT)
    assert way(text(), SHUT, DEAF, left) == (TEMPLATE, "outside-window")
    assert way(text(), SHUT, BARE_AND_DEAF) == (CUSTOM, "try-window")
    assert way(text(errcode=45015), SHUT, BARE_AND_DEAF) == ("", "window-closed")
    assert way(text(errcode=45047), SHUT, BARE_AND_DEAF) == ("", "window-full")
    assert way(text(), SHUT, BARE) == ("", "window-closed"), "nobody is asked who tells by himself"


def test_a_full_window_and_a_closed_one_are_told_apart() -> None:
    full = follower(window_left=0, window_ends_at=NOW + 1)
    brief = follower(brief_left=0, brief_ends_at=NOW + 1)
    over = follower(window_left=0, window_ends_at=NOW)
    assert [way(text(), one, BARE)[1] for one in (full, brief, over)] == [
        "window-full",
        "window-full",
        "window-closed",
    ]
    assert way(text(errcode=45015), full, BARE) == ("", "window-closed")
    assert way(text(errcode=45047), over, BARE) == ("", "window-full")


@pytest.mark.parametrize("one", [text(), card(), text(wish=CUSTOM), text(wish=TEMPLATE)])
def test_who_left_or_blocked_has_no_way_at_all(one: Notice) -> None:
    assert way(one, replace(OPEN, following=False)) == ("", "not-following")
    assert way(one, replace(OPEN, blocked_at=NOW)) == ("", "blocked")
    assert way(one, replace(OPEN, following=False, blocked_at=NOW)) == ("", "not-following")
    assert chosen(one, replace(OPEN, following=True)).channel
    assert chosen(one, replace(OPEN, following=None)).channel


# What was asked for


def test_a_channel_that_is_asked_for_is_taken_whatever_else_there_is() -> None:
    left = Known({}, LEFT)
    assert way(text(wish=CUSTOM), SHUT, known=left) == (CUSTOM, "asked-for")
    assert way(text(wish=TEMPLATE), OPEN, known=left) == (TEMPLATE, "asked-for")
    assert way(text(wish=SUBSCRIBE), OPEN, known=left) == (SUBSCRIBE, "asked-for")


def test_a_channel_that_is_asked_for_and_not_there_has_no_substitute() -> None:
    left = Known({}, LEFT)
    assert way(text(wish=TEMPLATE), OPEN, NO_TEMPLATE, left) == ("", "no-template")
    assert way(text(wish=SUBSCRIBE), OPEN) == ("", "not-subscribed")
    assert way(text(wish=SUBSCRIBE), OPEN, BARE, left) == ("", "not-subscribed")
    assert way(text(wish=CUSTOM, errcode=45015), SHUT, known=left) == ("", "window-closed")
    assert way(text(wish=CUSTOM, errcode=45047), SHUT, known=left) == ("", "window-full")


def test_a_template_that_is_given_goes_by_its_own_way() -> None:
    known, left = {"plain": PLAIN}, {"plain": 1, "sub": 1}
    assert way(card(), OPEN, known=Known(known, left)) == (TEMPLATE, "template-given")
    assert way(card(), OPEN, known=Known(None, left)) == (TEMPLATE, "template-given")
    assert way(card(), OPEN, known=Known({}, left)) == (SUBSCRIBE, "subscribed")
    assert way(card(), OPEN, known=Known({}, {"sub": 1})) == (TEMPLATE, "template-given")
    assert way(card(wish=TEMPLATE), OPEN, known=Known({}, left)) == (TEMPLATE, "asked-for")
    assert way(card(wish=SUBSCRIBE), OPEN, known=Known(known, left)) == (SUBSCRIBE, "asked-for")
    assert way(card(wish=SUBSCRIBE), OPEN, known=Known(known, {"sub": 1})) == (
        "",
        "not-subscribed",
    )
    assert way(card(), OPEN, BARE, Known(known, {})) == (TEMPLATE, "template-given")


# Ways that are closed for a while, and those that were begun


def test_a_closed_way_is_passed_over_and_if_all_are_it_is_only_for_a_while() -> None:
    left = {"sub": 1}
    assert way(text(), OPEN, known=Known({}, left, {CUSTOM})) == (TEMPLATE, "outside-window")
    assert way(text(), OPEN, known=Known({}, left, {TEMPLATE})) == (CUSTOM, "window")
    assert way(text(), SHUT, known=Known({}, left, {TEMPLATE})) == (SUBSCRIBE, "subscribed")
    assert chosen(text(), OPEN, known=Known({}, {}, {CUSTOM, TEMPLATE})) == Choice(
        "", waits=(CUSTOM, TEMPLATE)
    )
    assert chosen(text(wish=TEMPLATE), OPEN, known=Known({}, left, {TEMPLATE})) == Choice(
        "", waits=(TEMPLATE,)
    )
    assert chosen(text(), SHUT, known=Known({}, {}, {TEMPLATE})) == Choice("", waits=(TEMPLATE,))


def test_what_is_in_doubt_stays_where_it_was_begun() -> None:
    doubt = {"doubt_at": NOW - 5, "channel": TEMPLATE, "why": "outside-window"}
    left = Known({}, LEFT)
    assert way(text(**doubt), OPEN, known=left) == (TEMPLATE, "outside-window")
    assert chosen(text(**doubt), OPEN, known=Known({}, LEFT, {TEMPLATE})) == Choice(
        "", waits=(TEMPLATE,)
    )
    assert way(card(**doubt), OPEN, known=Known({}, {"plain": 1})) == (TEMPLATE, "outside-window")
    gone = chosen(text(**doubt), OPEN, NO_TEMPLATE, left)
    assert (gone.channel, gone.reason) == ("", "no-template")


# What it looks like


def test_a_chat_message_has_its_link_on_the_last_line() -> None:
    choice = chosen(text(url="https://x.example/"), OPEN)
    assert choice == Choice(
        CUSTOM,
        "window",
        text="backup finished\nhttps://x.example/",
        url="https://x.example/",
    )
    assert chosen(text(), OPEN).text == "backup finished"


def test_a_chat_message_that_is_too_long_leads_to_the_page_with_the_whole() -> None:
    choice = chosen(text(text="备份 " * 1000, url="https://x.example/"), OPEN)
    assert choice.cut and choice.url == PAGE
    assert choice.text.endswith(f"…\n{PAGE}")
    assert "https://x.example" not in choice.text
    assert len(choice.text.encode()) <= 2048


def test_a_text_fills_its_field_and_the_moment_the_other() -> None:
    assert chosen(text(url="https://x.example/"), SHUT) == Choice(
        TEMPLATE,
        "outside-window",
        template_id="plain",
        fields={"thing1": "backup finished", "time2": when(NOW)},
        url="https://x.example/",
    )
    left = Known({}, LEFT)
    subscribed = chosen(text(wish=SUBSCRIBE), SHUT, known=left)
    assert (subscribed.template_id, dict(subscribed.fields)) == (
        "sub",
        {"thing1": "backup finished"},
    )


def test_a_text_that_is_too_long_for_its_field_is_cut_and_leads_to_the_page() -> None:
    choice = chosen(text(text="a" * 21, url="https://x.example/"), SHUT)
    assert dict(choice.fields) == {"thing1": "a" * 19 + "…", "time2": when(NOW)}
    assert (choice.cut, choice.url) == (True, PAGE)
    whole = chosen(text(text="a" * 20), SHUT)
    assert (whole.fields["thing1"], whole.cut, whole.url) == ("a" * 20, False, "")


def test_the_fields_of_a_template_are_fitted_to_it() -> None:
    long = card()
    long.fields["thing1"] = "a" * 21
    choice = chosen(
        replace(long, url="https://x.example/"), SHUT, known=Known({"plain": PLAIN}, {})
    )
    assert choice == Choice(
        TEMPLATE,
        "template-given",
        template_id="plain",
        fields={"thing1": "a" * 19 + "…", "time2": "09:30"},
        cut=True,
        url=PAGE,
    )


def test_a_field_that_is_wrong_by_now_is_named_and_nothing_is_sent() -> None:
    other = Template("plain", "t", "{{thing9.DATA}}")
    choice = chosen(card(), SHUT, known=Known({"plain": other}, {}))
    assert (choice.channel, choice.reason) == ("", "bad-field")
    assert choice.problem.startswith("thing1: ")
    assert "backup" not in choice.problem
    fits = chosen(card(wish=SUBSCRIBE), SHUT, known=Known({"plain": other}, {"plain": 1}))
    assert fits.channel == SUBSCRIBE, "the account's templates say nothing of subscriptions"
    odd = chosen(text(), SHUT, config(notice_template="plain:number1"))
    assert (odd.channel, odd.reason, odd.problem.split(":")[0]) == ("", "bad-field", "number1")


# Channels that the account has no right to


def test_who_may_not_send_chat_messages_takes_the_other_ways() -> None:
    barred = Known({}, LEFT, barred={CUSTOM})
    assert way(text(), OPEN, known=barred) == (TEMPLATE, "fell-over")
    assert way(text(), OPEN, NO_TEMPLATE, barred) == (SUBSCRIBE, "subscribed")
    nothing = Known({}, {}, barred={CUSTOM})
    gone = chosen(text(), OPEN, NO_TEMPLATE, nothing)
    assert (gone.channel, gone.reason) == ("", "no-right")
    assert way(text(wish=CUSTOM), OPEN, known=barred) == (CUSTOM, "asked-for")
