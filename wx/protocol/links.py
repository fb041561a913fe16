"""Addresses of the platform that a browser is sent to."""

from urllib.parse import quote


def authorize(*, open_base: str, app_id: str, redirect_uri: str, scope: str, state: str) -> str:
    """The page that asks a WeChat user for consent.

    The platform checks the order of the parameters, so the text is put together by hand
    (platform document, 2.1).
    """
    return (
        f"{open_base}/connect/oauth2/authorize?appid={quote(app_id, safe='')}"
        f"&redirect_uri={quote(redirect_uri, safe='')}&response_type=code"
        f"&scope={scope}&state={state}#wechat_redirect"
    )
