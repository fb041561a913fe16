"""The webhook as the platform, or somebody else, meets it: over HTTP."""

import asyncio
import logging
import re
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.conftest import Ear
from tests.protocol import test_incoming
from tests.vectors import golden, hostile_xml
from tests.world import WEBHOOK_AES_KEY, WEBHOOK_TOKEN, Post, World
from wx.app import BODY_BYTES
from wx.protocol import incoming, signature, xml
from wx.service.gate import SEEN_SECONDS
from wx.simulator.webhook import WebhookRefused

MODES = ["plain", "compatible", "safe"]
REFUSAL = re.compile(
    r"wx\.web\.webhook: webhook: refused from 127\.0\.0\.0/24: "
    r"[A-Za-z0-9_/ ,:;.?'()令牌消息加解密方式-]{1,110}"
)
LIMIT = 131072


@pytest.fixture(autouse=True)
def hears_everything(ear: Ear) -> Iterator[None]:
    """Refusals are at WARNING, and the line of each answer is at DEBUG."""
    logging.getLogger("wx.web").setLevel(logging.DEBUG)
    yield
    logging.getLogger("wx.web").setLevel(logging.NOTSET)


def rows(world: World) -> int:
    return world.rows("SELECT count(*) AS n FROM inbox")[0]["n"]


def refusals(ear: Ear) -> list[str]:
    return [line for line in ear.lines if "webhook: refused" in line]


def question(world: World, **changes: str | None) -> str:
    """The console's question, with these parameters changed or left out."""
    stamp = str(int(world.clock.now()))
    asked: dict[str, str | None] = {
        "signature": signature.sign(WEBHOOK_TOKEN, stamp, "n0nce"),
        "timestamp": stamp,
        "nonce": "n0nce",
        "echostr": "4375120948345356249",
    }
    kept = {name: value for name, value in (asked | changes).items() if value is not None}
    return f"/wechat?{urlencode(kept)}"


# The console's check


@pytest.mark.gen_test(timeout=20)
async def test_the_console_can_set_the_webhook_up_in_every_mode(world: World, ear: Ear) -> None:
    for mode in MODES:
        await world.open_webhook(mode)
        assert world.simulator.webhook is not None and world.simulator.webhook.mode == mode
    assert sum("verified by WeChat's console" in line for line in ear.lines) == 3
    with pytest.raises(WebhookRefused, match="403"):
        await world.simulator.set_webhook(f"{world.base}/wechat", token="OtherToken")
    assert any("is webhook_token the console's Token" in line for line in refusals(ear))


@pytest.mark.gen_test(timeout=20)
async def test_the_question_s_word_comes_back_alone(world: World) -> None:
    await world.open_webhook()
    for word in ("4375120948345356249", "a<b>&c", "x" * 512, "100%"):
        answer = await world.look(question(world, echostr=word))
        assert (answer.code, answer.body) == (200, word.encode())
        assert answer.headers["Content-Type"] == "text/plain"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in answer.headers and "Server" not in answer.headers
        world.clock.advance(1)
    old = await world.look(question(world))
    world.clock.advance(86400)
    assert old.code == 200, "however old it is"


@pytest.mark.gen_test(timeout=20)
async def test_a_question_that_is_wrong_missing_doubled_or_odd_gets_no_word(
    world: World, ear: Ear
) -> None:
    await world.open_webhook()
    right = question(world)
    stamp = str(int(world.clock.now()))
    asked: list[tuple[int, str]] = [
        (403, question(world, signature=signature.sign("Other", stamp, "n0nce"))),
        (403, question(world, nonce="other")),
        (403, question(world, timestamp="1800000001")),
        (400, question(world, echostr="a\nb")),
        (400, question(world, echostr="x" * 513)),
        (400, question(world, echostr="é")),
        (400, question(world, signature="A" * 40)),
        (400, "/wechat"),
        *((400, question(world, **{name: None})) for name in NAMES),
        *((400, question(world, **{name: ""})) for name in NAMES),
        *((400, f"{right}&{name}=1") for name in NAMES),
        *((400, f"{right}&{name}=") for name in NAMES),
    ]
    for status, path in asked:
        answer = await world.look(path)
        assert (answer.code, answer.body) == (status, b"%d\n" % status), path
    assert len(refusals(ear)) == len(asked)
    assert all(REFUSAL.fullmatch(line) for line in refusals(ear))


