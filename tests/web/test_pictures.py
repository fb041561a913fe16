"""The page of pictures, and the pictures themselves, over HTTP."""

import asyncio
import json
import logging
import re
import socket

import pytest

from tests.vectors.pictures import NONE, POLYGLOT, gif, jpeg, png
from wx.service import pictures as service
from wx.service.pictures import Opened
from wx.web import pictures as web
from wx.wechat import transport

PATH = "/cgi-bin/media/get"
WECHAT = "Mozilla/5.0 (iPhone) AppleWebKit/605 MicroMessenger/8.0.49"


@pytest.fixture
def pictures(io_loop, world):
    """A world with the page; Ann is bound to Wang and signed in, inside WeChat."""

    async def start():
        await world.reconfigure(pictures="true", js_sdk_url="https://sdk.example/jweixin.js")
        desktop = await world.bound("ann", "wang")
        desktop.headers["User-Agent"] = WECHAT
        return desktop

    return io_loop.run_sync(start, timeout=20)


def medium(world, body=None):
    return world.simulator.world.add_medium("image", body or png(), "image/png").id


async def add(desktop, media_id):
    response = await desktop.post("/pictures", json_answer=True, media_id=media_id)
    return response.code, json.loads(response.body)


@pytest.mark.gen_test
async def test_a_media_id_becomes_a_picture_that_its_page_shows(world, pictures):
    status, said = await add(pictures, medium(world))
    assert status == 201
    assert set(said) == {"id", "url", "when", "alt"}
    assert said["url"] == f"/pictures/{said['id']}"
    page = (await pictures.fetch("/pictures")).body.decode()
    assert f'src="{said["url"]}"' in page and said["alt"] in page
    response = await pictures.fetch(said["url"])
    assert (response.code, response.body) == (200, png())


@pytest.mark.parametrize(
    ("body", "content_type", "name"),
    [
        (png(), "image/png", "picture.png"),
        (jpeg(padding=5), "image/jpeg", "picture.jpg"),
        (gif(), "image/gif", "picture.gif"),
        (POLYGLOT, "image/gif", "picture.gif"),
    ],
)
@pytest.mark.gen_test
async def test_a_picture_is_shown_as_what_its_bytes_are_and_nothing_in_it_runs(
    world, pictures, body, content_type, name
):
    world.simulator.faults.answer(PATH, body=body, content_type="text/html")
    status, said = await add(pictures, "some-media-id")
    assert status == 201
    response = await pictures.fetch(said["url"])
    assert (response.code, response.body) == (200, body)
    headers = response.headers
    assert headers.get_list("Content-Type") == [content_type]
    assert headers.get_list("Content-Length") == [str(len(body))]
    assert headers.get_list("X-Content-Type-Options") == ["nosniff"]
    assert headers.get_list("Content-Security-Policy") == ["default-src 'none'; sandbox"]
    assert headers.get_list("Content-Disposition") == [f'inline; filename="{name}"']
    assert headers.get_list("Cache-Control") == ["private, max-age=3600, immutable"]
    assert headers.get_list("Vary") == ["Cookie"]
    assert headers.get_list("Cross-Origin-Resource-Policy") == ["same-origin"]


@pytest.mark.gen_test
async def test_others_do_not_see_or_remove_it(world, pictures):
    _, said = await add(pictures, medium(world))
    bob = await world.bound("bob", "li")
    for response in (
        await bob.fetch(said["url"]),
        await bob.post(f"{said['url']}/remove"),
        await bob.fetch(f"/pictures/{'x' * 22}"),
    ):
        assert response.code == 404
        assert png() not in response.body
        assert response.headers["Cache-Control"] == "no-store"
    stranger = await world.desktop().fetch(said["url"])
    assert (stranger.code, stranger.headers["Location"]) == (303, "/login")
    ann = await world.signed_in("ann")
    assert (await ann.fetch(said["url"])).code == 200, "from another browser of hers it is seen"
    assert said["url"] not in (await bob.fetch("/pictures")).body.decode()


@pytest.mark.gen_test
async def test_who_may_not_post_gets_nothing_fetched(world, pictures):
    media_id = medium(world)
    body = f"media_id={media_id}"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await pictures.fetch("/pictures", method="POST", body=body, headers=form)
    assert response.code == 403, "without the page's token"
    token = await pictures.xsrf("/pictures")
    response = await pictures.fetch(
        "/pictures",
        method="POST",
        body=body,
        headers=form | {"X-XSRFToken": token, "Origin": "https://evil.example"},
    )
    assert response.code == 403
    stranger = world.desktop()
    response = await stranger.post("/pictures", media_id=media_id)
    assert response.code == 401
    assert json.loads(response.body)["error"]["code"] == "signed-out"
    assert world.simulator.calls[PATH] == 0
    response = await pictures.fetch(
        "/pictures", method="POST", body=body, headers=form | {"X-XSRFToken": token}
    )
    assert response.code == 201, "the header is enough"


