"""No secret reaches a log line: every test with a world is scanned, and here is a whole life."""

import json
import logging

import pytest

from tests.conftest import Ear
from tests.service import scanning
from tests.world import PASSWORD, World

log = logging.getLogger(__name__)


@pytest.mark.gen_test(timeout=30)
async def test_a_whole_life_leaves_no_secret_in_the_log(world: World, ear: Ear) -> None:
    desktop = world.desktop()
    await desktop.log_in(password="wrong password 1234")
    await desktop.log_in()
    invite = await desktop.invite()
    phone = world.simulator.phone("wang")
    world.simulator.faults.answer("/sns/oauth2/access_token", errcode=-1)
    await phone.bind(invite["url"])
    await phone.bind(invite["url"])
    await desktop.post("/bind/test")
    world.simulator.faults.kill_access_tokens()
    await desktop.post("/bind/test")
    await desktop.fetch(f"/callback?code={'c' * 32}&state={'s' * 43}")
    await desktop.fetch(f"/b/{'x' * 43}")
    await desktop.fetch(f"/s/{'x' * 43}")
    await desktop.fetch(f"/s/{'i' * 22}/{'x' * 43}")
    await desktop.fetch(f"/not-me/{'i' * 22}/{'x' * 43}")
    waiting = world.desktop()
    await scanning.signed_in(world, waiting)
    ends = await scanning.not_me(world)
    await phone.submit(await phone.open(world.base + ends))
    await desktop.post("/bind/remove")
    await desktop.post("/logout")
    assert len(ear.lines) > 5
    secrets = world.secrets()
    assert {PASSWORD, invite["url"].rpartition("/")[2]} <= secrets
    assert not ear.leaks(secrets | {"c" * 32, "s" * 43, "x" * 43, "wrong password 1234"})


@pytest.mark.gen_test(timeout=30)
async def test_a_person_s_own_tokens_stand_in_no_log_whatever_the_platform_says(
    world: World, ear: Ear
) -> None:
    await world.bound()
    await world.rest()
    platform, authorizations = world.simulator.world, world.server.services.authorizations

    async def come_by() -> None:
        world.clock.advance(8 * 86400)
        _, bound = await world.server.services.bindings.of_name("ann")
        assert bound is not None
        authorizations.came_by(bound.follower)
        await world.rest()

    await come_by()
    for path, errcode in (("/sns/userinfo", 40013), ("/sns/oauth2/refresh_token", 42002)):
        text = f"invalid {' '.join(platform.web_secrets)}"
        body = json.dumps({"errcode": errcode, "errmsg": text})
        world.simulator.faults.answer(path, body=body)
        await come_by()
    said = "\n".join(ear.lines)
    for line in ("profile refreshed", "errcode 40013", "over and dropped: 42002"):
        assert line in said
    assert len(platform.web_secrets) == 4 and platform.web_secrets <= world.secrets()
    assert not ear.leaks({part for one in platform.web_secrets for part in (one, one[4:24])})


def test_the_scan_finds_what_is_written_down(ear: Ear) -> None:
    log.info("signed in with %s", PASSWORD)
    assert ear.leaks({PASSWORD})
