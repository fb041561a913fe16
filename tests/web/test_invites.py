"""Codes for programs: made, shared, refused, and completed by digits."""

import json
import re
from typing import Any

import pytest

from tests.web.test_api import error
from tests.world import World
from wx.service.invites import OPEN_PER_ACCOUNT

INVITES = "/api/v1/invites"
CHROME = "Mozilla/5.0 (Windows NT 10.0) Chrome/150.0"
WISH: dict[str, Any] = {"account": "ann", "browser": CHROME, "address": "203.0.113.7"}


async def opened(world: World, key: str, **wish: object) -> dict[str, Any]:
    """An invite that a program gets, by default for ann."""
    answer = await world.ask(INVITES, key=key, body=WISH | wish)
    assert answer.code == 201, answer.body
    told: dict[str, Any] = json.loads(answer.body)
    world.planted |= {told["view"], told["link"].rpartition("/")[2]}
    return told


async def reachable(world: World, name: str) -> None:
    """Make an account without a password, as a program does."""
    key = await world.key("accounts:write", name=f"maker-of-{name}")
    answer = await world.ask("/api/v1/accounts", key=key, body={"name": name})
    assert answer.code == 201, answer.body


async def confirm(world: World, key: str, invite: dict[str, Any], code: object) -> Any:
    """What passing digits on is answered with."""
    return await world.ask(f"{INVITES}/{invite['id']}/confirm", key=key, body={"code": code})


def open_ones(world: World) -> int:
    """How many codes wait."""
    [row] = world.rows("SELECT count(*) AS number FROM invites WHERE state = 'waiting'")
    return int(row["number"])


@pytest.mark.gen_test(timeout=20)
async def test_a_program_gets_all_that_a_page_needs(world: World) -> None:
    told = await opened(world, await world.key("invites:write"))
    here = f"{world.base}/view/{told['view']}"
    assert re.fullmatch("[0-9A-Za-z]{43}", told["view"])
    assert told == {
        "account": "ann",
        "id": told["id"],
        "url": told["link"],
        "link": told["link"],
        "qr": f"{here}/qr.svg?route=oauth",
        "live": f"{here.replace('http', 'ws', 1)}/live",
        "state": here,
        "view": told["view"],
        "number": told["number"],
        "expires_in": 600,
        "route": "oauth",
    }
    assert told["link"].startswith(f"{world.base}/b/")
    assert told["view"] not in told["link"]
    assert re.fullmatch("[1-9][0-9]", told["number"])


