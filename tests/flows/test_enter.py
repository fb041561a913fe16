"""The entry inside WeChat, over real sockets: the menu's button, a stranger who binds, and then
silence."""

from collections.abc import Awaitable, Callable

import pytest

from tests.service.steps import EXCHANGE, bindings
from tests.world import PASSWORD, Desktop, World
from wx.simulator.phone import asks_for_consent

WORDS = {
    "en": ("Log in and bind this WeChat", "You are logged in to Example as ann.", "bound to"),
    "zh-CN": ("登录并绑定此微信", "你已登录 Example，账号是 ann。", "已绑定"),
}


def menu(world: World, to: str = "") -> None:
    """The account's menu, with a button that leads into the site."""
    url = f"{world.base}/enter{to}"
    world.simulator.world.menu = {"button": [{"type": "view", "name": "Site", "url": url}]}


@pytest.mark.gen_test(timeout=30)
@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_a_stranger_taps_the_menu_binds_and_is_known_from_then_on(
    world: World, language: str
) -> None:
    await world.open_webhook()
    menu(world)
    offer, logged_in, told = WORDS[language]
    phone = world.simulator.phone("wang")
    phone.browser.language = language
    await phone.follow()
    page = await phone.open(await phone.tap(0))
    assert page.status == 200 and offer in page.text
    consent = await phone.submit(page, username="ann", password=PASSWORD)
    assert asks_for_consent(consent), "only now, and only for the name and the picture"
    assert bindings(world) == [("ann", "wang")]
    done = await phone.agree(consent)
    assert done.url == f"{world.base}/bind" and logged_in in done.text
    assert phone.person.nickname in done.text and "data-bound" in done.text
    [message] = await world.told("wang")
    assert told in str(message)
    phone.browser.jar.clear()
    exchanges = world.simulator.calls[EXCHANGE]
    again = await phone.open(await phone.tap(0))
    assert again.url == f"{world.base}/bind" and logged_in in again.text
    assert world.simulator.calls[EXCHANGE] == exchanges + 1, "silently, with one exchange"
    straight = await phone.open(await phone.tap(0))
    assert straight.url == f"{world.base}/bind"
    assert world.simulator.calls[EXCHANGE] == exchanges + 1, "a session needs none"


@pytest.mark.gen_test(timeout=30)
async def test_whoever_declines_the_name_is_bound_all_the_same(world: World) -> None:
    phone = world.simulator.phone("wang")
    page = await phone.open(f"{world.base}/enter")
    consent = await phone.submit(page, username="ann", password=PASSWORD)
    done = await phone.refuse(consent)
    assert done.url == f"{world.base}/bind" and "data-bound" in done.text
    assert phone.person.nickname not in done.text
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=30)
async def test_a_preview_instead_of_the_question_loses_nothing(world: World) -> None:
    phone = world.simulator.phone("wang")
    page = await phone.open(f"{world.base}/enter")
    phone.person.snapshot = True
    done = await phone.submit(page, username="ann", password=PASSWORD)
    assert done.url == f"{world.base}/bind" and "data-bound" in done.text
    assert world.rows("SELECT 1 FROM authorizations") == []
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=30)
async def test_the_word_bind_leads_a_stranger_through_the_chat(world: World) -> None:
    await world.open_webhook(bind_route="oauth", bind_scope="snsapi_base")
    phone = world.simulator.phone("wang")
    await phone.follow()
    [said] = await world.said("wang", "bind")
    assert f"{world.base}/enter" in str(said)
    page = await phone.open(f"{world.base}/enter")
    done = await phone.submit(page, username="ann", password=PASSWORD)
    assert done.url == f"{world.base}/bind" and bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=30)
async def test_the_undo_link_of_such_a_binding_ends_it(world: World) -> None:
    await world.open_webhook(bind_route="oauth", bind_scope="snsapi_base")
    phone = world.simulator.phone("wang")
    await phone.follow()
    page = await phone.open(f"{world.base}/enter")
    await phone.submit(page, username="ann", password=PASSWORD)
    [told] = await world.told("wang")
    await phone.submit(await phone.open(told.url))
    assert bindings(world) == []
    phone.browser.jar.clear()
    page = await phone.open(f"{world.base}/enter")
    assert 'data-view="stranger"' in page.text


@pytest.mark.gen_test(timeout=30)
async def test_an_older_phone_comes_in_too(world: World) -> None:
    await world.bound()
    phone = world.simulator.phone("wang")
    phone.browser.sends_fetch_metadata = False
    phone.browser.jar.clear()
    assert (await phone.open(f"{world.base}/enter")).url == f"{world.base}/bind"


async def _undo(world: World, desktop: Desktop) -> None:
    told = await world.told("wang")
    address = next(one.url for one in told if "/undo/" in one.url)
    phone = world.simulator.phone("wang")
    done = await phone.submit(await phone.open(address))
    assert done.status == 200


async def _unbind_at_the_desk(world: World, desktop: Desktop) -> None:
    assert (await desktop.post("/bind/remove")).code == 303


async def _unbind_inside_wechat(world: World, desktop: Desktop) -> None:
    phone = world.simulator.phone("wang")
    page = await phone.open(f"{world.base}/bind")
    form = next(n for n, form in enumerate(page.forms) if form.action == "/bind/remove")
    done = await phone.submit(page, form)
    assert done.url == f"{world.base}/login?done=removed"
    assert "已解除绑定并退出登录" in done.text


async def _replace(world: World, desktop: Desktop) -> None:
    invite = await desktop.invite(password=PASSWORD)
    assert (await world.simulator.phone("li").bind(invite["link"])).status == 200


async def _give_up(world: World, desktop: Desktop) -> None:
    openid = world.simulator.world.people["wang"].openid
    cancelled = world.event(
        "user_authorization_cancellation",
        OpenID=openid,
        AppID=world.simulator.app_id,
        RevokeInfo=None,
    )
    assert (await world.send(cancelled)).code == 200


@pytest.mark.gen_test(timeout=30)
@pytest.mark.parametrize(
    "end", [_undo, _unbind_at_the_desk, _unbind_inside_wechat, _replace, _give_up]
)
async def test_who_came_in_by_a_wechat_is_out_when_its_binding_ends(
    world: World, end: Callable[[World, Desktop], Awaitable[None]]
) -> None:
    await world.open_webhook()
    desktop = await world.bound()
    phone = world.simulator.phone("wang")
    assert (await phone.open(f"{world.base}/enter")).url == f"{world.base}/bind"
    await end(world, desktop)
    assert (await phone.open(f"{world.base}/bind")).url == f"{world.base}/login"
    assert (await desktop.fetch("/bind")).code == 200, "the password's session goes on"
