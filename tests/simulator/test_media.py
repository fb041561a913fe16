"""Temporary media."""

import json

import pytest
from tornado import httputil
from tornado.httpclient import HTTPError

from wx.simulator import media, samples
from wx.simulator.api import Failure

GET, UPLOAD = "/cgi-bin/media/get", "/cgi-bin/media/upload"
LAKE = "/static/simulator/picture-lake.svg"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
JPEG = b"\xff\xd8\xff\xe0" + bytes(20)


@pytest.fixture(params=["reads forms", "reads none"])
def process(request, monkeypatch):
    """A process alone, and one that holds a server as well, which forbids Tornado such bodies."""
    multipart = httputil.ParseMultipartConfig(enabled=request.param == "reads forms")
    config = httputil.ParseBodyConfig(multipart=multipart)
    monkeypatch.setattr(httputil, "_DEFAULT_PARSE_BODY_CONFIG", config)


async def raw(client, media_id, token=None):
    token = token or await client.access_token()
    return await client.fetch(f"{GET}?access_token={token}&media_id={media_id}")


async def upload(client, kind, body, *, part="media", name="x.jpg"):
    head = f'--edge\r\nContent-Disposition: form-data; name="{part}"; filename="{name}"\r\n\r\n'
    form = head.encode() + body + b"\r\n--edge--\r\n"
    path = f"{UPLOAD}?access_token={await client.access_token()}&type={kind}"
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    return json.loads((await client.fetch(path, form, headers=headers)).body)


@pytest.mark.gen_test
async def test_a_picture_from_the_chat_is_real_bytes_under_its_media_id(simulator, client):
    pushed = []
    simulator.world.listeners.append(lambda person, fields: pushed.append(fields))
    await simulator.phone("wang").send("image", picture=LAKE)
    media_id = pushed[0]["MediaId"]
    answer = await raw(client, media_id)
    assert answer.code == 200 and answer.body == samples.jpeg("lake")
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{media_id}.jpg"'
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert simulator.log[-1] == (GET, 0)


@pytest.mark.gen_test
async def test_voices_are_bytes_and_videos_are_an_address(simulator, client):
    phone = simulator.phone("wang")
    await phone.send("voice", media_id="voice1")
    await phone.send("video", media_id="video1", thumb_media_id="thumb1", picture=LAKE)
    answer = await raw(client, "voice1")
    assert answer.headers["Content-Type"] == "audio/amr" and answer.body.startswith(b"#!AMR")
    answer = await raw(client, "video1")
    assert json.loads(answer.body)["video_url"].startswith(simulator.base_url)
    assert (await raw(client, "thumb1")).body == samples.jpeg("lake")


@pytest.mark.gen_test
async def test_media_die_after_three_days(simulator, client, clock):
    simulator.world.add_medium("image", PNG, "image/png", media_id="m")
    clock.advance(3 * 86400 - 1)
    answer = await raw(client, "m")
    assert (answer.body, answer.headers["Content-Type"]) == (PNG, "image/png")
    clock.advance(1)
    answer = await raw(client, "m")
    assert answer.code == 200 and answer.headers["Content-Type"] == "text/plain"
    assert json.loads(answer.body)["errcode"] == 40007


@pytest.mark.gen_test
async def test_what_cannot_be_fetched_is_told_as_json(simulator, client):
    simulator.world.add_medium("image", PNG, "image/png", media_id="m")
    token = await client.access_token()
    assert (await client.get(GET, access_token=token, media_id="x"))["errcode"] == 40007
    assert (await client.get(GET, access_token=token))["errcode"] == 41006
    assert (await client.get(GET, media_id="m"))["errcode"] == 41001
    assert (await client.get(GET, access_token="x", media_id="m"))["errcode"] == 40014
    simulator.world.quotas[GET] = simulator.calls[GET]
    assert (await client.get(GET, access_token=token, media_id="m"))["errcode"] == 45009