@pytest.mark.gen_test(timeout=20)
async def test_every_address_is_made_from_the_public_one(world: World) -> None:
    await world.reconfigure(public_url="https://wx.example.com")
    key = await world.key("invites:write")
    body = b'{"account": "ann"}'
    head = (
        f"POST {INVITES} HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    status, answer = await world.raw((head % "evil.example").encode() + body)
    assert status == 421 and world.rows("SELECT * FROM invites") == []
    status, answer = await world.raw((head % "wx.example.com").encode() + body)
    told = json.loads(answer)
    world.planted |= {told["view"], told["link"].rpartition("/")[2]}
    assert status == 201
    assert told["live"] == f"wss://wx.example.com/view/{told['view']}/live"
    for name in ("url", "link", "qr", "state"):
        assert told[name].startswith("https://wx.example.com/")


@pytest.mark.gen_test(timeout=20)
async def test_the_code_is_one_to_scan_where_people_bind_so_but_not_inside_wechat(
    world: World,
) -> None:
    await world.open_webhook()
    key = await world.key("invites:write")
    told = await opened(world, key)
    assert told["route"] == "scan" and told["qr"].endswith("?route=scan")
    assert told["url"] != told["link"] and told["url"].startswith("http://weixin.qq.com/q/")
    inside = await opened(world, key, browser=f"{CHROME} MicroMessenger/8.0.50")
    assert inside["route"] == "oauth" and inside["url"] == inside["link"]


@pytest.mark.gen_test(timeout=30)
@pytest.mark.parametrize(
    ("browser", "address", "shown"),
    [
        (CHROME, "203.0.113.7", "Chrome, Windows, 203.0.113.0/24"),
        (CHROME, "", "Chrome, Windows"),
        ("", "203.0.113.7", "203.0.113.0/24"),
        ("", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("", "::ffff:203.0.113.7", "203.0.113.0/24"),
        ("", "", "shop"),
        ("<script>alert(1)</script>", "", "shop"),
        (None, None, "shop"),
    ],
)
async def test_the_phone_is_shown_who_asks_as_the_program_tells_it(
    world: World, browser: str | None, address: str | None, shown: str
) -> None:
    key = await world.key("invites:write", name="shop")
    told = await opened(world, key, browser=browser, address=address)
    page = await world.simulator.phone("wang").open(told["url"])
    assert f"<dd>{shown}</dd>" in page.text
    assert f"data-number>{told['number']}<" in page.text
    assert "data-account-name>ann<" in page.text and "Example" in page.text
    assert "<script>alert" not in page.text


@pytest.mark.gen_test(timeout=20)
async def test_asked_for_again_it_is_the_same_code_unless_a_fresh_one_is_wished(
    world: World,
) -> None:
    key = await world.key("invites:write")
    first = await opened(world, key)
    world.clock.advance(10)
    again = await opened(world, key, account="ANN", fresh=False)
    assert again == first | {"expires_in": 590} and open_ones(world) == 1
    fresh = await opened(world, key, fresh=True)
    assert fresh["id"] != first["id"] and fresh["view"] != first["view"]
    assert open_ones(world) == 1
    phone = world.simulator.phone("wang")
    assert (await phone.open(first["url"])).status == 410
    assert (await phone.open(fresh["url"])).status == 200


@pytest.mark.gen_test(timeout=20)
async def test_another_browser_and_another_program_and_the_account_s_page_have_their_own(
    world: World,
) -> None:
    key = await world.key("invites:write")
    other = await world.key("invites:write", name="other")
    desktop = await world.signed_in()
    found = [(await opened(world, key))["id"]]
    world.clock.advance(1)
    found += [
        (await opened(world, key, address="198.51.100.1"))["id"],
        (await opened(world, key, browser=""))["id"],
        (await opened(world, other))["id"],
        (await desktop.invite())["id"],
    ]
    assert len(set(found)) == open_ones(world) == OPEN_PER_ACCOUNT
    await opened(world, key, address="192.0.2.1")
    assert open_ones(world) == OPEN_PER_ACCOUNT, "the oldest has made room"
    [row] = world.rows("SELECT state FROM invites WHERE id = ?", found[0])
    assert row["state"] == "expired"
    assert (await desktop.invite())["id"] == found[-1]


@pytest.mark.gen_test(timeout=20)
async def test_an_hour_s_codes_are_counted_with_those_of_the_account_s_page(world: World) -> None:
    await world.reconfigure(invites_per_hour="3")
    key = await world.key("invites:write")
    desktop = await world.signed_in()
    await desktop.invite()
    for _ in range(2):
        await opened(world, key, fresh=True)
    told = await world.ask(INVITES, key=key, body=WISH | {"fresh": True})
    error(told, 429, "too-many-codes")
    assert 3590 < int(told.headers["Retry-After"]) <= 3601
    assert (await world.ask(INVITES, key=key, body=WISH)).code == 201, "the open one"
    assert (await world.ask(INVITES, key=key, body={"account": "bob"})).code == 201


# No


@pytest.mark.gen_test(timeout=20)
async def test_only_a_key_with_the_scope_is_let_in(world: World) -> None:
    error(await world.ask(INVITES, body=WISH), 401, "no-key")
    error(await world.ask(INVITES, key="wx_" + "a" * 43, body=WISH), 401, "bad-key")
    poor = await world.key("accounts:write", "bindings:read", "notices:write")
    told = error(await world.ask(INVITES, key=poor, body=WISH), 403, "missing-scope")
    assert told["scope"] == "invites:write"
    path = f"{INVITES}/{'a' * 22}/confirm"
    error(await world.ask(path, key=poor, body={"code": "1"}), 403, "missing-scope")
    error(await world.ask(path, body={"code": "1"}), 401, "no-key")
    for method in ("GET", "PUT", "DELETE"):
        answer = await world.ask(INVITES, key=poor, method=method)
        error(answer, 405, "bad-method")
        assert answer.headers["Allow"] == "POST"
    assert world.rows("SELECT * FROM invites") == []


@pytest.mark.gen_test(timeout=20)
async def test_a_page_of_another_site_cannot_ask_even_one_that_may_show_codes(
    world: World,
) -> None:
    await world.reconfigure(invite_origins="https://app.example.com")
    key = await world.key("invites:write")
    headers = {"Origin": "https://app.example.com"}
    answer = await world.ask(INVITES, key=key, body=WISH, headers=headers)
    error(answer, 403, "forbidden")
    assert "Access-Control-Allow-Origin" not in answer.headers
    answer = await world.ask(INVITES, method="OPTIONS", headers=headers)
    assert answer.code == 405 and "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "account"),
        ({"account": None}, "account"),
        ({"account": 1}, "account"),
        ({"account": ["ann"]}, "account"),
        ({"account": "ann", "browser": 1}, "browser"),
        ({"account": "ann", "address": 1}, "address"),
        ({"account": "ann", "address": "localhost"}, "address"),
        ({"account": "ann", "address": "203.0.113.7, 203.0.113.8"}, "address"),
        ({"account": "ann", "address": "203.0.113.0/24"}, "address"),
        ({"account": "ann", "address": "x" * 5000}, "address"),
        ({"account": "ann", "replace": "yes"}, "replace"),
        ({"account": "ann", "fresh": 1}, "fresh"),
        ({"account": "ann", "session": "x"}, "session"),
    ],
)
async def test_what_is_not_of_the_form_is_named(
    world: World, body: dict[str, Any], field: str
) -> None:
    key = await world.key("invites:write")
    told = error(await world.ask(INVITES, key=key, body=body), 400, "bad-request")
    assert told["field"] == field
    assert world.rows("SELECT * FROM invites") == []


