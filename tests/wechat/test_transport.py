"""Calls over the network, and everything that can go wrong with them."""

import asyncio
import datetime
import ipaddress
import json
import logging
import socket
import ssl
import struct

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.wechat.conftest import Platform
from wx.errors import PlatformError, Remedy
from wx.wechat import transport as module
from wx.wechat.transport import BODY_LIMIT, Transport

SECRET = "pl4nted5ecret"
PARAMS = {"access_token": SECRET, "name": "a b&c=王"}


@pytest.fixture
def transport(platform, transports):
    return transports(platform.base)


async def trouble(transport, path="/cgi-bin/x", params=PARAMS):
    """The error of a call; it names the path, and no secret and no address."""
    with pytest.raises(PlatformError) as caught:
        await transport.get(path, params)
    error = caught.value
    assert error.path == path
    for told in (str(error), repr(error), str(error.__cause__)):
        assert SECRET not in told
        assert "access_token=" not in told
        assert "http://" not in told and "https://" not in told
    return error


def is_silence(error):
    """Whether an error says that there was no usable answer, and that another try may help."""
    return (error.remedy, error.errcode) == (Remedy.RETRY, None)


@pytest.mark.gen_test
async def test_a_get_carries_its_parameters_and_nothing_odd(platform, transport):
    assert await transport.get("/sns/x", PARAMS) == {"ok": 1}
    [request] = platform.requests
    assert (request.method, request.path, request.body) == ("GET", "/sns/x", b"")
    assert {name: values[0].decode() for name, values in request.arguments.items()} == PARAMS
    assert request.headers["User-Agent"] == "wxbind"
    await transport.get("/sns/x", {})
    assert platform.requests[1].uri == "/sns/x"


@pytest.mark.gen_test
async def test_a_post_carries_real_utf8(platform, transport):
    await transport.post("/x", {"access_token": "t"}, {"text": "王🌻é", "bad": "a\udcffb"})
    [request] = platform.requests
    assert (request.method, request.uri) == ("POST", "/x?access_token=t")
    assert "王🌻é".encode() in request.body and b"\\u" not in request.body
    assert json.loads(request.body) == {"text": "王🌻é", "bad": "a?b"}
    assert request.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("charset", ["text/plain", "text/plain; charset=iso-8859-1", "x/y"])
@pytest.mark.gen_test
async def test_an_answer_is_utf8_whatever_its_header_says(platform, transport, charset):
    platform.content_type = charset
    platform.reply = '{"nickname":"王小明🌻\x08é"}'.encode()
    assert await transport.get("/x", {}) == {"nickname": "王小明🌻\x08é"}


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a":', b"[1]", b"\xff\xfe"])
@pytest.mark.gen_test
async def test_what_is_no_json_object_is_no_answer(platform, transport, body):
    platform.reply = body
    assert is_silence(await trouble(transport))


@pytest.mark.gen_test
async def test_an_error_code_is_told_with_its_remedy(platform, transport):
    platform.reply = {"errcode": 42001, "errmsg": "access_token expired rid: 1"}
    error = await trouble(transport)
    assert (error.remedy, error.errcode) == (Remedy.NEW_ACCESS_TOKEN, 42001)


@pytest.mark.parametrize("status", [500, 502, 404, 201, 206, 599])
@pytest.mark.gen_test
async def test_another_status_is_no_answer_even_with_json_in_it(platform, transport, status):
    platform.status = status
    platform.reply = b'{"access_token":"forged"}'
    error = await trouble(transport)
    assert is_silence(error)
    assert error.errmsg == f"HTTP {status}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.gen_test
async def test_a_redirect_is_not_followed(platform, transport, status):
    async def reply(handler):
        handler.set_header("Location", "/elsewhere")

    platform.status, platform.reply = status, reply
    assert (await trouble(transport)).errmsg == f"HTTP {status}"
    with pytest.raises(PlatformError):
        await transport.post("/x", {}, {"secret": SECRET})
    assert len(platform.requests) == 2, "the body went nowhere else"


@pytest.mark.gen_test
async def test_an_answer_is_taken_up_to_a_mebibyte(platform, transport):
    platform.reply = b'{"a":"' + b"x" * (BODY_LIMIT - 8) + b'"}'
    assert len((await transport.get("/x", {}))["a"]) == BODY_LIMIT - 8
    platform.reply = b'{"a":"' + b"x" * (BODY_LIMIT - 7) + b'"}'
    error = await trouble(transport)
    assert is_silence(error)
    assert "max_body_size" in error.errmsg


