"""Coming back from the platform, as far as all pages have it alike; each page's own way is in
test_entry.py and test_notice.py."""

import asyncio
import json
from urllib.parse import urlsplit

import pytest
from tornado.web import HTTPError

from tests.service.steps import EXCHANGE
from tests.web.test_entry import InWeChat
from tests.world import World
from wx.errors import Refused, StorageUnavailable
from wx.service import visit
from wx.web import arrival

BROUGHT = f"code=abc&state={'s' * 65}"


def test_what_can_be_said_is_said_under_the_name_that_it_is_refused_by() -> None:
    for name, made in arrival.PROBLEMS.items():
        error = made()
        if isinstance(error, Refused):
            assert error.code == name
        else:
            assert isinstance(error, StorageUnavailable | HTTPError)
    assert set(visit.PROBLEMS) < set(arrival.PROBLEMS)


@pytest.mark.gen_test(timeout=30)
@pytest.mark.parametrize(
    ("errcode", "status", "name"),
    [
        (40029, 403, "code-expired"),
        (40226, 403, "risky"),
        (-1, 503, "unavailable"),
        (40125, 502, "platform-error"),
    ],
)
async def test_no_refusal_is_shown_where_code_and_state_are(
    world: World, errcode: int, status: int, name: str
) -> None:
    phone = world.simulator.phone("wang")
    world.simulator.faults.answer(EXCHANGE, errcode=errcode)
    page = await phone.open(f"{world.base}/enter")
    assert page.status == status
    assert page.url == f"{world.base}/enter?problem={name}"
    again = await phone.open(page.url)
    assert again.status == status, "and can be opened again"
    assert world.simulator.calls[EXCHANGE] == 1


@pytest.mark.gen_test(timeout=30)
async def test_too_many_codes_and_too_many_people_are_said_in_the_same_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = InWeChat(world)
    with monkeypatch.context() as patch:
        patch.setattr(visit, "AT_ONCE", 0)
        answer = await phone.landed(await phone.sent_away())
        assert answer.code == 503 and int(answer.headers["Retry-After"]) < 60
    rate = world.server.services.entries._visits._of_share
    rate.try_take("127.0.0.1", visit.EXCHANGES_PER_MINUTE)
    answer = await phone.landed(await phone.sent_away())
    assert answer.code == 429 and answer.headers["Retry-After"] == "60"
    assert "Please wait 60 seconds." in answer.body.decode()


@pytest.mark.gen_test(timeout=20)
async def test_a_program_is_answered_at_once(world: World) -> None:
    headers = {"Accept": "application/json"}
    answer = await InWeChat(world).fetch(f"/enter?{BROUGHT}", headers=headers)
    assert answer.code == 403 and "Location" not in answer.headers
    assert json.loads(answer.body)["error"]["code"] == "unproved"


@pytest.mark.gen_test(timeout=20)
async def test_what_is_sent_at_the_same_time_ends_at_the_same_page(world: World) -> None:
    phone = InWeChat(world)
    address = await phone.sent_away()
    world.simulator.faults.answer(EXCHANGE, errcode=40029)
    world.simulator.faults.delay(EXCHANGE, 0.1)
    both = await asyncio.gather(*(phone.fetch(address) for _ in range(2)))
    assert [urlsplit(one.headers["Location"]).query for one in both] == ["problem=code-expired"] * 2
