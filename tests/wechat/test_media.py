"""Media by their id, and a platform that lies about them."""

import asyncio
import logging

import pytest

from tests.vectors.pictures import NONE, POLYGLOT, gif, jpeg, png
from wx.errors import PlatformError, Remedy
from wx.wechat import media as module
from wx.wechat import transport as transport_module
from wx.wechat.client import Client
from wx.wechat.media import LARGEST, Media, NoPicture
from wx.wechat.transport import Transport

PATH = "/cgi-bin/media/get"


@pytest.fixture
def download(io_loop):
    """Makes transports for media, and closes them at the end."""
    made = []

    def make(base, **bounds):
        bounds = {"body_limit": LARGEST, "patience": module.PATIENCE} | bounds
        made.append(Transport(base, connections=module.CONNECTIONS, **bounds))
        return made[-1]

    async def close():
        for one in made:
            one.close()

    yield make
    io_loop.run_sync(close)


@pytest.fixture
def media(simulator, keeper, download):
    """What asks the simulator."""
    return Media(Client(download(simulator.base_url), keeper))


@pytest.fixture
def odd_media(platform, keeper, download):
    """What asks a platform that answers as it is told."""
    return Media(Client(download(platform.base), keeper))


@pytest.mark.gen_test
async def test_a_picture_is_fetched_by_its_id(simulator, media, keeper):
    medium = simulator.world.add_medium("image", jpeg(), "image/jpeg")
    assert await media.picture(medium.id) == ("jpeg", jpeg())
    assert simulator.calls[PATH] == 1


@pytest.mark.gen_test
async def test_the_id_travels_in_the_query_beside_the_token(platform, odd_media, keeper):
    platform.reply = png()
    await odd_media.picture("a-b_c&d=1")
    [request] = platform.requests
    assert (request.method, request.path) == ("GET", PATH)
    assert request.arguments == {
        "media_id": [b"a-b_c&d=1"],
        "access_token": [(await keeper.get()).encode()],
    }


@pytest.mark.parametrize("body", [jpeg(), png(), gif()], ids=["jpeg", "png", "gif"])
@pytest.mark.parametrize("content_type", ["image/jpeg", "text/html", "application/json", "x/y"])
@pytest.mark.gen_test
async def test_the_kind_is_told_by_the_bytes_whatever_the_header_says(
    platform, odd_media, body, content_type
):
    platform.reply, platform.content_type = body, content_type
    kind, came = await odd_media.picture("m")
    assert came == body
    assert kind == {jpeg(): "jpeg", png(): "png", gif(): "gif"}[body]


@pytest.mark.parametrize("body", NONE.values(), ids=NONE)
@pytest.mark.gen_test
async def test_what_calls_itself_a_picture_and_is_none_is_told_apart(platform, odd_media, body):
    platform.reply, platform.content_type = body, "image/jpeg"
    with pytest.raises(NoPicture):
        await odd_media.picture("m")
    assert len(platform.requests) == 1


@pytest.mark.gen_test
async def test_one_that_is_also_a_script_is_called_by_its_first_bytes(platform, odd_media):
    platform.reply, platform.content_type = POLYGLOT, "text/html"
    assert await odd_media.picture("m") == ("gif", POLYGLOT)


@pytest.mark.parametrize("errcode", [40007, 48001, -1, 45009])
@pytest.mark.parametrize("content_type", ["text/plain", "image/jpeg"])
@pytest.mark.gen_test
async def test_an_error_in_the_clothes_of_a_picture_is_an_error(
    platform, odd_media, errcode, content_type
):
    platform.content_type = content_type
    platform.reply = b' \r\n{"errcode":%d,"errmsg":"no rid: 1"}' % errcode
    with pytest.raises(PlatformError) as caught:
        await odd_media.picture("m")
    assert (caught.value.errcode, caught.value.path) == (errcode, PATH)


@pytest.mark.gen_test
async def test_a_film_is_no_picture(simulator, media):
    medium = simulator.world.add_medium("video", b"film", "video/mp4")
    with pytest.raises(NoPicture):
        await media.picture(medium.id)