@pytest.mark.gen_test(timeout=20)
async def test_an_account_that_is_not_there_or_disabled_is_unknown(world: World) -> None:
    key = await world.key("invites:write")
    world.rows("UPDATE accounts SET disabled_at = 1 WHERE name = 'bob'")
    for name in ("nobody", "bob", "", "\0", "ann\n", "a" * 5000):
        answer = await world.ask(INVITES, key=key, body={"account": name})
        told = error(answer, 404, "unknown-account")
        assert told["accounts"] == {"unknown": [name[:64]]}
        assert len(answer.body) < 1000


@pytest.mark.gen_test(timeout=20)
async def test_a_key_for_one_account_is_for_that_one_alone(world: World) -> None:
    key = await world.key("invites:write", "notices:write", account="ann")
    assert (await opened(world, key))["account"] == "ann"
    for name in ("bob", "nobody"):
        answer = await world.ask(INVITES, key=key, body={"account": name})
        told = error(answer, 403, "not-allowed")
        assert told["accounts"] == {"not_allowed": [name]}
    assert len(world.rows("SELECT * FROM invites")) == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_key_s_minute_counts_here_too(world: World) -> None:
    await world.reconfigure(api_per_minute="2")
    key = await world.key("invites:write")
    for _ in range(2):
        await opened(world, key)
    error(await world.ask(INVITES, key=key, body=WISH), 429, "too-many-requests")


# An account that is bound


@pytest.mark.gen_test(timeout=30)
async def test_who_signs_in_replaces_their_binding_themselves_and_no_program_does(
    world: World,
) -> None:
    await world.bound()
    key = await world.key("invites:write")
    for wish in ({}, {"replace": True}, {"replace": True, "fresh": True}):
        told = error(await world.ask(INVITES, key=key, body=WISH | wish), 409, "already-bound")
        assert told["hint"] == "Whoever signs in as it can replace that on their page."


@pytest.mark.gen_test(timeout=30)
async def test_an_account_without_a_password_is_bound_anew_where_that_is_said(
    world: World,
) -> None:
    await reachable(world, "shop-7")
    key = await world.key("invites:write")
    first = await opened(world, key, account="shop-7")
    assert (await world.simulator.phone("wang").bind(first["url"])).status == 200
    answer = await world.ask(INVITES, key=key, body={"account": "shop-7"})
    assert "replace" in str(error(answer, 409, "already-bound")["hint"])
    second = await opened(world, key, account="shop-7", replace=True)
    assert second["id"] != first["id"]
    assert (await world.simulator.phone("li").bind(second["url"])).status == 200
    [row] = world.rows("SELECT follower_id FROM bindings WHERE ended_at IS NULL")
    [li] = world.rows("SELECT id FROM followers WHERE nickname LIKE '李%'")
    assert row["follower_id"] == li["id"]
    assert "解绑" in repr((await world.told("wang", 2))[-1]), "the one before is told"


@pytest.mark.gen_test(timeout=30)
async def test_replace_is_for_nothing_where_the_account_has_a_password(world: World) -> None:
    key = await world.key("invites:write")
    code = await opened(world, key, replace=True)
    [row] = world.rows("SELECT replace FROM invites")
    assert row["replace"] == 0
    # Meanwhile somebody else is bound, at the account's own page.
    await world.bound("ann", "li")
    done = await world.simulator.phone("wang").bind(code["url"])
    assert done.status == 409
    assert len(world.rows("SELECT * FROM bindings")) == 1


