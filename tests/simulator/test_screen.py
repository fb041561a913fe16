"""What the simulator's pages have in common."""

import pytest


@pytest.mark.gen_test
async def test_pages_are_locked_down(client):
    answer = await client.fetch("/phone/wang")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.gen_test
async def test_a_phone_without_a_name_is_the_first_persons(simulator, site, client):
    path = site.link().removeprefix(simulator.base_url).partition("#")[0]
    answer = await client.fetch(path, headers={"User-Agent": "MicroMessenger/8.0"})
    assert "王小明" in answer.body.decode()