NAMES = ("signature", "timestamp", "nonce", "echostr")


@pytest.mark.gen_test(timeout=20)
async def test_without_a_token_nothing_is_there(world: World) -> None:
    assert (await world.look(question(world))).code == 404
    sent = await world.send(world.post(world.text(), token=""))
    assert (sent.code, sent.body) == (404, b"404\n")


# What others have signed and sealed


@pytest.mark.gen_test(timeout=30)
async def test_every_published_vector_is_understood_at_its_time(world: World) -> None:
    seals = {(one.app_id, one.token, one.aes_key) for one in golden.ENVELOPES}
    for app_id, token, aes_key in sorted(seals):
        await world.reconfigure(
            app_id=app_id, webhook_token=token, webhook_aes_key=aes_key, bind_route="oauth"
        )
        for vector in golden.ENVELOPES:
            if vector.aes_key != aes_key:
                continue
            world.clock.advance(float(vector.timestamp) - world.clock.now())
            query = {
                "timestamp": vector.timestamp,
                "nonce": vector.nonce,
                "msg_signature": vector.signature,
                "encrypt_type": "aes",
            }
            body = xml.write({"ToUserName": "gh_97417a04a28d", "Encrypt": vector.encrypted})
            answer = await world.send(Post(query, body))
            if vector.message.startswith(b"<xml>"):
                assert answer.code == 200
                sealed = xml.read(answer.body)
                envelope = world.server.services.inbox._gate.envelope
                assert envelope is not None
                reply = xml.read(envelope.open(str(sealed["Encrypt"])))
                told = xml.read(vector.message)
                assert reply["ToUserName"] == told["FromUserName"]
                assert reply["Content"] == "hello"
            else:  # opened, and is no XML
                assert answer.code == 400, vector.name
            changed = vector.encrypted[1:] + vector.encrypted[:1]
            body = xml.write({"ToUserName": "gh_97417a04a28d", "Encrypt": changed})
            assert (await world.send(Post(query, body))).code == 403, vector.name
    await world.reconfigure(webhook_token=golden.SIGNATURES[0].token, bind_route="oauth")
    for one in golden.SIGNATURES:
        query = {"signature": one.signature, "timestamp": one.timestamp, "nonce": one.nonce}
        world.clock.advance(float(one.timestamp) - world.clock.now())
        assert (await world.send(Post(query, world.text()))).code == 200
        other = {**query, "echostr": "4375120948345356249"}
        assert (await world.send(Post(other, world.text()))).code == 403, "it has been used"
        world.clock.advance(SEEN_SECONDS + 1)
        await world.restart_server()
        asked = await world.look(f"/wechat?{urlencode(other)}")
        assert (asked.code, asked.body) == (200, b"4375120948345356249")


# What is let in, and what is not


