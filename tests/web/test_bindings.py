"""Bindings by the API."""

import json
from typing import Any

import pytest

from tests.web.test_api import error
from tests.world import World

WHOLE = {"account", "bound", "openid", "unionid", "nickname", "avatar", "language", "following"}
WHOLE |= {"blocked", "window_left", "window_ends_at", "route", "bound_at"}


async def binding(world: World, name: str = "ann") -> dict[str, Any]:
    key = await world.key("bindings:read", name=f"k{len(world.planted)}")
    answer = await world.ask(f"/api/v1/bindings/{name}", key=key)
    assert answer.code == 200, answer.body
    return dict(json.loads(answer.body))


@pytest.mark.gen_test(timeout=20)
async def test_a_binding_is_shown_with_the_person_behind_it(world: World) -> None:
    await world.bound()
    wang = world.simulator.world.people["wang"]
    told = await binding(world)
    assert set(told) == WHOLE
    assert (told["account"], told["bound"], told["openid"]) == ("ann", True, wang.openid)
    assert (told["nickname"], told["unionid"]) == (wang.nickname, wang.unionid)
    assert told["avatar"].startswith("http")
    assert (told["following"], told["blocked"], told["route"]) == (None, False, "oauth")
    assert (told["window_left"], told["window_ends_at"]) == (0, None)
    assert told["bound_at"] == "2027-01-15T08:00:00.000Z"
    assert (await binding(world, "ANN"))["account"] == "ann"


@pytest.mark.gen_test(timeout=20)
async def test_who_is_not_bound_any_more_is_not_shown(world: World) -> None:
    assert await binding(world, "bob") == {"account": "bob", "bound": False}
    desktop = await world.bound()
    await desktop.post("/bind/remove")
    assert await binding(world) == {"account": "ann", "bound": False}


@pytest.mark.gen_test(timeout=20)
async def test_whether_somebody_can_be_reached_is_told(world: World) -> None:
    await world.bound()
    world.rows("UPDATE followers SET following = 1, blocked_at = 5")
    told = await binding(world)
    assert (told["following"], told["blocked"]) == (True, True)
    world.rows("UPDATE followers SET following = 0, blocked_at = NULL")
    told = await binding(world)
    assert (told["following"], told["blocked"]) == (False, False)


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("long", "brief", "left", "ends"),
    [
        ((5, 100), (0, 0), 5, "08:01:40"),
        ((5, 0), (3, 60), 3, "08:01:00"),
        ((2, 100), (3, 60), 5, "08:01:40"),
        ((0, 100), (3, 60), 3, "08:01:00"),
        ((5, -1), (3, 0), 0, None),
        ((0, 100), (0, 60), 0, None),
    ],
)
async def test_the_window_is_that_of_what_is_still_let_through(
    world: World, long: tuple[int, int], brief: tuple[int, int], left: int, ends: str | None
) -> None:
    await world.bound()
    await world.told("wang")
    now = world.clock.now()
    world.rows(
        "UPDATE followers SET window_left = ?, window_ends_at = ?, brief_left = ?,"
        " brief_ends_at = ?",
        *(long[0], now + long[1], brief[0], now + brief[1]),
    )
    told = await binding(world)
    assert told["window_left"] == left
    assert told["window_ends_at"] == (ends and f"2027-01-15T{ends}.000Z")


@pytest.mark.gen_test(timeout=20)
async def test_a_name_that_is_none_is_not_found(world: World) -> None:
    key = await world.key("bindings:read")
    for name in ("nobody", "%E7%8E%8B", "%00", "a" * 4000, "ann%20", "..%2fann", "ann%0a"):
        told = error(await world.ask(f"/api/v1/bindings/{name}", key=key), 404, "unknown-account")
        assert told["hint"] and len(str(told["message"])) < 150


@pytest.mark.gen_test(timeout=20)
async def test_a_name_may_be_chinese_and_typed_in_either_form(world: World) -> None:
    await world.server.stop()
    await world.add_account("王小明")
    await world.add_account("Ólaf")
    await world.start_server()
    assert (await binding(world, "%E7%8E%8B%E5%B0%8F%E6%98%8E"))["account"] == "王小明"
    assert (await binding(world, "O%CC%81laf"))["account"] == "Ólaf"