# Digits


async def digits_of(page: Any) -> str:
    """The six digits that a phone's page shows."""
    found = re.search(r"data-code>(\d{6})<", page.text)
    assert found, page.text
    return found[1]


@pytest.mark.gen_test(timeout=30)
async def test_a_program_passes_the_digits_on(world: World) -> None:
    await world.reconfigure(bind_confirm="desktop")
    key = await world.key("invites:write")
    other = await world.key("invites:write", name="other")
    invite = await opened(world, key)
    error(await confirm(world, key, invite, "123456"), 410, "expired")
    digits = await digits_of(await world.simulator.phone("wang").bind(invite["url"]))
    frame = json.loads((await world.look(f"/view/{invite['view']}")).body)
    assert (frame["state"], frame["confirm"]) == ("scanned", True)
    wrong = f"{(int(digits) + 1) % 1_000_000:06}"
    told = error(await confirm(world, key, invite, wrong), 403, "wrong-digits")
    assert told["tries_left"] == 2
    error(await confirm(world, other, invite, digits), 404, "unknown-invite")
    error(await confirm(world, key, {"id": "a" * 22}, digits), 404, "unknown-invite")
    for bad in (None, 123456, ["1"]):
        error(await confirm(world, key, invite, bad), 400, "bad-request")
    assert world.rows("SELECT * FROM bindings") == []
    done = await confirm(world, key, invite, f" {digits[:3]} {digits[3:]} ")
    assert done.code == 200 and json.loads(done.body) == {"state": "bound"}
    assert len(world.rows("SELECT * FROM bindings WHERE ended_at IS NULL")) == 1
    error(await confirm(world, key, invite, digits), 410, "expired")


@pytest.mark.gen_test(timeout=30)
async def test_three_wrong_tries_end_it(world: World) -> None:
    await world.reconfigure(bind_confirm="desktop")
    key = await world.key("invites:write")
    invite = await opened(world, key)
    digits = await digits_of(await world.simulator.phone("wang").bind(invite["url"]))
    for left in (2, 1, 0):
        told = error(await confirm(world, key, invite, "x"), 403, "wrong-digits")
        assert told["tries_left"] == left
    error(await confirm(world, key, invite, digits), 410, "expired")
    assert world.rows("SELECT * FROM bindings") == []


@pytest.mark.gen_test(timeout=30)
@pytest.mark.parametrize("over", ["account", "key"])
async def test_digits_come_too_late_for_an_account_or_a_key_that_is_over(
    world: World, over: str
) -> None:
    await world.reconfigure(bind_confirm="desktop")
    key = await world.key("invites:write")
    invite = await opened(world, key)
    digits = await digits_of(await world.simulator.phone("wang").bind(invite["url"]))
    if over == "account":
        world.rows("UPDATE accounts SET disabled_at = 1 WHERE name = 'ann'")
    else:
        # Its successor has its name, and its number.
        await world.server.services.api_keys.revoke("program")
        world.clock.advance(1)
        key = await world.key("invites:write")
    error(await confirm(world, key, invite, digits), 410, "expired")
    assert world.rows("SELECT * FROM bindings") == []


@pytest.mark.gen_test(timeout=30)
async def test_the_page_s_codes_are_not_a_program_s_and_the_other_way_round(world: World) -> None:
    await world.reconfigure(bind_confirm="desktop")
    key = await world.key("invites:write")
    desktop = await world.signed_in()
    hers = await desktop.invite()
    digits = await digits_of(await world.simulator.phone("wang").bind(hers["url"]))
    error(await confirm(world, key, hers, digits), 404, "unknown-invite")
    its = await opened(world, key)
    digits = await digits_of(await world.simulator.phone("li").bind(its["url"]))
    typed = await desktop.post("/bind/confirm", json_answer=True, id=its["id"], code=digits)
    assert typed.code == 404
    assert (await desktop.fetch(f"/bind/invites/{its['id']}")).code == 404
    assert world.rows("SELECT * FROM bindings") == []


@pytest.mark.gen_test(timeout=30)
async def test_somebody_who_was_bound_elsewhere_meanwhile_is_taken(world: World) -> None:
    await world.reconfigure(bind_confirm="desktop")
    key = await world.key("invites:write")
    ann, bob = await opened(world, key), await opened(world, key, account="bob")
    shown = [
        await digits_of(await world.simulator.phone("wang").bind(one["url"])) for one in (ann, bob)
    ]
    assert (await confirm(world, key, ann, shown[0])).code == 200
    error(await confirm(world, key, bob, shown[1]), 409, "taken")
