"""In which language a follower is spoken to."""

import pytest

from wx.model import Follower, Profile
from wx.service.speech import Speech


def follower(language: str = "") -> Follower:
    return Follower(1, "wx1", Profile("o-wang"), None, language=language)


@pytest.fixture
def speech() -> Speech:
    return Speech(lambda language: lambda sentence: f"{language}: {sentence}")


@pytest.mark.parametrize("said", ["", "bind", "绑定"])
@pytest.mark.parametrize("known", ["zh", "en"])
def test_the_language_of_their_wechat_counts_whatever_they_write(
    speech: Speech, known: str, said: str
) -> None:
    assert speech.language(follower(known), said=said) == known
    assert speech.to(follower(known), said=said)("yes") == f"{known}: yes"


@pytest.mark.parametrize(
    ("said", "language"),
    [("bind", "en"), ("status", "en"), ("绑定", "zh"), ("bind 绑定", "zh"), ("", "zh")],
)
def test_while_it_is_not_known_they_are_answered_as_they_ask(
    speech: Speech, said: str, language: str
) -> None:
    assert speech.language(follower(), said=said) == language
    assert speech.to(follower(), said=said)("yes") == f"{language}: yes"
