"""Links to the platform."""

from wx.protocol import links


def test_the_authorize_link_has_the_order_that_the_platform_checks():
    link = links.authorize(
        open_base="https://open.weixin.qq.com",
        app_id="wx5a17c0de00000001",
        redirect_uri="https://wx.example.com:8443/callback?x=1&y=ü",
        scope="snsapi_userinfo",
        state="Ab12",
    )
    assert link == (
        "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx5a17c0de00000001"
        "&redirect_uri=https%3A%2F%2Fwx.example.com%3A8443%2Fcallback%3Fx%3D1%26y%3D%C3%BC"
        "&response_type=code&scope=snsapi_userinfo&state=Ab12#wechat_redirect"
    )


def test_an_odd_app_id_adds_no_parameter():
    link = links.authorize(
        open_base="http://h", app_id="a&b=c/d", redirect_uri="http://h", scope="s", state="t"
    )
    assert "?appid=a%26b%3Dc%2Fd&redirect_uri=" in link