@pytest.mark.gen_test
async def test_an_endless_answer_in_pieces_is_cut_off(platform, transport):
    sent = 0

    async def reply(handler):
        nonlocal sent
        while sent < 50 * BODY_LIMIT:
            handler.write(b"x" * 65536)
            await handler.flush()
            sent += 65536

    platform.reply = reply
    assert is_silence(await trouble(transport))
    assert sent < 50 * BODY_LIMIT


@pytest.mark.gen_test
async def test_a_dropped_connection_is_no_answer_and_the_next_call_works(platform, transport):
    async def reply(handler):
        handler.detach().close()

    platform.reply = reply
    assert is_silence(await trouble(transport))
    platform.reply = {"ok": 2}
    assert await transport.get("/x", {}) == {"ok": 2}


@pytest.mark.gen_test
async def test_a_platform_that_is_not_there_is_no_answer(transports):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = await trouble(transports(f"http://127.0.0.1:{port}"))
    assert is_silence(error)
    assert "connect" in error.errmsg


@pytest.mark.gen_test
async def test_a_name_that_does_not_exist_is_no_answer(transports):
    assert is_silence(await trouble(transports("http://no-such-host.invalid")))


@pytest.mark.gen_test
async def test_a_hanging_platform_is_given_up_by_the_request_limit(
    platform, transport, monkeypatch
):
    async def reply(handler):
        await platform.released.wait()

    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.1)
    platform.reply = reply
    assert is_silence(await trouble(transport))
    assert len(platform.requests) == 1


@pytest.mark.gen_test
async def test_the_deadline_covers_the_wait_for_a_free_connection(
    platform, transports, monkeypatch
):
    async def reply(handler):
        await platform.released.wait()

    platform.reply = reply
    transport = transports(platform.base, connections=1)
    holding = asyncio.create_task(transport.get("/holds", {}))
    await platform.asked.wait()
    monkeypatch.setattr(module, "DEADLINE_SECONDS", 0.1)
    error = await trouble(transport)
    assert (error.errmsg, len(platform.requests)) == ("no answer in time", 1)
    assert error.unsent
    platform.released.set()
    assert is_silence((await asyncio.gather(holding, return_exceptions=True))[0])
    platform.reply = {"ok": 3}
    assert await transport.get("/y", {}) == {"ok": 3}, "the pool is not used up"
    paths = [request.path for request in platform.requests]
    assert paths == ["/holds", "/y"], "what was given up does not go out later"


@pytest.mark.gen_test
async def test_calls_that_follow_each_other_share_a_connection(platform, transport):
    for number in range(20):
        await (transport.get("/x", {}) if number % 2 else transport.post("/x", {}, {}))
    assert (platform.accepted, len(platform.requests)) == (1, 20)


@pytest.mark.gen_test
async def test_as_many_calls_as_allowed_are_under_way_at_once(platform, transports):
    busy, most = 0, 0

    async def reply(handler):
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.005)
        busy -= 1
        handler.write({"ok": 1})

    platform.reply = reply
    transport = transports(platform.base, connections=3)
    await asyncio.gather(*(transport.get("/x", {}) for _ in range(12)))
    assert (most, len(platform.requests)) == (3, 12)


@pytest.mark.gen_test
async def test_a_cancelled_call_is_cancelled_and_breaks_nothing(platform, transport):
    async def reply(handler):
        await platform.released.wait()

    platform.reply = reply
    call = asyncio.create_task(transport.get("/x", {}))
    await platform.asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    platform.reply = {"ok": 4}
    assert await transport.get("/x", {}) == {"ok": 4}


@pytest.mark.gen_test
async def test_closing_ends_the_calls_under_way_at_once(platform, transports, caplog):
    async def reply(handler):
        await platform.released.wait()

    platform.reply = reply
    transport = transports(platform.base, connections=1)
    calls = [asyncio.create_task(transport.get("/x", {})) for _ in range(3)]
    await platform.asked.wait()
    transport.close()
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        assert is_silence(result)
        assert result.errmsg == "the server stops"
    assert [result.unsent for result in results] == [False, True, True]
    late = await trouble(transport)
    assert (late.errmsg, late.unsent) == ("the server stops", True)
    # The client's timer was set by the closing; let it pass.
    await asyncio.sleep(0.01)
    transport.close = lambda: None
    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []


