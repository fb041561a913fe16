"""Views: who may have an invite made, and what it is followed by."""

import asyncio
import hashlib
from dataclasses import replace

import pytest

from tests.world import World
from wx import secret
from wx.errors import Refused
from wx.model import ApiKey, Browser
from wx.service.hub import SESSION, Hub
from wx.service.invites import View
from wx.service.views import VIEW, Views

HERE = Browser("203.0.113.0/24", "Chrome, Windows")


async def key_of(world: World, name: str = "site", account: str = "") -> ApiKey:
    """A key as the service knows it."""
    shown = await world.key("invites:write", name=name, account=account)
    return await world.server.services.api_keys.check(shown, "invites:write")


async def made(world: World, key: ApiKey, name: str = "ann", **more: bool) -> View:
    """The invite that a key gets."""
    wish = {"fresh": False, "replace": False} | more
    _, view = await world.server.services.views.open(key, name, HERE, **wish)
    return view


class Ear:
    """A listener that only knows whether it was ended."""

    def __init__(self, key: bytes, kind: str = VIEW) -> None:
        self.topic, self.kind, self.key, self.peer = "t", kind, key, "192.0.2.1"
        self.over = False

    def changed(self, news: object = None) -> None: ...

    def shut_down(self) -> None: ...

    def ended(self) -> None:
        self.over = True


@pytest.mark.gen_test(timeout=20)
async def test_only_the_digest_of_what_follows_it_is_kept(world: World) -> None:
    view = await made(world, await key_of(world))
    views = world.server.services.views
    followed_by = views.secret_of(view.invite.id)
    world.planted.add(followed_by)
    [row] = world.rows("SELECT * FROM invites")
    assert row["session"] == hashlib.sha256(followed_by.encode()).digest()
    assert row["api_key_id"] == 1 and row["state"] == "waiting"
    assert len(followed_by) == 43 and followed_by != view.secret
    files = b"".join(one.read_bytes() for one in (world.folder / "data").iterdir())
    assert followed_by.encode() not in files
    again = Views(
        views._database, world.clock, views._hub, views._config, views._invites, key=b"another"
    )
    assert again.secret_of(view.invite.id) != followed_by
    assert (await views.find(secret.digest(followed_by))).invite.id == view.invite.id


@pytest.mark.gen_test(timeout=20)
async def test_the_code_itself_and_a_session_are_no_view(world: World) -> None:
    desktop = await world.signed_in()
    await desktop.invite()
    view = await made(world, await key_of(world))
    for wrong in (view.secret, desktop.cookies["session"], view.invite.id, ""):
        with pytest.raises(Refused) as refusal:
            await world.server.services.views.find(secret.digest(wrong))
        assert (refusal.value.status, refusal.value.code) == (404, "unknown-view")


@pytest.mark.gen_test(timeout=20)
async def test_twenty_at_once_share_one_code(world: World) -> None:
    key = await key_of(world)
    found = await asyncio.gather(*(made(world, key) for _ in range(20)))
    assert len({view.invite.id for view in found}) == 1
    assert len(world.rows("SELECT * FROM invites")) == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_key_that_was_revoked_while_it_was_remembered_gets_a_dead_code(
    world: World,
) -> None:
    key = await key_of(world)
    await world.server.services.api_keys.revoke("site")
    view = await made(world, key)
    with pytest.raises(Refused) as refusal:
        await world.server.services.invites.scanned(view.secret, show=True)
    assert refusal.value.status == 410
    again = await made(world, key)
    assert again.invite.id != view.invite.id, "a dead one is not shared"


@pytest.mark.gen_test(timeout=20)
async def test_a_key_whose_account_is_another_is_refused_before_anything_is_told(
    world: World,
) -> None:
    key = await key_of(world, account="ann")
    for name in ("bob", "nobody"):
        with pytest.raises(Refused) as refusal:
            await made(world, key, name)
        assert refusal.value.code == "not-allowed"
    assert (await made(world, replace(key, account_id=None), "bob")).state.open


@pytest.mark.gen_test(timeout=20)
async def test_the_audit_ends_views_that_are_over_and_nobody_else(world: World) -> None:
    services = world.server.services
    kept, over = await key_of(world), await key_of(world, "other")
    listeners = []
    for key in (kept, over):
        view = await made(world, key)
        digest = secret.digest(services.views.secret_of(view.invite.id))
        listeners.append(Ear(digest))
    nobody, session = Ear(b"nobody's"), Ear(b"session's", SESSION)
    for ear in (*listeners, nobody, session):
        services.hub.join(ear)
    await services.api_keys.revoke("other")
    services.views._version = None
    await services.views.audit()
    assert [one.over for one in (*listeners, nobody, session)] == [False, True, True, False]
    world.clock.advance(10_000)
    await services.views.audit()
    assert listeners[0].over


@pytest.mark.gen_test(timeout=20)
async def test_the_audit_looks_only_where_something_may_have_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, hub = world.server.services.views, Hub(limit=10)
    # One of our own: nobody else audits it meanwhile.
    ours = Views(theirs._database, world.clock, hub, theirs._config, theirs._invites, key=b"key")
    hub.join(Ear(b"view"))
    await ours.audit()
    looked: list[int] = []

    async def look(self: Views, waiting: list[bytes]) -> None:
        looked.append(len(waiting))

    monkeypatch.setattr(Views, "_audit", look)
    await ours.audit()
    assert looked == []
    world.clock.advance(31)
    await ours.audit()
    world.rows("UPDATE accounts SET admin = 1")
    await ours.audit()
    assert looked == [1, 1]