@pytest.mark.gen_test
async def test_it_can_be_made_to_lie(simulator, client):
    simulator.world.add_medium("image", PNG, "image/png", media_id="m")
    faults = simulator.faults
    faults.answer(GET, body=b"<html>\x00\xff", content_type="image/png", status=206)
    answer = await raw(client, "m")
    assert (answer.code, answer.body) == (206, b"<html>\x00\xff")
    assert answer.headers["Content-Type"] == "image/png"
    faults.answer(GET, body=json.dumps({"errcode": 40001}), content_type="image/jpeg")
    answer = await raw(client, "m")
    assert answer.headers["Content-Type"] == "image/jpeg" and b"40001" in answer.body
    faults.truncate(GET)
    assert (await raw(client, "m")).body == PNG[: len(PNG) // 2]
    faults.lose_reply(GET)
    assert json.loads((await raw(client, "m")).body)["errcode"] == -1
    faults.cut_reply(GET)
    with pytest.raises(HTTPError):
        await raw(client, "m")
    assert (await raw(client, "m")).body == PNG


@pytest.mark.parametrize(
    ("kind", "body", "content_type"),
    [
        ("image", PNG, "image/png"),
        ("image", JPEG, "image/jpeg"),
        ("image", b"GIF89a" + bytes(9), "image/gif"),
        ("thumb", JPEG, "image/jpeg"),
        ("voice", b"#!AMR\n" + bytes(9), "audio/amr"),
        ("voice", b"\xff\xfb" + bytes(9), "audio/mpeg"),
    ],
)
@pytest.mark.gen_test
async def test_what_is_uploaded_can_be_fetched(client, clock, process, kind, body, content_type):
    told = await upload(client, kind, body)
    name = "thumb_media_id" if kind == "thumb" else "media_id"
    assert set(told) == {"type", name, "created_at"}
    assert (told["type"], told["created_at"]) == (kind, int(clock.now()))
    answer = await raw(client, told[name])
    assert (answer.body, answer.headers["Content-Type"]) == (body, content_type)


@pytest.mark.parametrize(
    ("kind", "body", "errcode"),
    [
        ("sticker", JPEG, 40004),
        ("", JPEG, 40004),
        ("image", b"", 44001),
        ("image", b"<svg>", 40005),
        ("thumb", PNG, 40005),
        ("video", JPEG, 40005),
        ("voice", JPEG, 40005),
        ("image", JPEG + bytes(10 << 20), 40009),
        ("voice", b"#!AMR" + bytes(2 << 20), 40010),
        ("video", bytes((10 << 20) + 1), 40011),
        ("thumb", JPEG + bytes(64 << 10), 40012),
    ],
)
@pytest.mark.gen_test
async def test_what_is_not_taken(simulator, client, kind, body, errcode):
    assert (await upload(client, kind, body))["errcode"] == errcode
    assert not simulator.world.media


@pytest.mark.gen_test
async def test_an_upload_is_a_post_with_a_part_of_the_right_name(client, process):
    path = f"{UPLOAD}?access_token={await client.access_token()}&type=image"
    for kind in ("multipart/form-data; boundary=edge", "multipart/form-data", "image/jpeg", ""):
        answer = await client.fetch(path, JPEG, headers={"Content-Type": kind})
        assert json.loads(answer.body)["errcode"] == 41005
    assert (await upload(client, "image", JPEG, part="file"))["errcode"] == 41005
    token = await client.access_token()
    assert (await client.get(UPLOAD, access_token=token, type="image"))["errcode"] == 43002
    assert (await client.post(GET, {}, access_token=token))["errcode"] == 43001


def test_a_file_is_known_by_its_beginning():
    assert media.content_type_of("video", b"\x00\x00\x00\x18ftypmp42") == "video/mp4"
    with pytest.raises(Failure):
        media.content_type_of("video", b"ftyp")