@pytest.mark.gen_test
async def test_a_call_that_is_cancelled_while_it_waits_does_not_go_out_later(platform, transports):
    async def reply(handler):
        await platform.released.wait()

    platform.reply = reply
    transport = transports(platform.base, connections=1)
    holding = asyncio.create_task(transport.get("/holds", {}))
    await platform.asked.wait()
    waiting = [asyncio.create_task(transport.post(f"/{n}", {}, {})) for n in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    platform.reply = {"ok": 5}
    platform.released.set()
    await asyncio.gather(holding, *waiting, return_exceptions=True)
    assert [request.path for request in platform.requests] == ["/holds", "/0", "/2"]


# Whether anything was sent


class Raw:
    """A platform below HTTP: ``serve`` is given the streams of each connection."""

    def __init__(self, serve):
        self.requests = []
        self._serve = serve
        self._server = None

    async def start(self):
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        return self

    async def _connected(self, reader, writer):
        try:
            await self._serve(self, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def request(self, reader):
        """Read one request, its body too."""
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = [int(one[15:]) for one in head.split(b"\r\n") if one[:14] == b"Content-Length"]
        self.requests.append(await reader.readexactly(length))

    def stop(self):
        self._server.close()


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"


@pytest.fixture
def raw(io_loop):
    """Makes platforms below HTTP, and stops them at the end."""
    made = []

    async def make(serve):
        made.append(Raw(serve))
        return await made[-1].start()

    async def stop():
        for one in made:
            one.stop()

    yield make
    io_loop.run_sync(stop)


async def sending(transport):
    """The error of a call that would do something."""
    with pytest.raises(PlatformError) as caught:
        await transport.post("/x", {}, {"text": "hello"})
    assert is_silence(caught.value)
    return caught.value


@pytest.mark.gen_test
async def test_a_refused_connection_and_an_unknown_name_send_nothing(transports):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert (await sending(transports(f"http://127.0.0.1:{port}"))).unsent
    assert (await sending(transports("http://no-such-host.invalid"))).unsent


@pytest.mark.gen_test
async def test_a_platform_that_takes_no_more_connections_was_sent_nothing(transports, monkeypatch):
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.2)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        crowd = [socket.socket() for _ in range(4)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        error = await sending(transports(f"http://127.0.0.1:{full.getsockname()[1]}"))
        for one in crowd:
            one.close()
    assert error.unsent


@pytest.mark.gen_test
async def test_a_platform_that_connects_and_says_nothing_may_have_read_it(transports, monkeypatch):
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.2)
    # Nobody accepts: the kernel takes the connection and what is written to it.
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        assert not (await sending(transports(f"http://127.0.0.1:{port}"))).unsent
        # Before the two agree upon keys nothing of a request is written.
        assert (await sending(transports(f"https://127.0.0.1:{port}"))).unsent


@pytest.mark.gen_test
async def test_a_connection_that_breaks_before_the_keys_are_agreed_sends_nothing(raw, transports):
    async def hang_up(server, reader, writer):
        await reader.read(100)

    server = await raw(hang_up)
    assert (await sending(transports(server.base.replace("http:", "https:")))).unsent


@pytest.mark.parametrize("sent", [b"", ANSWER[:20], ANSWER, ANSWER + b'{"ok'])
@pytest.mark.gen_test
async def test_a_connection_that_breaks_after_the_request_leaves_it_open(raw, transports, sent):
    async def break_off(server, reader, writer):
        await server.request(reader)
        writer.write(sent)
        await writer.drain()

    server = await raw(break_off)
    assert not (await sending(transports(server.base))).unsent
    assert len(server.requests) == 1


@pytest.mark.gen_test
async def test_a_reset_after_the_request_leaves_it_open(raw, transports):
    async def reset(server, reader, writer):
        await server.request(reader)
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )

    server = await raw(reset)
    assert not (await sending(transports(server.base))).unsent
    assert len(server.requests) == 1


