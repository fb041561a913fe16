"""What WeChat's numbers mean: complete, said in whole sentences, and in one place."""

import re

import pytest

from wx.errors import Remedy
from wx.protocol import errcode
from wx.protocol.answer import remedy
from wx.protocol.errcode import EXPLANATIONS, UNKNOWN, clause, explain

# What the documented calls answer (platform document, 1.1, 1.2, 2.1, 2.2, 4, 7, 11).
TOKEN_CALLS = {-1, 40001, 40002, 40013, 40125, 40164, 40243, 41002, 41004, 43002, 45009, 45011}
TOKEN_CALLS |= {50004, 50007, 89501, 89503, 89506, 89507}
SENDING = {40003, 40007, 40008, 40014, 40036, 40037, 41030, 42001, 43004, 43101, 44002, 44004}
SENDING |= {45002, 45008, 45015, 45047, 47001, 47003, 48001, 48002, 48004, 48008, 50005, 62751}
SENDING |= {10700, 10703, 10706, 43019, 65400}
OAUTH = {10003, 10004, 10005, 10006, 10009, *range(10010, 10014), 10015, 10016, 40029, 40030}
OAUTH |= {40163, 40226, 41001, 41003, 41008, 42002, 42003, 42007, 43003, 50001, 50002}
MENU = {*range(40015, 40029), 40033, 40054, 40055, 45010, 46003, 65301, 65302, 65303}
CHECKS = {40066, 40201, 40202, 40203, 48006, 76001, 76004, 76021, 76022}
EVERY = TOKEN_CALLS | SENDING | OAUTH | MENU | CHECKS

EACH = sorted({(one.sentence, one) for one in (*EXPLANATIONS.values(), UNKNOWN)})


@pytest.mark.parametrize("number", sorted(EVERY))
def test_what_the_platform_may_answer_is_explained(number):
    assert explain(number) is EXPLANATIONS[number]


@pytest.mark.parametrize(("sentence", "one"), EACH)
def test_each_is_three_whole_sentences_of_its_own(sentence, one):
    said = (one.sentence, one.cause, one.cure)
    assert len(set(said)) == 3
    for each in said:
        assert re.fullmatch(r"[A-Z][^\n\"%]* [^\n\"%]*\.", each), each
        assert len(each) <= 170, each
        assert "  " not in each
    assert "." not in sentence[:-1], "one sentence, which a list can show alone"


def test_no_sentence_says_two_things():
    for part in ("sentence", "cause", "cure"):
        said = [getattr(one, part) for _, one in EACH]
        assert len(said) == len(set(said)), part


def test_no_number_is_explained_twice():
    listed = [number for numbers in errcode._TABLE for number in numbers]
    assert len(listed) == len(set(listed)) == len(EXPLANATIONS)


@pytest.mark.parametrize("number", [1, 0, -2, 99999, 10**12])
def test_an_unknown_number_is_explained_too(number):
    assert explain(number) is UNKNOWN
    assert clause(number) == ""


def test_a_line_of_the_log_goes_on_with_sentence_and_cure():
    known = EXPLANATIONS[40164]
    assert clause(40164) == f"; {known.sentence} {known.cure}"
    assert "IP allowlist" in known.cure
    assert clause(None) == ""


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (40001, "check app_secret"),
        (40001, "stable_token"),
        (40001, "GET /api/wechat/access_token"),
        (40013, "check app_id"),
        (40125, "check app_secret"),
        (40037, "notice_template"),
        (43004, "follow"),
        (43101, "accept"),
        (45009, "tomorrow"),
        (45011, "next minute"),
        (45015, "notice_template"),
        (47003, "field"),
        (48001, "verified"),
        (10003, "public_url"),
        (89503, "administrator"),
    ],
)
def test_the_cure_names_what_to_turn(number, word):
    assert word in explain(number).cure


@pytest.mark.parametrize(
    ("one", "other"),
    [(43004, 10700), (43004, 50005), (45015, 10706), (48002, 10703), (43019, 62751)],
)
def test_old_and_new_numbers_of_a_refusal_say_the_same(one, other):
    assert explain(one) is explain(other)


def test_what_can_be_tried_again_is_known_by_its_number():
    """Whatever the program waits for or repeats, it can also explain."""
    repeated = {
        number
        for number in (*range(-9, 10), *range(10000, 100000), *range(200000, 200100))
        if remedy(number) is not Remedy.REFUSE
    }
    assert repeated and repeated <= set(EXPLANATIONS)
