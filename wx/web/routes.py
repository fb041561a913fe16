"""Every address of the site, and the settings that all of it runs under."""

from collections.abc import Callable
from typing import Any

from tornado import locale
from tornado.httputil import (
    HTTPConnection,
    HTTPMessageDelegate,
    ParseBodyConfig,
    ParseMultipartConfig,
    set_parse_body_config,
)
from tornado.routing import URLSpec

from wx.config import Config
from wx.paths import STATIC, TEMPLATES
from wx.service.services import Services
from wx.web import (
    accounts,
    api,
    bind,
    bindings,
    callback,
    dropin,
    entry,
    files,
    health,
    invites,
    jssdk,
    live,
    login,
    notice,
    openapi,
    outbox,
    phone,
    pictures,
    scan_login,
    views,
    webhook,
)
from wx.web.base import NotFound, Site, Static

_SECRET = r"([0-9A-Za-z]{43})"
_ID = r"([0-9A-Za-z]{22})"
_SHOWN_KEY = r"([0-9A-Za-z_-]{1,128})"

ROUTES: list[tuple[str, Any]] = [
    (r"/", login.Home),
    (r"/login", login.Login),
    (r"/logout", login.Logout),
    (r"/enter", entry.Enter),
    (r"/login/codes", scan_login.NewCode),
    (rf"/login/codes/{_ID}", scan_login.CodeStatus),
    (rf"/login/codes/{_ID}/qr\.svg", scan_login.CodePicture),
    (rf"/login/codes/{_ID}/enter", scan_login.WayIn),
    (r"/bind", bind.Bind),
    (r"/bind/invites", bind.NewInvite),
    (rf"/bind/invites/{_ID}", bind.InviteStatus),
    (rf"/bind/invites/{_ID}/qr\.svg", bind.InvitePicture),
    (r"/bind/confirm", bind.Confirm),
    (r"/bind/test", bind.TestNotice),
    (r"/bind/notices", notice.Notices),
    (r"/bind/remove", bind.Remove),
    (r"/bind/restore", bind.Restore),
    (r"/live/notices", live.LiveNotices),
    (rf"/live/login/{_ID}", scan_login.LiveLogin),
    (rf"/live/{_ID}", live.LiveInvite),
    (rf"/b/{_SECRET}", phone.Scan),
    (rf"/n/{_SECRET}", notice.Whole),
    (rf"/undo/{_SECRET}", phone.Undo),
    (rf"/s/{_SECRET}", scan_login.Scanned),
    (rf"/s/{_ID}/{_SECRET}", scan_login.Question),
    (rf"/not-me/{_ID}/{_SECRET}", scan_login.NotMe),
    (r"/callback", callback.CallbackPage),
    (r"/MP_verify_([A-Za-z0-9]{1,64})\.txt", files.DomainVerification),
    (r"/follow-qr", files.FollowPicture),
    (r"/api/v1/notices", outbox.Notices),
    (r"/api/v1/notices/([^/]+)", outbox.OneNotice),
    (r"/api/v1/bindings/([^/]+)", bindings.OneBinding),
    (r"/api/v1/accounts", accounts.Accounts),
    (r"/api/v1/invites", invites.Invites),
    (r"/api/v1/invites/([^/]+)/confirm", invites.ConfirmInvite),
    (r"/api/v1/js-config", jssdk.AnyJsConfig),
    (r"/js-config", jssdk.OwnJsConfig),
    (r"/pictures", pictures.Pictures),
    (r"/pictures/qr\.svg", pictures.EntryCode),
    (rf"/pictures/{_ID}", pictures.OnePicture),
    (rf"/pictures/{_ID}/remove", pictures.RemovePicture),
    (r"/api/v1/openapi\.json", openapi.Description),
    (r"/api/wechat/access_token", dropin.AccessToken),
    (rf"/{_SHOWN_KEY}\.send", dropin.ServerChan),
    (rf"/send/{_SHOWN_KEY}\.send", dropin.ServerChan),
    (rf"/view/{_SECRET}", views.ViewStatus),
    (rf"/view/{_SECRET}/qr\.svg", views.ViewPicture),
    (rf"/view/{_SECRET}/live", views.LiveView),
    (r"/healthz", health.Alive),
    (r"/readyz", health.Ready),
    (r"/metrics", health.Metrics),
]

# These stand beside the handlers; see there.
BARE: dict[str, Callable[[Site, HTTPConnection], HTTPMessageDelegate]] = {
    webhook.PATH: webhook.Webhook,
}

PING_SECONDS = 20
LIVE_MESSAGE_BYTES = 4096
ARGUMENTS = 50


def make_site(services: Services, config: Config, *, demo_phone: str = "") -> Site:
    """The application, ready to be served."""
    load_languages()
    parse = ParseBodyConfig(multipart=ParseMultipartConfig(enabled=False))
    parse.urlencoded.max_arguments = ARGUMENTS
    set_parse_body_config(parse)
    secure = config.secure
    return Site(
        [URLSpec(pattern, handler) for pattern, handler in _rules(config)],
        services,
        config,
        bare=BARE,
        demo_phone=demo_phone,
        debug=False,
        serve_traceback=False,
        template_path=str(TEMPLATES),
        static_path=str(STATIC),
        static_handler_class=Static,
        default_handler_class=NotFound,
        xsrf_cookies=True,
        xsrf_cookie_name="__Host-xsrf" if secure else "xsrf",
        # Complete, because Tornado writes what is missing into this dict, for all requests.
        xsrf_cookie_kwargs={
            "secure": secure,
            "httponly": True,
            "samesite": "Lax",
            "path": "/",
            "expires_days": None,
        },
        cross_origin_protection=True,
        websocket_ping_interval=PING_SECONDS,
        websocket_ping_timeout=PING_SECONDS,
        websocket_max_message_size=LIVE_MESSAGE_BYTES,
    )


def _rules(config: Config) -> list[tuple[str, Any]]:
    """The addresses that are answered under this configuration: some have a setting, and are
    nothing while that is off."""
    answered = [
        (pattern, handler)
        for pattern, handler in ROUTES
        if getattr(config, getattr(handler, "setting", ""), True)
    ]
    return [*answered, (r"/api(?:/.*)?", api.NothingHere)]


def load_languages() -> None:
    """Read the translations; Chinese is what a browser gets that names neither language."""
    locale.load_translations(str(TEMPLATES / "locale"), encoding="utf-8")
    locale.set_default_locale("zh")
