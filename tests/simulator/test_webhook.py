"""The server configuration, and the posts to it."""

import dataclasses
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.simulator.hook import AES_KEY, TOKEN, signature
from wx.protocol import xml
from wx.simulator.webhook import Stamp, Webhook, WebhookRefused

STAMP = Stamp("1714037059", "486452656")
SOUND = Webhook("http://127.0.0.1:8000/wechat", TOKEN, AES_KEY, "safe")
ABOUT = {"openid": "oSim", "account_id": "gh_1", "app_id": "wx1"}


@pytest.mark.parametrize(
    "change",
    [
        {"url": "127.0.0.1:8000"},
        {"url": "http://"},
        {"url": "http://[::1"},
        {"url": "http://user@127.0.0.1/"},
        {"token": "ab"},
        {"token": "a" * 33},
        {"token": "with-dash"},
        {"token": "词词词"},
        {"aes_key": "a" * 42},
        {"aes_key": "/" * 43},
        {"aes_key": ""},
        {"aes_key": "short", "mode": "plain"},
        {"mode": "open"},
    ],
)
def test_the_console_refuses_what_is_unsound(change):
    SOUND.require_sound()
    with pytest.raises(WebhookRefused):
        dataclasses.replace(SOUND, **change).require_sound()


def test_plain_mode_needs_no_key():
    Webhook("https://127.0.0.1/wechat", TOKEN).require_sound()


def test_the_official_signature_comes_out():
    webhook = Webhook("http://127.0.0.1/", "AAAAA")
    url, _ = webhook.post(b"<xml></xml>", stamp=STAMP, **ABOUT)
    assert "signature=899cf89e464efb63f54ddac96b0a0a235f53aa78&" in url


def test_a_query_of_the_address_stays_and_a_fragment_does_not():
    webhook = Webhook("http://127.0.0.1/wechat?a=1#x", TOKEN)
    url, body = webhook.post(b"<xml></xml>", stamp=STAMP, **ABOUT)
    assert url.startswith("http://127.0.0.1/wechat?a=1&signature=") and "#" not in url
    assert body == b"<xml></xml>"
    assert webhook.check_address("12+3", STAMP).endswith("&echostr=12%2B3")


@pytest.mark.parametrize("mode", ["compatible", "safe"])
def test_a_sealed_post_is_signed_over_the_seal(mode):
    webhook = dataclasses.replace(SOUND, mode=mode)
    url, body = webhook.post(b"<xml><A>b</A></xml>", stamp=STAMP, **ABOUT)
    query, fields = dict(parse_qsl(urlsplit(url).query)), xml.read(body)
    encrypted = str(fields["Encrypt"])
    assert list(query)[-2:] == ["encrypt_type", "msg_signature"]
    signed = signature(TOKEN, STAMP.timestamp, STAMP.nonce, encrypted)
    assert query["msg_signature"] == signed
    assert webhook.envelope("wx1").open(encrypted) == b"<xml><A>b</A></xml>"
    beside = {"A": "b"} if mode == "compatible" else {"ToUserName": "gh_1"}
    assert fields == beside | {"Encrypt": encrypted}
    _, again = webhook.post(b"<xml><A>b</A></xml>", stamp=STAMP, **ABOUT)
    assert again != body
