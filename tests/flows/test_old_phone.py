"""Phones that send no Sec-Fetch-Site, and people on plain http in an office network."""

import pytest

from tests.world import World


@pytest.mark.gen_test(timeout=30)
async def test_a_phone_that_sends_no_fetch_metadata_binds_too(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    phone = world.simulator.phone("wang")
    phone.browser.sends_fetch_metadata = False
    done = await phone.bind(invite["url"])
    assert done.status == 200, done.text
    assert (await desktop.state(invite))["state"] == "bound"


@pytest.mark.gen_test(timeout=30)
async def test_a_form_from_nowhere_is_refused(world: World) -> None:
    desktop = await world.signed_in()
    token = await desktop.xsrf("/bind")
    body = f"_xsrf={token}".replace("|", "%7C")
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "null"}
    response = await desktop.fetch("/bind/remove", method="POST", body=body, headers=headers)
    assert response.code == 403