@pytest.mark.gen_test
async def test_refusals_are_told_in_json_and_in_the_reader_s_language(world, pictures):
    for media_id, code in (("", "bad-media-id"), ("unknown", "gone")):
        status, said = await add(pictures, media_id)
        assert said["error"]["code"] == code
        assert status >= 400 and said["error"]["message"].isascii()
    pictures.headers["Accept-Language"] = "zh-CN"
    _, said = await add(pictures, "unknown")
    assert "微信" in said["error"]["message"]
    assert (await pictures.post("/pictures", media_id="a b")).code == 400
    world.simulator.faults.answer(PATH, body=NONE["html"], content_type="image/jpeg")
    assert (await add(pictures, "m"))[0] == 422
    world.simulator.faults.answer(PATH, errcode=-1)
    response = await pictures.post("/pictures", media_id="m")
    assert response.code == 503 and "Retry-After" in response.headers


@pytest.mark.gen_test
async def test_a_picture_as_large_as_a_phone_s_comes_whole(world, pictures):
    body = jpeg(4000, 3000, padding=84)
    assert len(body) > 5_000_000
    status, said = await add(pictures, medium(world, body))
    assert status == 201
    assert (await pictures.fetch(said["url"])).body == body


@pytest.mark.gen_test(timeout=20)
async def test_a_picture_may_take_longer_than_an_ordinary_answer(world, pictures, monkeypatch):
    await add(pictures, medium(world))  # with an access token had
    monkeypatch.setattr(transport, "REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(transport, "DEADLINE_SECONDS", 0.2)
    world.simulator.faults.delay(PATH, 1)
    assert (await add(pictures, medium(world)))[0] == 201


@pytest.mark.gen_test(timeout=30)
async def test_a_browser_that_does_not_read_holds_no_file(world, pictures, monkeypatch, caplog):
    _, said = await add(pictures, medium(world, png(padding=9_000_000)))
    monkeypatch.setattr(web, "READ_SECONDS", 0.2)
    taken, closed = [], []
    real = Opened.close
    monkeypatch.setattr(Opened, "chunks", lambda self: (taken.append(1), self._file.chunks())[1])
    monkeypatch.setattr(Opened, "close", lambda self: (closed.append(1), real(self)))
    idle = socket.socket()
    idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    idle.connect(("127.0.0.1", world.server.port))
    cookies = "; ".join(f"{name}={value}" for name, value in pictures.cookies.items())
    head = f"GET {said['url']} HTTP/1.1\r\nHost: 127.0.0.1:{world.server.port}\r\n"
    idle.sendall(f"{head}Cookie: {cookies}\r\n\r\n".encode())
    while not closed:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    assert taken
    assert world.server.services.pictures._desks == {}
    got = await asyncio.to_thread(read_all, idle)
    assert b"200 OK" in got and len(got) < 9_000_000, "it was cut off, and can tell"
    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []


def read_all(connection):
    """What comes until the other side has closed."""
    with connection:
        pieces = []
        while True:
            try:
                piece = connection.recv(65536)
            except ConnectionResetError:
                break
            if not piece:
                break
            pieces.append(piece)
        return b"".join(pieces)


@pytest.mark.gen_test
async def test_removing_works_with_a_script_and_without(world, pictures):
    _, one = await add(pictures, medium(world))
    _, two = await add(pictures, medium(world))
    response = await pictures.post(f"{one['url']}/remove")
    assert (response.code, response.headers["Location"]) == (303, "/pictures")
    response = await pictures.post(f"{two['url']}/remove", json_answer=True)
    assert json.loads(response.body) == {"removed": two["id"]}
    assert (await pictures.fetch(two["url"])).code == 404
    assert (await pictures.post(f"{two['url']}/remove", json_answer=True)).code == 404
    response = await pictures.fetch(f"{one['url']}/remove")
    assert (response.code, response.headers["Location"]) == (303, "/pictures")
    assert "data-gallery hidden" in (await pictures.fetch("/pictures")).body.decode()


@pytest.mark.gen_test
async def test_the_newest_stands_first(world, pictures):
    made = []
    for _ in range(3):
        made.insert(0, (await add(pictures, medium(world)))[1]["id"])
        world.clock.advance(60)
    page = (await pictures.fetch("/pictures")).body.decode()
    assert re.findall(r'class="picture" data-id="(\w+)"', page) == made


@pytest.mark.gen_test
async def test_only_this_page_lets_wechat_s_script_in(world, pictures):
    policy = (await pictures.fetch("/pictures")).headers["Content-Security-Policy"]
    assert "script-src 'self' https://sdk.example;" in policy
    other = (await pictures.fetch("/bind")).headers["Content-Security-Policy"]
    assert policy.replace(" https://sdk.example", "") == other
    pictures.headers["User-Agent"] = "Mozilla/5.0 Chrome/150 Linux"
    outside = (await pictures.fetch("/pictures")).headers["Content-Security-Policy"]
    assert outside == other, "nor does it where the script is of no use"


@pytest.mark.gen_test
async def test_the_page_tells_who_is_not_in_wechat_how_to_open_it_there(world, pictures):
    pictures.headers["User-Agent"] = "Mozilla/5.0 Chrome/150 Linux"
    page = (await pictures.fetch("/pictures")).body.decode()
    assert 'data-state="outside"' in page and "pictures.js" not in page
    assert f"{world.base}/enter?to=pictures" in page
    code = await pictures.fetch("/pictures/qr.svg")
    assert (code.code, code.headers["Content-Type"]) == (200, "image/svg+xml")
    assert b"<svg" in code.body


@pytest.mark.gen_test
async def test_the_page_tells_who_is_not_bound_to_bind_first(world, pictures):
    bob = await world.signed_in("bob")
    page = (await bob.fetch("/pictures")).body.decode()
    assert 'data-state="unbound"' in page and "data-choose" not in page
    status, said = await add(bob, medium(world))
    assert (status, said["error"]["code"]) == (409, "not-bound")


@pytest.mark.gen_test
async def test_a_full_page_says_so(world, pictures, monkeypatch):
    monkeypatch.setattr(service, "MOST", 1)
    monkeypatch.setattr(web, "MOST", 1)
    assert b" data-full>" not in (await pictures.fetch("/pictures")).body
    await add(pictures, medium(world))
    assert b" data-full>" in (await pictures.fetch("/pictures")).body
    status, said = await add(pictures, medium(world))
    assert (status, said["error"]["code"]) == (409, "too-many-pictures")
    assert "1 pictures" in said["error"]["message"]


@pytest.mark.gen_test
async def test_who_is_not_signed_in_is_led_in_by_the_way_of_the_place(world, pictures):
    stranger = world.desktop()
    response = await stranger.fetch("/pictures")
    assert (response.code, response.headers["Location"]) == (303, "/login?to=pictures")
    stranger.headers["User-Agent"] = WECHAT
    response = await stranger.fetch("/pictures")
    assert (response.code, response.headers["Location"]) == (303, "/enter?to=pictures")


@pytest.mark.gen_test
async def test_a_person_who_is_bound_comes_in_by_the_menu_and_sends_a_picture(world, pictures):
    phone = world.simulator.phone("wang")
    page = await phone.open(f"{world.base}/pictures")
    assert page.url == f"{world.base}/pictures", "through /enter, without a word"
    asked = f"/js-config?url={world.base}/pictures"
    config = (await phone.browser.fetch(page, asked)).json()
    media_id = await phone.pick_picture(page, config, name="lake")
    token = re.search(r'name="_xsrf" value="([^"]+)"', page.text)[1]
    sent = await phone.browser.fetch(
        page, "/pictures", fields={"media_id": media_id}, headers={"X-XSRFToken": token}
    )
    assert sent.status == 201
    shown = await phone.browser.fetch(page, sent.json()["url"])
    assert shown.status == 200
    assert shown.body == world.simulator.world.media[media_id].body
    ann = await world.signed_in("ann")
    assert (await ann.fetch(sent.json()["url"])).body == shown.body


@pytest.mark.parametrize("path", ["/pictures", "/pictures/qr.svg", f"/pictures/{'x' * 22}"])
@pytest.mark.gen_test
async def test_where_it_is_off_there_is_nothing(world, path):
    desktop = await world.signed_in()
    assert (await desktop.fetch(path)).code == 404
    assert (await desktop.post("/pictures", media_id="m")).code == 404


@pytest.mark.parametrize("name", ["a", "x" * 21, "x" * 23, "..%2f..%2fserver.key", "%00" * 22])
@pytest.mark.gen_test
async def test_a_name_that_is_none_is_nothing(pictures, name):
    assert (await pictures.fetch(f"/pictures/{name}")).code == 404
