"""The callback's pages and answers; what it does is in tests/service/test_binding.py."""

import json
import re

import pytest

from tests.service.steps import EXCHANGE, bindings, callback
from tests.world import World


@pytest.mark.gen_test(timeout=20)
async def test_the_page_of_success_names_account_and_site_and_how_to_undo(world: World) -> None:
    phone, address = await callback(world, await (await world.signed_in()).invite())
    phone.browser.language = "en"
    page = await phone.open(address)
    assert page.status == 200
    assert "bound to account ann of Example" in page.text
    assert re.search(r'href="/undo/[0-9A-Za-z]{43}"', page.text)
    assert "code=" not in page.text and "state=" not in page.text


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("errcode", "status", "retry"), [(-1, 503, True), (40029, 410, True), (40226, 403, False)]
)
async def test_try_again_is_offered_where_it_makes_sense(
    world: World, errcode: int, status: int, retry: bool
) -> None:
    invite = await (await world.signed_in()).invite()
    world.simulator.faults.answer(EXCHANGE, errcode=errcode)
    page = await world.simulator.phone("wang").bind(invite["url"])
    assert page.status == status
    assert ("data-retry" in page.text) == retry
    if retry:
        assert f'href="{invite["url"].removeprefix(world.base)}"' in page.text


@pytest.mark.gen_test(timeout=20)
async def test_a_program_is_told_the_code_of_the_refusal(world: World) -> None:
    answer = await world.desktop().fetch(
        f"/callback?code=abc&state={'x' * 43}", headers={"Accept": "application/json"}
    )
    assert answer.code == 400
    assert json.loads(answer.body)["error"]["code"] == "unknown-state"


@pytest.mark.gen_test(timeout=20)
async def test_the_question_keeps_code_and_state_out_of_its_address(world: World) -> None:
    phone, address = await callback(world, await (await world.signed_in()).invite())
    phone.browser.jar.clear()
    question = await phone.open(address)
    form = question.form(0)
    assert form.action == "/callback" and form.method == "POST"
    assert {"code", "state", "_xsrf"} <= set(form.fields)
    assert bindings(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_the_answers_to_the_question_are_checked_as_the_callback_is(world: World) -> None:
    phone, address = await callback(world, await (await world.signed_in()).invite())
    phone.browser.jar.clear()
    question = await phone.open(address)
    for fields in ({"state": "x" * 43}, {"state": "a b"}, {"code": "'"}, {"answer": "x"}):
        assert (await phone.submit(question, **fields)).status == 400, fields
    assert bindings(world) == [] and world.simulator.calls[EXCHANGE] == 0
    assert (await phone.submit(question)).status == 200


@pytest.mark.gen_test(timeout=20)
async def test_the_callback_touches_no_session_of_the_browser_that_it_runs_in(
    world: World,
) -> None:
    """An attacker's code and state, opened in the victim's signed-in browser."""
    _, address = await callback(world, await (await world.signed_in("bob")).invite(), "zhang")
    victim = await world.signed_in("ann")
    before = dict(victim.cookies)
    answer = await victim.fetch(address)
    assert answer.code == 200 and b"data-bind" in answer.body
    assert b"bob" in answer.body and b"ann" not in answer.body
    assert bindings(world) == []
    assert victim.cookies["session"] == before["session"]


@pytest.mark.gen_test(timeout=20)
async def test_the_query_of_a_callback_stands_in_no_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    phone, address = await callback(world, await (await world.signed_in()).invite())
    await phone.open(address.replace("code=", "code=x"))
    await phone.open(address)
    for secret in re.findall(r"=(\w+)", address):
        assert secret not in caplog.text
