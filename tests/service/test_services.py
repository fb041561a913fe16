"""What the web floor is given."""

from dataclasses import fields

import pytest

from tests.world import World
from wx.service.services import Services


@pytest.mark.gen_test(timeout=20)
async def test_every_service_is_in_the_place_of_its_name(world: World) -> None:
    for one in fields(Services):
        assert type(getattr(world.server.services, one.name)) is one.type, one.name
