"""Speech: which language a follower is spoken to in."""

from collections.abc import Callable

from wx.model import Follower

Translate = Callable[[str], str]


class Speech:
    """Finds a follower's language.

    Args:
        translator: gives, for "zh" or "en", what turns an English sentence into that language.
    """

    def __init__(self, translator: Callable[[str], Translate]) -> None:
        self._translator = translator

    def language(self, follower: Follower, *, said: str = "") -> str:
        """The language of the follower's WeChat; while it is not known, that of the word they
        ``said``, else Chinese."""
        if follower.language:
            return follower.language
        return "en" if said and said.isascii() else "zh"

    def to(self, follower: Follower, *, said: str = "") -> Translate:
        """What turns a sentence into the follower's language."""
        return self._translator(self.language(follower, said=said))