@pytest.mark.gen_test(timeout=30)
@pytest.mark.parametrize("mode", MODES)
async def test_only_what_the_platform_signs_now_for_us_is_let_in(
    world: World, ear: Ear, mode: str
) -> None:
    await world.open_webhook(mode)
    now = world.clock.now()
    name = "signature" if mode == "plain" else "msg_signature"

    def changed(post: Post, **query: str) -> Post:
        return Post(post.query | query, post.body)

    other = "AnotherKey234567890abcdefghijklmnopqrstuvwX"
    attempts: dict[str, tuple[int, Post]] = {
        "right": (200, world.post(world.text())),
        "599 s old": (200, world.post(world.text(), timestamp=now - 599)),
        "601 s old": (403, world.post(world.text(), timestamp=now - 601)),
        "599 s ahead": (200, world.post(world.text(), timestamp=now + 599)),
        "601 s ahead": (403, world.post(world.text(), timestamp=now + 601)),
        "a day old": (403, world.post(world.text(), timestamp=now - 86400)),
        "another token": (403, world.post(world.text(), token="OtherToken")),
        "no signature": (400, changed(world.post(world.text()), **{name: ""})),
        "a made-up signature": (403, changed(world.post(world.text()), **{name: "0" * 40})),
        "another nonce": (403, changed(world.post(world.text()), nonce="other")),
        "another time": (403, changed(world.post(world.text()), timestamp=str(int(now) + 1))),
        "a nonce of 32": (200, world.post(world.text(), nonce="x" * 32)),
        "a nonce of 33": (400, world.post(world.text(), nonce="x" * 33)),
        "an odd nonce": (400, world.post(world.text(), nonce="a.b")),
        "no message": (400, world.post(b"<xml><a>1</a></xml>")),
    }
    if mode != "plain":
        for what, post in {
            "another key": world.post(world.text(), aes_key=other),
            "another app id": world.post(world.text(), app_id="wxother"),
            "the other signature": changed(
                sent := world.post(world.text()), msg_signature=sent.query["signature"]
            ),
        }.items():
            attempts[what] = (403, post)
        plain = world.post(world.text(), mode="plain")
        attempts["plain"] = (400, plain)
        attempts["plain, raw"] = (400, changed(plain, encrypt_type="raw"))
        attempts["plain, its signature as the other"] = (
            400, changed(plain, msg_signature=plain.query["signature"], encrypt_type="aes"),
        )  # fmt: skip
        sealed = world.post(world.text())
        bare = {key: value for key, value in sealed.query.items() if key == "openid"}
        attempts["sealed, not signed"] = (400, Post(bare, sealed.body))
        attempts["sealed, said to be raw"] = (200, changed(sealed, encrypt_type="raw"))
    if mode == "safe":
        attempts["compatible"] = (400, world.post(world.text(), mode="compatible"))
    let_in = 0
    for what, (status, post) in attempts.items():
        answer = await world.send(post)
        assert answer.code == status, what
        if status != 200:
            assert answer.body == b"%d\n" % status, what
        let_in += status == 200
    assert rows(world) == let_in
    assert len(refusals(ear)) == len(attempts) - let_in
    assert all(REFUSAL.fullmatch(line) for line in refusals(ear))
    assert not any(record.startswith("ERROR") for record in ear.lines)


@pytest.mark.gen_test(timeout=20)
async def test_in_plain_mode_a_sealed_message_is_none(world: World) -> None:
    await world.open_webhook()
    sealed = world.post(world.text(), mode="safe")
    assert (await world.send(sealed)).code == 400
    assert rows(world) == 0


@pytest.mark.gen_test(timeout=20)
async def test_a_message_for_another_account_is_refused_where_ours_is_configured(
    world: World,
) -> None:
    await world.open_webhook("safe", original_id=world.simulator.world.account_id)
    assert (await world.send(world.text())).code == 200
    assert (await world.send(world.text(ToUserName="gh_other"))).code == 403
    assert rows(world) == 1


# A signature that is used again


