"""The access token for other programs of the team."""

from dataclasses import replace

import pytest

from tests.conftest import Ear
from wx.errors import PlatformError, Refused, Remedy
from wx.model import ApiKey
from wx.service.credential import Credentials

KEY = ApiKey(1, "site", "wx_Ab1cD", frozenset({"access-token:read"}), None, 0.0, None, None, None)


class Keeper:
    """Holds an access token, or the trouble there is instead."""

    def __init__(self, held: tuple[str, float] | PlatformError) -> None:
        self._held = held

    async def current(self) -> tuple[str, float]:
        if isinstance(self._held, PlatformError):
            raise self._held
        return self._held


def credentials(held: tuple[str, float] | PlatformError) -> Credentials:
    return Credentials(Keeper(held))  # type: ignore[arg-type]


@pytest.mark.gen_test
async def test_what_is_held_is_given_with_whole_seconds_and_the_log_says_to_whom(ear: Ear) -> None:
    given = await credentials(("T0KEN-of-the-platform", 7199.9)).access_token(KEY)
    assert given == ("T0KEN-of-the-platform", 7199)
    assert [line for line in ear.lines if "key site" in line]
    assert not ear.leaks({"T0KEN-of-the-platform"})


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("remedy", "errcode", "status", "code"),
    [
        (Remedy.RETRY, -1, 503, "unavailable"),
        (Remedy.RETRY, None, 503, "unavailable"),
        (Remedy.PAUSE, 45009, 503, "unavailable"),
        (Remedy.REFUSE, 40125, 502, "platform-error"),
    ],
)
async def test_none_is_a_refusal_that_says_whether_to_try_again(
    remedy: Remedy, errcode: int | None, status: int, code: str
) -> None:
    trouble = PlatformError(remedy, errcode, "trouble", path="/cgi-bin/stable_token")
    with pytest.raises(Refused) as caught:
        await credentials(trouble).access_token(replace(KEY, name="other"))
    assert (caught.value.status, caught.value.code) == (status, code)
    assert (caught.value.retry_after is None) == (status == 502)
    assert caught.value.message % caught.value.details