@pytest.mark.parametrize("reply", [b"<html>", b'{"errcode":-1}', b"[]"])
@pytest.mark.gen_test
async def test_whatever_is_answered_it_was_sent(platform, transport, reply):
    platform.reply = reply
    for status in (200, 502):
        platform.status = status
        with pytest.raises(PlatformError) as caught:
            await transport.post("/x", {}, {})
        assert not caught.value.unsent


@pytest.mark.parametrize("limit", ["REQUEST_SECONDS", "DEADLINE_SECONDS"])
@pytest.mark.gen_test
async def test_an_answer_that_comes_too_late_leaves_it_open(
    platform, transport, monkeypatch, limit
):
    async def reply(handler):
        await platform.released.wait()

    monkeypatch.setattr(module, limit, 0.1)
    platform.reply = reply
    assert not (await sending(transport)).unsent
    assert len(platform.requests) == 1


@pytest.mark.gen_test
async def test_what_a_dying_kept_connection_took_is_not_sent_again_by_itself(raw, transports):
    async def die_at_the_second(server, reader, writer):
        await server.request(reader)
        writer.write(ANSWER + b'{"ok":1}')
        await server.request(reader)

    server = await raw(die_at_the_second)
    transport = transports(server.base, connections=1)
    assert await transport.post("/x", {}, {"text": "first"}) == {"ok": 1}
    error = await sending(transport)
    assert (error.errmsg, error.unsent) == ("the connection ended before the answer", False)
    assert len(server.requests) == 2, "the platform may have acted upon it"
    assert await transport.post("/x", {}, {"text": "third"}) == {"ok": 1}
    assert len(server.requests) == 3


@pytest.mark.gen_test
async def test_a_platform_that_is_gone_after_it_read_the_request_leaves_it_open(raw, transports):
    """Even though curl would then say that it could not connect."""

    async def vanish_at_the_second(server, reader, writer):
        await server.request(reader)
        writer.write(ANSWER + b'{"ok":1}')
        await server.request(reader)
        server.stop()

    server = await raw(vanish_at_the_second)
    transport = transports(server.base, connections=1)
    for method in (transport.post, transport.post):
        result = await asyncio.gather(method("/x", {}, {"text": "x"}), return_exceptions=True)
    assert is_silence(result[0]) and not result[0].unsent
    assert len(server.requests) == 2
    assert (await sending(transport)).unsent, "now nobody is there"


@pytest.mark.gen_test
async def test_a_connection_that_was_idle_for_long_is_not_used_again(
    platform, transport, monkeypatch
):
    """The platform may be about to close it, and then nobody knows what became of the call."""
    assert module.IDLE_SECONDS == 10
    monkeypatch.setattr(module, "IDLE_SECONDS", 1)
    await transport.post("/x", {}, {})
    await transport.post("/x", {}, {})
    assert platform.accepted == 1
    await asyncio.sleep(1.1)  # by curl's own clock, which nobody can move
    await transport.post("/x", {}, {})
    assert platform.accepted == 2


# Certificates


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost that no authority has signed, and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def tls_platform(io_loop, certificate):
    """A platform that speaks TLS with that certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)

    async def start():
        return Platform(context)

    made = io_loop.run_sync(start)
    yield made
    io_loop.run_sync(made.stop)


@pytest.mark.gen_test
async def test_a_certificate_that_nobody_vouches_for_is_refused(
    tls_platform, transports, monkeypatch
):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    error = await trouble(transports(tls_platform.base))
    assert is_silence(error) and error.unsent
    assert "certificate" in error.errmsg
    assert tls_platform.requests == []


@pytest.mark.gen_test
async def test_an_operator_can_name_an_authority_of_their_own(
    tls_platform, transports, certificate, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    assert await transports(tls_platform.base).get("/x", {}) == {"ok": 1}


@pytest.mark.gen_test
async def test_a_certificate_of_another_name_is_refused(
    tls_platform, transports, certificate, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    other = tls_platform.base.replace("localhost", str(ipaddress.ip_address("127.0.0.1")))
    assert is_silence(await trouble(transports(other)))
    assert tls_platform.requests == []


def test_without_a_word_the_authorities_of_certifi_are_used(monkeypatch, io_loop):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)

    async def authorities():
        made = Transport("https://localhost", connections=1)
        made.close()
        return made._authorities

    assert io_loop.run_sync(authorities).endswith("cacert.pem")