@pytest.mark.gen_test(timeout=20)
async def test_a_used_signature_with_another_body_is_refused_and_told_as_an_error(
    world: World, ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    await world.open_webhook()
    first = world.post(world.text("first"))
    answer = await world.send(first)
    assert answer.code == 200
    for _ in range(2):
        caplog.clear()
        forged = await world.send(Post(first.query, world.text("forged")))
        assert (forged.code, forged.body) == (403, b"403\n")
        errors = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
        assert errors == [
            "webhook: refused from 127.0.0.0/24: a used signature came with another body"
        ]
        again = await world.send(first)
        assert (again.code, again.body) == (200, answer.body)
        await world.restart_server()
    assert rows(world) == 1


@pytest.mark.gen_test(timeout=20)
async def test_in_safe_mode_a_used_signature_with_more_around_it_is_refused_too(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.open_webhook("safe")
    first = world.post(world.text("first"))
    answer = await world.send(first)
    more = Post(first.query, first.body + b"\n")
    assert (await world.send(more)).code == 403
    assert logging.ERROR in {one.levelno for one in caplog.records}
    await world.restart_server()
    again = await world.send(more)  # the signature covers what is sealed: no more than a repeat
    assert world.opened(again.body) == world.opened(answer.body)
    assert rows(world) == 1


@pytest.mark.gen_test(timeout=20)
async def test_the_signature_of_the_console_s_question_lets_in_no_message(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.open_webhook()
    asked = world.post(world.text(), nonce="n0nce")
    assert (await world.look(question(world))).code == 200
    assert (await world.send(asked)).code == 403
    assert any(one.levelno == logging.ERROR for one in caplog.records)
    used = world.post(world.text(), nonce="other")
    assert (await world.send(used)).code == 200
    again = await world.look(f"/wechat?{urlencode(used.query | {'echostr': 'x'})}")
    assert (again.code, again.body) == (403, b"403\n")
    assert rows(world) == 1


# Bodies of every size


def padded(world: World, size: int) -> bytes:
    whole = world.text("@")
    return whole.replace(b"@", b"x" * (size - len(whole) + 1))


def chunked(world: World, post: Post, *, size: int = 1000) -> bytes:
    """A request whose body comes in pieces."""
    body = b"".join(
        b"%x\r\n%s\r\n" % (len(piece), piece)
        for start in range(0, len(post.body), size)
        if (piece := post.body[start : start + size])
    )
    return head(world, post, "Transfer-Encoding: chunked") + body + b"0\r\n\r\n"


def head(world: World, post: Post, *headers: str) -> bytes:
    host = world.base.removeprefix("http://")
    lines = [f"POST {post.path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.mark.gen_test(timeout=20)
async def test_a_body_of_128_kib_is_taken_and_one_byte_more_is_not(world: World, ear: Ear) -> None:
    await world.open_webhook(rules="replies = []\n")
    fits, longer = (world.post(padded(world, LIMIT + more)) for more in (0, 1))
    assert (len(fits.body), len(longer.body)) == (LIMIT, LIMIT + 1)
    assert (await world.send(fits)).body == b"success"
    answer = await world.send(longer)
    assert (answer.code, answer.body) == (400, b"400\n")
    assert "the body is too large" in refusals(ear)[-1]
    assert rows(world) == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_body_in_pieces_is_counted_like_any_other(world: World) -> None:
    await world.open_webhook(rules="replies = []\n")
    fits, longer, far = (world.post(padded(world, size)) for size in (LIMIT, LIMIT + 1, 3 * LIMIT))
    assert await world.raw(chunked(world, fits)) == (200, b"success")
    assert await world.raw(chunked(world, longer)) == (400, b"400\n")
    status, body = await world.raw(chunked(world, far))
    assert status in (0, 400, 413) and len(body) <= 64
    small = world.post(world.text())
    assert await world.raw(chunked(world, small, size=1)) == (200, b"success")
    assert rows(world) == 2


@pytest.mark.gen_test(timeout=20)
async def test_a_body_far_beyond_the_limit_is_not_even_read(world: World) -> None:
    await world.open_webhook()
    post = world.post(world.text())
    for size in (BODY_BYTES + 1, 100 * LIMIT, 10**15, 10**30):
        length = f"Content-Length: {size}"
        status, body = await world.raw(head(world, post, length) + post.body)
        assert status in (0, 400, 413) and len(body) <= 64, size
    for length in ("-1", "1e3", "0x10", "١", ""):
        status, body = await world.raw(head(world, post, f"Content-Length: {length}") + post.body)
        assert status in (0, 400) and len(body) <= 64, length
    assert rows(world) == 0
    assert (await world.send(post)).code == 200


@pytest.mark.gen_test(timeout=20)
async def test_what_is_said_about_the_body_changes_nothing(world: World) -> None:
    await world.open_webhook(rules="replies = []\n")
    for kind in ("text/xml", "application/json", "text/plain", "", "text/xml; charset=gbk"):
        assert (await world.send(world.text(), headers={"Content-Type": kind})).code == 200, kind
    refused = 0
    for kind in (
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
    ):
        answer = await world.send(world.text(), headers={"Content-Type": kind})
        assert answer.code in (200, 400) and len(answer.body) <= 64, kind
        refused += answer.code != 200
    gzipped = await world.send(world.text(), headers={"Content-Encoding": "gzip"})
    assert gzipped.code in (200, 400)
    assert rows(world) == 8 - refused + (gzipped.code == 200)


# Hostile bodies


def bodies(world: World, site: str) -> list[hostile_xml.Case]:
    """Every hostile body there is, each with what must become of it."""
    made = list(
        hostile_xml.cases(
            account=world.simulator.world.account_id,
            sender="oHostileCanary00000000000000",
            now=int(world.clock.now()),
            site=site,
        )
    )
    # XML cannot say all that the table of fields does; what it says then is judged by itself.
    for number, (fields, name) in enumerate(test_incoming.BAD):
        header = test_incoming.HEADER | {"MsgId": str(8_000_000_000_000_000_000 + number)}
        whole = {key: value for key, value in {**header, **fields}.items() if value is not None}
        body = xml.write(whole)
        try:
            incoming.read(xml.read(body))
        except (xml.BadXML, incoming.BadMessage):
            made.append(hostile_xml.Case(f"{number} {name}", body, hostile_xml.NOT_A_MESSAGE))
    return made


@pytest.mark.gen_test(timeout=90)
@pytest.mark.parametrize("mode", ["plain", "safe"])
async def test_no_hostile_body_does_anything(world: World, ear: Ear, mode: str) -> None:
    reached: list[object] = []
    there = await asyncio.start_server(lambda *ends: reached.append(ends), "127.0.0.1", 0)
    site = f"http://127.0.0.1:{there.sockets[0].getsockname()[1]}"
    await world.open_webhook(mode)
    cases = bodies(world, site)
    assert len({case.body for case in cases}) > 500
    accepted = 0
    ear.lines.clear()
    for case in cases:
        before = len(ear.lines)
        post = world.post(case.body)
        answer = await world.send(post)
        right = case.expectation == hostile_xml.ACCEPTED and len(post.body) <= LIMIT
        if right:
            assert answer.code == 200, case.name
            echo = world.opened(answer.body).get("Content", "")
            assert echo == case.content or len(case.content.encode()) > 2000, case.name
        else:
            assert (answer.code, answer.body) == (400, b"400\n"), case.name
            (refusal,) = (line for line in ear.lines[before:] if "refused" in line)
            assert REFUSAL.fullmatch(refusal), case.name
        assert len(ear.lines) - before == (1 if right else 2), ear.lines[before:]
        accepted += right
    assert rows(world) == accepted
    assert not ear.leaks({"oHostileCanary", "passwd", "ENTITY", site})
    spent = [int(found[1]) for line in ear.lines if (found := re.search(r" (\d+)ms", line))]
    assert len(spent) == len(cases)
    spent.sort()
    print(f"{mode}: median {spent[len(spent) // 2]} ms, worst {spent[-5:]} ms")
    assert spent[len(spent) // 2] < 50 and spent[len(spent) * 95 // 100] < 250
    there.close()
    assert reached == []


@pytest.mark.gen_test(timeout=30)
async def test_around_a_sealed_message_no_hostile_body_does_anything_either(world: World) -> None:
    await world.open_webhook("safe")
    post = world.post(world.text())
    sealed = str(xml.read(post.body)["Encrypt"])
    for case in hostile_xml.cases():
        if case.expectation == hostile_xml.REFUSED:
            body = case.body.replace(b"<Content>", b"<Encrypt>").replace(
                b"</Content>", b"</Encrypt>"
            )
            answer = await world.send(Post(post.query, body))
            assert (answer.code, answer.body) == (400, b"400\n"), case.name
    entity = f"<!DOCTYPE xml [<!ENTITY e '{sealed}'>]><xml><Encrypt>&e;</Encrypt></xml>"
    twice = f"<xml><Encrypt>{sealed}</Encrypt><Encrypt>{sealed}</Encrypt></xml>"
    inside = f"<xml><Encrypt><a>{sealed}</a></Encrypt></xml>"
    deeper = f"<xml><a><Encrypt>{sealed}</Encrypt></a></xml>"
    other = f"<xml><encrypt>{sealed}</encrypt></xml>"
    for body in (entity, twice, inside, deeper, other):
        assert (await world.send(Post(post.query, body.encode()))).code == 400, body
    for body in (f"<xml><Encrypt>{sealed}\n</Encrypt></xml>", f"<xml><Encrypt> {sealed}</Encrypt>"):
        assert (await world.send(Post(post.query, body.encode()))).code in (400, 403), body
    assert rows(world) == 0
    assert (await world.send(post)).code == 200


# Hostile query strings


def queries(world: World) -> dict[str, bytes]:
    """Query strings that are each wrong in one way, by what is wrong."""
    given = world.post(world.text()).query
    right = urlencode(given).encode()
    s, t, n = (given[name].encode() for name in ("signature", "timestamp", "nonce"))
    fresh = {name: urlencode({**given, name: ""}).encode() for name in given}
    odd: dict[str, list[bytes]] = {
        "signature": [
            *(b"0" * 39, b"0" * 41, b"0" * 4000, s.upper(), s[:-1] + b"g", b"%00" * 40),
            *(b"%ff" * 40, b"%0a" + s, s + b"%0a", s + b"+", b"'%20or%201=1--", b"*", b"null"),
            *(s[:20] + b"%00" + s[20:], b"[]", b"%F0%9F%8C%BB", b"..%2f..%2fetc%2fpasswd"),
        ],
        "timestamp": [
            *(b"0", b"-1", b"NaN", b"inf", b"1e10", b"+180000000", b"0x6b49d200", b"9" * 4300),
            *(t + b".0", t + b"%00", b"%20" + t, t + b"%0d%0a", b"%EF%BC%91" * 10),
            *(b"%D9%A1" * 10, b"18_0000000", b"None", b"1800000000,1800000001"),
        ],
        "nonce": [
            *(b"x" * 33, b"x" * 9000, b"%3Cscript%3Ealert(1)%3C/script%3E", b"a%0d%0aX-A:%20b"),
            *(n + b"%00", b"%ff", b"%e4%bd%a0", b"{}", b"%25s", b"%7B%7B7*7%7D%7D", b"-", b"a+b"),
        ],
    }
    made = {
        f"{name} {number}": fresh[name].replace(name.encode() + b"=", name.encode() + b"=" + value)
        for name, values in odd.items()
        for number, value in enumerate(values)
    }
    for name in odd:
        value = given[name].encode()
        key = name.encode()
        made[f"{name} is missing"] = right.replace(key + b"=" + value, b"a=b")
        made[f"{name} is doubled"] = right + b"&" + key + b"=" + value
        made[f"{name} is doubled in front"] = key + b"=" + value + b"&" + right
        made[f"{name} is doubled, empty"] = right + b"&" + key + b"="
        made[f"{name} in a list"] = right.replace(key + b"=", key + b"%5B%5D=")
        made[f"{name} in capitals"] = right.replace(key, key.upper())
    made |= {
        "nothing": b"",
        "only marks": b"&&&===&?",
        "by semicolons": right.replace(b"&", b";"),
        "encoded twice": right.replace(b"=", b"%3D"),
        "a thousand others in place of them": b"&".join(b"a%d=1" % n for n in range(1000)),
        "not signed by us": right.replace(s, b"0" * 40),
        "behind a mark for a fragment": b"a=b%23" + right,
        "a NUL in front": b"%00" + right.replace(b"signature", b"%00signature"),
    }
    return made


@pytest.mark.gen_test(timeout=30)
async def test_no_hostile_query_string_does_anything(world: World, ear: Ear) -> None:
    await world.open_webhook()
    made = queries(world)
    assert len(made) >= 60
    ear.lines.clear()
    unread, began = 0, time.perf_counter()
    for name, query in made.items():
        body = world.text("a canary in the body")
        status, answer = await world.raw(
            b"POST /wechat?%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%s"
            % (query, world.base.removeprefix("http://").encode(), len(body), body)
        )
        assert status in (400, 403) and answer in (b"%d\n" % status, b""), name
        unread += not answer
    assert unread <= 1, "the one with too many parameters"
    assert (time.perf_counter() - began) / len(made) < 0.25
    assert rows(world) == 0
    assert len(refusals(ear)) == len(made) - unread
    assert all(REFUSAL.fullmatch(line) for line in refusals(ear))
    assert not ear.leaks({"canary", "script", "passwd", "or 1=1"})


@pytest.mark.gen_test(timeout=20)
async def test_others_in_the_query_do_no_harm_up_to_a_number(world: World) -> None:
    await world.open_webhook()
    for count, status in ((1, 200), (40, 200), (60, 400), (600, 400)):
        post = world.post(world.text())
        more = {f"utm_{number}": "x" for number in range(count)}
        assert (await world.send(Post(post.query | more, post.body))).code == status, count
    assert rows(world) == 2


@pytest.mark.gen_test(timeout=20)
async def test_bytes_that_are_no_request_do_nothing(world: World) -> None:
    await world.open_webhook()
    post = world.post(world.text())
    right = head(world, post, f"Content-Length: {len(post.body)}") + post.body
    for what, wrong in {
        "raw bytes in the address": right.replace(b"nonce=", b"nonce=\xff\xfe", 1),
        "a blank in the address": right.replace(b"nonce=", b"nonce= ", 1),
        "a NUL in the address": right.replace(b"nonce=", b"nonce=\0", 1),
        "a long address": right.replace(b"?", b"?a=" + b"x" * 20_000 + b"&", 1),
        "another host": right.replace(b"Host: ", b"Host: evil.", 1),
        "no host": re.sub(rb"Host: .*?\r\n", b"", right),
        "two lengths": right.replace(b"Content-Length", b"Content-Length: 1\r\nContent-Length", 1),
        "length and pieces": right.replace(
            b"Content-Length", b"Transfer-Encoding: chunked\r\nContent-Length", 1
        ),
        "two pieces of encodings": right.replace(
            b"Content-Length", b"Transfer-Encoding: gzip, chunked\r\nX", 1
        ),
        "another method": right.replace(b"POST", b"PUT", 1),
        "a made-up method": right.replace(b"POST", b"HACK", 1),
        "an old version": right.replace(b"HTTP/1.1", b"HTTP/0.9", 1),
    }.items():
        status, body = await world.raw(wrong)
        assert status in (0, 400, 403, 405, 421), what
        assert len(body) <= 64 and b"evil" not in body, what
    assert rows(world) == 0
    assert (await world.raw(right))[0] == 200


# How it answers


@pytest.mark.gen_test(timeout=20)
async def test_an_answer_is_xml_silence_is_a_word_and_neither_is_for_a_browser(
    world: World,
) -> None:
    await world.open_webhook()
    spoken = await world.send(world.text("hello"))
    assert spoken.headers["Content-Type"] == "text/xml"
    assert spoken.body.startswith(b"<xml>")
    silent = await world.send(world.event("VIEW", EventKey="https://example.com/"))
    assert (silent.code, silent.body) == (200, b"success")
    assert silent.headers["Content-Type"] == "text/plain"
    for answer in (spoken, silent, await world.look("/wechat")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        for name in ("Set-Cookie", "Server", "Content-Security-Policy", "Location"):
            assert name not in answer.headers


@pytest.mark.gen_test(timeout=20)
async def test_nothing_but_get_and_post_is_known(world: World) -> None:
    await world.open_webhook()
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "HACK"):
        host = world.base.removeprefix("http://")
        status, body = await world.raw(
            f"{method} /wechat HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        )
        assert (status, body) == (405, b"405\n")


@pytest.mark.gen_test(timeout=20)
async def test_a_head_is_refused_without_a_body_and_the_connection_goes_on(world: World) -> None:
    await world.open_webhook()
    host = f"Host: {world.base.removeprefix('http://')}\r\n"
    status, rest = await world.raw(
        f"HEAD /wechat HTTP/1.1\r\n{host}\r\n"
        f"GET /wechat HTTP/1.1\r\n{host}Connection: close\r\n\r\n".encode()
    )
    assert status == 405
    assert rest.startswith(b"HTTP/1.1 400 ") and rest.endswith(b"\r\n\r\n400\n")


@pytest.mark.gen_test(timeout=20)
async def test_requests_on_one_connection_are_answered_in_their_order(world: World) -> None:
    await world.open_webhook()
    host = world.base.removeprefix("http://")
    posts = [world.post(world.text(f"number {number}")) for number in range(5)]
    sent = b"".join(
        f"POST {post.path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(post.body)}\r\n"
        f"{'Connection: close' if post is posts[-1] else 'Expect: 100-continue'}\r\n\r\n".encode()
        + post.body
        for post in posts
    )
    _, answers = await world.raw(sent)
    assert re.findall(rb"number (\d)", answers) == [b"0", b"1", b"2", b"3", b"4"]
    assert answers.count(b"HTTP/1.1 100 ") + answers.count(b"HTTP/1.1 200 OK") >= 8


@pytest.mark.gen_test(timeout=20)
async def test_whoever_goes_away_has_their_message_acted_upon_all_the_same(
    world: World, ear: Ear
) -> None:
    await world.open_webhook()
    post = world.post(world.text())
    _, writer = await asyncio.open_connection("127.0.0.1", world.server.port)
    writer.write(head(world, post, f"Content-Length: {len(post.body)}") + post.body)
    await writer.drain()
    writer.close()
    again = await world.send(post)  # which waits behind the first
    assert again.code == 200 and rows(world) == 1
    assert world.server.services.inbox.kinds["text"] == 1
    half = head(world, post, f"Content-Length: {len(post.body)}") + post.body[:50]
    _, writer = await asyncio.open_connection("127.0.0.1", world.server.port)
    writer.write(half)
    await writer.drain()
    writer.close()
    assert (await world.send(world.text())).code == 200
    assert not [line for line in ear.lines if "failed" in line or "never retrieved" in line]


@pytest.mark.gen_test(timeout=20)
async def test_a_refusal_names_the_network_that_a_trusted_proxy_tells(
    world: World, ear: Ear
) -> None:
    await world.open_webhook(trusted_proxies="127.0.0.1")
    headers = {"X-Forwarded-For": "203.0.113.77"}
    assert (await world.send(world.post(b"x"), headers=headers)).code == 400
    assert "refused from 203.0.113.0/24: " in refusals(ear)[-1]
    assert world.server.site.requests["Webhook", 400] == 1, "counted for the graphs"


@pytest.mark.gen_test(timeout=20)
async def test_a_fault_of_ours_is_a_500_without_a_trace_and_the_message_comes_again(
    world: World, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.open_webhook()
    said = "a canary"
    post = world.post(world.text(said))

    def fail(*given: object, **more: object) -> None:
        raise RuntimeError(said)

    with monkeypatch.context() as patch:
        patch.setattr("wx.service.replies.Replies.answer", fail)
        answer = await world.send(post)
    assert (answer.code, answer.body) == (500, b"500\n")
    assert rows(world) == 0
    assert not ear.leaks({said})
    assert any("a message could not be acted upon" in line for line in ear.lines)
    assert (await world.send(post)).code == 200


@pytest.mark.gen_test(timeout=20)
async def test_no_cookie_and_no_token_is_asked_for_and_none_helps(world: World) -> None:
    await world.open_webhook()
    desktop = await world.signed_in()
    token = await desktop.xsrf("/bind")
    cookie = "; ".join(f"{name}={value}" for name, value in desktop.cookies.items())
    unsigned = Post({}, world.text())
    xsrf = {"Cookie": cookie, "X-XSRFToken": token}
    assert (await world.send(unsigned, headers=xsrf)).code == 400
    assert (await world.send(world.text())).code == 200
    assert rows(world) == 1


def test_the_secrets_of_the_webhook_are_planted() -> None:
    assert len(WEBHOOK_AES_KEY) == 43 and WEBHOOK_TOKEN.isalnum()
