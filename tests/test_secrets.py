"""No secret reaches a log line: every test with a world is scanned, and here is a whole life."""

import logging

import pytest

from tests.conftest import Ear
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
    await desktop.post("/bind/remove")
    await desktop.post("/logout")
    assert len(ear.lines) > 5
    secrets = world.secrets()
    assert {PASSWORD, invite["url"].rpartition("/")[2]} <= secrets
    assert not ear.leaks(secrets | {"c" * 32, "s" * 43, "x" * 43, "wrong password 1234"})


def test_the_scan_finds_what_is_written_down(ear: Ear) -> None:
    log.info("signed in with %s", PASSWORD)
    assert ear.leaks({PASSWORD})