@pytest.mark.gen_test
async def test_what_the_platform_forgot_is_told_by_its_number(simulator, media, clock):
    medium = simulator.world.add_medium("image", jpeg(), "image/jpeg")
    clock.advance(3 * 86400 + 1)
    with pytest.raises(PlatformError) as caught:
        await media.picture(medium.id)
    assert (caught.value.errcode, caught.value.remedy) == (40007, Remedy.REFUSE)


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
@pytest.mark.gen_test
async def test_a_dead_access_token_is_replaced_once(simulator, media, keeper, clock, errcode):
    medium = simulator.world.add_medium("image", png(), "image/png")
    first = await keeper.get()
    clock.advance(10)
    simulator.faults.kill_access_tokens(errcode)
    assert await media.picture(medium.id) == ("png", png())
    assert simulator.calls[PATH] == 2
    assert await keeper.get() != first
    simulator.faults.answer(PATH, errcode=errcode, times=None)
    clock.advance(10)
    with pytest.raises(PlatformError) as caught:
        await media.picture(medium.id)
    assert caught.value.errcode == errcode
    assert simulator.calls[PATH] == 4, "and never more than once"


@pytest.mark.parametrize("status", [500, 502, 404, 206, 302])
@pytest.mark.gen_test
async def test_another_status_is_no_answer_even_with_a_picture_in_it(platform, odd_media, status):
    platform.status, platform.reply = status, png()
    with pytest.raises(PlatformError) as caught:
        await odd_media.picture("m")
    assert (caught.value.remedy, caught.value.errmsg) == (Remedy.RETRY, f"HTTP {status}")


@pytest.mark.gen_test(timeout=30)
async def test_ten_megabytes_are_taken_and_one_byte_more_is_not(platform, odd_media):
    whole = png(padding=LARGEST - len(png()))
    assert len(whole) == LARGEST
    platform.reply = whole
    assert await odd_media.picture("m") == ("png", whole)
    platform.reply = png(padding=LARGEST - len(png()) + 1)
    with pytest.raises(PlatformError) as caught:
        await odd_media.picture("m")
    assert (caught.value.remedy, caught.value.errcode) == (Remedy.RETRY, None)


@pytest.mark.gen_test(timeout=30)
async def test_what_never_ends_is_cut_off_at_ten_megabytes(platform, odd_media):
    sent = 0

    async def reply(handler):
        nonlocal sent
        handler.write(png()[:-12])
        while sent < 20 * LARGEST:
            handler.write(b"x" * 65536)
            await handler.flush()
            sent += 65536

    platform.reply = reply
    with pytest.raises(PlatformError) as caught:
        await odd_media.picture("m")
    assert caught.value.errcode is None
    # What is on its way in the sockets' buffers comes on top of it.
    assert sent < 3 * LARGEST


@pytest.mark.parametrize("told", [10, 10**12])
@pytest.mark.gen_test(timeout=30)
async def test_a_length_that_lies_is_not_believed(platform, odd_media, told, caplog):
    """More than was told does not come through, and what was told and does not come is missed."""
    whole = png(padding=100_000)

    async def reply(handler):
        stream = handler.detach()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {told}\r\n\r\n"
        await stream.write(head.encode() + whole)
        stream.close()

    platform.reply = reply
    with pytest.raises((PlatformError, NoPicture)):
        await odd_media.picture("m")


@pytest.mark.gen_test(timeout=30)
async def test_a_sender_who_drips_is_given_up_after_a_while(
    platform, keeper, download, monkeypatch
):
    monkeypatch.setattr(transport_module, "REQUEST_SECONDS", 0.2)
    slow = Media(Client(download(platform.base, patience=0.2), keeper))

    async def reply(handler):
        while True:
            handler.write(b"\x89")
            await handler.flush()
            await asyncio.sleep(0.02)

    platform.reply = reply
    async with asyncio.timeout(5):
        with pytest.raises(PlatformError) as caught:
            await slow.picture("m")
    assert caught.value.remedy is Remedy.RETRY


@pytest.mark.gen_test
async def test_half_a_picture_is_none(simulator, media):
    medium = simulator.world.add_medium("image", jpeg(), "image/jpeg")
    simulator.faults.truncate(PATH)
    with pytest.raises(NoPicture):
        await media.picture(medium.id)
    assert (await media.picture(medium.id))[0] == "jpeg"


@pytest.mark.gen_test
async def test_no_id_and_no_token_stands_in_an_error_or_a_log_line(platform, odd_media, caplog):
    caplog.set_level(logging.INFO)
    platform.status = 500
    with pytest.raises(PlatformError) as caught:
        await odd_media.picture("pl4nted-media-id")
    told = f"{caught.value!r} {caplog.text}"
    assert "pl4nted" not in told and "access_token=" not in told
