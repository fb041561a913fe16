"""The JS-SDK's signature."""

import hashlib

from wx.protocol.jssdk import sign

TICKET = "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg"
NONCE, AT = "Wm3WZYTPz0wzccnW", 1414587457
URL = "http://mp.weixin.qq.com?params=value"
RIGHT = "0f9de62fce790f9a083d5c99e95740ceb90c27ed"


def test_the_platform_s_worked_example():
    assert sign(TICKET, NONCE, AT, URL) == RIGHT


def test_what_stands_behind_the_mark_is_left_out():
    for fragment in ("#", "#wechat_redirect", "#a#b", "#?x=1"):
        assert sign(TICKET, NONCE, AT, URL + fragment) == RIGHT


def test_nothing_else_is_changed():
    for url in (
        "https://x.example/a?b=%E7%8E%8B&c=a+b",
        "https://x.example/王?c=%7e",
        "https://x.example/?a=1&&b=%23",
        "https://X.example/A/../b/",
    ):
        text = f"jsapi_ticket=t&noncestr=n&timestamp=1&url={url}"
        assert sign("t", "n", 1, url) == hashlib.sha1(text.encode()).hexdigest()
