"""Where the configuration comes from, what it refuses, and what it shows."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wx import config, rules
from wx.config import KEYS, MASK, NoticeTemplate, Sources
from wx.errors import ConfigError

ACCOUNT = {"app_id": "wx5a17c0de00000001", "app_secret": "5a17c0de5a17c0de"}
AES_KEY = "a" * 43
# The interface document's table, and the keys beside it.
DEFAULTS: dict[str, str] = {
    "address": "127.0.0.1",
    "port": "8000",
    "public_url": "http://127.0.0.1:8000",
    "insecure_http": "false",
    "data_dir": "data",
    "site_name": "wxbind",
    "trusted_proxies": "(none)",
    "app_id": "(not set)",
    "app_secret": "(not set)",
    "webhook_token": "(not set)",
    "webhook_aes_key": "(not set)",
    "webhook_mode": "plain",
    "original_id": "(not set)",
    "access_token_mode": "stable",
    "api_base": "https://api.weixin.qq.com",
    "open_base": "https://open.weixin.qq.com",
    "mp_base": "https://mp.weixin.qq.com",
    "bind_route": "auto",
    "bind_scope": "snsapi_userinfo",
    "invite_seconds": "600",
    "invites_per_hour": "60",
    "bind_confirm": "phone",
    "scan_login": "true",
    "domain_verification": "(none)",
    "notice_template": "(not set)",
    "subscribe_template": "(not set)",
    "notice_seconds": "172800",
    "notice_days": "30",
    "notice_url_hosts": "(none)",
    "api_per_minute": "6000",
    "notices_per_minute": "12000",
    "notices_per_day": "1000",
    "notice_templates": "(none)",
    "serverchan": "false",
    "wechat_server": "false",
    "invite_origins": "(none)",
    "js_sdk_url": "https://res.wx.qq.com/open/js/jweixin-1.6.0.js",
    "pictures": "false",
    "keep_media": "false",
    "media_megabytes": "500",
    "replies": "8 rules",
    "follow_qr": "(not set)",
    "avatar_origins": "https://thirdwx.qlogo.cn, https://wx.qlogo.cn",
    "session_idle_seconds": "604800",
    "session_seconds": "2592000",
    "live_sockets": "10000",
}


def read(
    flags: dict[str, str] | None = None,
    environ: dict[str, str] | None = None,
    file: Path | str = "/dev/null",
) -> Sources:
    return config.read(flags=flags or {}, environ=environ or {}, file=str(file))


def problems(sources: Sources, *, complete: bool = False) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        sources.config(complete=complete)
    assert caught.value.exit_code == 2
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def shown(sources: Sources) -> dict[str, str]:
    return {setting.name: setting.shown for setting in sources.settings()}


@pytest.fixture
def toml(tmp_path: Path) -> Any:
    """Writes a configuration file."""

    def write(text: str | bytes) -> Path:
        path = tmp_path / "wxbind.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_every_key_has_the_default_that_the_interface_promises():
    assert shown(read()) == DEFAULTS


def test_every_default_is_one_that_its_own_reader_takes():
    for key in KEYS:
        if not key.required:
            key.read(key.default)


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(toml):
    file = toml('site_name = "file"\nport = 1\nbind_route = "scan"\n')
    environ = {"WXBIND_SITE_NAME": "environment", "WXBIND_PORT": "2"}
    sources = read({"site_name": "flag"}, environ, file)
    got = sources.config(complete=False)
    assert (got.site_name, got.port, got.bind_route) == ("flag", 2, "scan")
    assert got.invite_seconds == 600
    assert sources.origins["site_name"] == "flag --site-name"
    assert sources.origins["port"] == "WXBIND_PORT"
    assert sources.origins["bind_route"] == str(file)
    assert sources.origins["invite_seconds"] == "default"


def test_without_a_named_file_the_one_in_the_current_folder_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config.read(flags={}, environ={}).config(complete=False).port == 8000
    Path("wxbind.toml").write_text("port = 81")
    sources = config.read(flags={}, environ={})
    assert (sources.values["port"], sources.origins["port"]) == (81, "wxbind.toml")


def test_a_named_file_that_is_not_there_is_a_problem(tmp_path):
    [problem] = problems(read(file=tmp_path / "gone.toml"))
    assert problem == f"{tmp_path}/gone.toml: cannot be read: No such file or directory"


@pytest.mark.parametrize(
    "content",
    [
        b"port = ",
        b'site_name = "\xff"',
        b"port = " + b"9" * 5000,
        b"port = " + b"[" * 5000,
        b"port = 1\nport = 2",
    ],
)
def test_a_file_that_is_not_toml_is_a_problem_and_nothing_else(content, toml):
    [problem] = problems(read(file=toml(content)))
    assert "wxbind.toml: is not TOML: " in problem


def test_all_problems_are_named_at_once(toml):
    file = toml('port = "x"\ninvite_second = 3\nreplies = 4\n')
    environ = {"WXBIND_BIND_ROUTE": "walk", "WXBIND_SIDE_NAME": "s", "HOME": "/root"}
    got = problems(read({"insecure_http": "perhaps"}, environ, file), complete=True)
    assert [problem.split(" ", 1)[0].rstrip(":") for problem in got] == [
        "port",
        "invite_second",
        "replies",
        "bind_route",
        "WXBIND_SIDE_NAME",
        "insecure_http",
        "app_id",
        "app_secret",
    ]
    assert f"invite_second ({file}): is not a key of wxbind; did you mean invite_seconds?" in got
    assert "WXBIND_SIDE_NAME: is not a key of wxbind; did you mean site_name?" in got
    assert "port" in got[0] and str(file) in got[0]


def test_a_key_like_no_other_is_refused_without_a_guess():
    assert problems(read(environ={"WXBIND_ZZZZ": "1"})) == ["WXBIND_ZZZZ: is not a key of wxbind"]


def test_rules_come_from_the_file_only(toml):
    assert "WXBIND_REPLIES: is not a key of wxbind" in problems(read({}, {"WXBIND_REPLIES": ""}))[0]
    file = toml('[[replies]]\non = "text"\nreply = "hi"\n')
    sources = read(file=file)
    [rule] = sources.config(complete=False).replies
    assert (rule.number, rule.on, rule.reply[""].parts) == (1, "text", {"content": "hi"})
    assert (shown(sources)["replies"], sources.origins["replies"]) == ("1 rule", str(file))
    wrong = toml('[[replies]]\non = "any"\n[[replies]]\nreply = "hi"\n')
    assert problems(read(file=wrong)) == [
        f'replies ({wrong}): rule 1: needs reply = "…"; rule 2: needs on = "…"'
    ]


def test_without_rules_in_the_file_the_built_in_ones_hold_and_an_empty_list_is_none_at_all(toml):
    assert read().config(complete=False).replies == rules.built_in()
    assert read(file=toml('replies = "built-in"')).values["replies"] == rules.built_in()
    nothing = read(file=toml("replies = []"))
    assert nothing.config(complete=False).replies == ()
    assert shown(nothing)["replies"] == "(none)"


def test_what_serve_needs_is_demanded_of_serve_only():
    got = problems(read(), complete=True)
    assert [problem.split(":", 1)[0] for problem in got] == ["app_id", "app_secret"]
    assert "WXBIND_APP_ID or --app-id" in got[0]
    assert "WXBIND_APP_SECRET or WXBIND_APP_SECRET_FILE" in got[1]
    assert "--app-secret" not in got[1], "a flag is seen by everyone on the machine"
    assert read().config(complete=False).app_id == ""
    assert read(ACCOUNT).config().app_id == ACCOUNT["app_id"]


def test_a_secret_may_come_from_a_file_of_its_own(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    sources = read(environ={"WXBIND_APP_SECRET_FILE": str(secret)})
    assert sources.config(complete=False).app_secret == "s3cret"
    assert sources.origins["app_secret"] == "WXBIND_APP_SECRET_FILE"
    assert {key.name for key in KEYS if key.secret} == {
        "app_secret",
        "webhook_token",
        "webhook_aes_key",
    }
    assert "is not a key" in problems(read(environ={"WXBIND_APP_ID_FILE": str(secret)}))[0]


def test_a_secret_that_is_set_twice_or_cannot_be_read_is_one_problem(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    environ = {"WXBIND_APP_SECRET_FILE": str(secret), "WXBIND_APP_SECRET": "other"}
    assert problems(read({"app_id": "wx1"}, environ), complete=True) == [
        "app_secret: set WXBIND_APP_SECRET or WXBIND_APP_SECRET_FILE, not both"
    ]
    environ = {"WXBIND_APP_SECRET_FILE": str(tmp_path / "gone")}
    assert problems(read({"app_id": "wx1"}, environ), complete=True) == [
        "app_secret (WXBIND_APP_SECRET_FILE): cannot be read: No such file or directory"
    ]
    secret.write_bytes(b"\xff\xfe")
    environ = {"WXBIND_APP_SECRET_FILE": str(secret)}
    assert problems(read({"app_id": "wx1"}, environ), complete=True) == [
        "app_secret (WXBIND_APP_SECRET_FILE): cannot be read: not UTF-8"
    ]
    secret.write_text("\n")
    assert "must be the WeChat account's app secret" in problems(read(environ=environ))[0]


def test_secrets_are_masked_and_never_stand_in_a_problem():
    environ = {
        "WXBIND_APP_SECRET": "planted-secret",
        "WXBIND_WEBHOOK_TOKEN": "plantedtoken",
        "WXBIND_WEBHOOK_AES_KEY": "planted" + "a" * 36,
        "WXBIND_APP_ID": "wx1",
    }
    got = shown(read(environ=environ))
    assert got["app_secret"] == got["webhook_token"] == got["webhook_aes_key"] == MASK
    assert got["app_id"] == "wx1"
    wrong = dict.fromkeys(environ, "planted wrong")
    assert "planted" not in "".join(problems(read(environ=wrong)))


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("port", "0", 0),
        ("port", "65535", 65535),
        ("insecure_http", "Yes", True),
        ("insecure_http", "0", False),
        ("public_url", "https://WX.example.com/", "https://wx.example.com"),
        ("public_url", "https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("data_dir", "/srv/wx", Path("/srv/wx")),
        ("data_dir", "~/wx", Path.home() / "wx"),
        ("site_name", "微信站 🌻", "微信站 🌻"),
        ("domain_verification", "a1, B2 ,", ("a1", "B2")),
        ("avatar_origins", "https://a.example,http://B:81/", ("https://a.example", "http://b:81")),
        ("notice_template", "Xb7-k_A:thing1", NoticeTemplate("Xb7-k_A", "thing1")),
        ("notice_template", "", None),
        ("follow_qr", "", None),
        ("webhook_token", "", ""),
        ("original_id", "", ""),
        ("original_id", "gh_5a17c0de0001", "gh_5a17c0de0001"),
        ("address", "::1", "::1"),
    ],
)
def test_a_value_is_read_from_text(name, given, expected):
    assert getattr(read({name: given}).config(complete=False), name) == expected


def test_networks_are_read_from_a_text_and_from_a_list(toml):
    text = read(environ={"WXBIND_TRUSTED_PROXIES": "127.0.0.1, 10.1.2.3/8,::1"})
    listed = read(file=toml('trusted_proxies = ["127.0.0.1", "10.1.2.3/8", "::1"]'))
    for sources in (text, listed):
        networks = sources.config(complete=False).trusted_proxies
        assert [str(one) for one in networks] == ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]
        assert shown(sources)["trusted_proxies"] == "127.0.0.1/32, 10.0.0.0/8, ::1/128"


def test_the_file_has_types_of_its_own(toml):
    file = toml(
        'insecure_http = true\nport = 81\nnotice_template = {id = "T1", field = "thing1"}\n'
    )
    got = read(file=file).config(complete=False)
    assert (got.insecure_http, got.port) == (True, 81)
    assert shown(read(file=file))["notice_template"] == "T1:thing1"
    assert shown(read(file=file))["insecure_http"] == "true"


def test_a_picture_must_be_there(tmp_path):
    picture = tmp_path / "qr.PNG"
    picture.write_bytes(b"")
    assert read({"follow_qr": str(picture)}).config(complete=False).follow_qr == picture
    for wrong in (tmp_path / "gone.png", tmp_path, Path(__file__), tmp_path / ("a" * 300 + ".png")):
        [problem] = problems(read({"follow_qr": str(wrong)}))
        assert "must be a PNG, JPEG or SVG file that exists" in problem


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("address", "a b"),
        ("address", "host:80"),
        ("address", ""),
        ("port", "65536"),
        ("port", "-1"),
        ("port", "eight"),
        ("port", ""),
        ("public_url", "wx.example.com"),
        ("public_url", "ftp://wx.example.com"),
        ("public_url", "https://wx.example.com/path"),
        ("public_url", "https://wx.example.com?q=1"),
        ("public_url", "https://name@wx.example.com"),
        ("public_url", "https://:word@wx.example.com"),
        ("public_url", "https://wx example.com"),
        ("public_url", "https://wx.example.com;script-src *"),
        ("public_url", "https://wx.example.com\n"),
        ("public_url", "https://wx.example.com:0"),
        ("public_url", "https://wx.example.com:99999"),
        ("public_url", "https://[::1"),
        ("public_url", "https://[1:2]"),
        ("insecure_http", "maybe"),
        ("data_dir", ""),
        ("data_dir", "~nobody-of-this-name/x"),
        ("site_name", ""),
        ("site_name", "two\nlines"),
        ("site_name", "two\u2028lines"),
        ("site_name", "x" * 65),
        ("site_name", "caf\udce9"),
        ("trusted_proxies", "10.0.0.0/33"),
        ("trusted_proxies", "proxy.example.com"),
        ("app_id", "wx 1"),
        ("app_secret", "two words"),
        ("webhook_token", "ab"),
        ("webhook_token", "a" * 33),
        ("webhook_aes_key", "a" * 42),
        ("webhook_mode", "loose"),
        ("original_id", "gh_"),
        ("original_id", "wx5a17c0de00000001"),
        ("original_id", "gh_" + "a" * 33),
        ("original_id", "gh_5a17\n"),
        ("access_token_mode", "forced"),
        ("api_base", "https://api.weixin.qq.com/cgi-bin"),
        ("open_base", ""),
        ("mp_base", "mp.weixin.qq.com"),
        ("bind_route", "walk"),
        ("bind_scope", "snsapi_login"),
        ("invite_seconds", "0"),
        ("invite_seconds", "1e3"),
        ("invites_per_hour", "0"),
        ("bind_confirm", "tablet"),
        ("scan_login", "sometimes"),
        ("domain_verification", "MP_verify_x.txt"),
        ("invite_origins", "https://app.example.com/page"),
        ("js_sdk_url", "https://res.wx.qq.com"),
        ("js_sdk_url", "https://res.wx.qq.com/a.js?b"),
        ("media_megabytes", "0"),
        ("notice_template", "T1"),
        ("notice_template", "T1:thing 1"),
        ("follow_qr", "qr.gif"),
        ("avatar_origins", "thirdwx.qlogo.cn"),
        ("session_idle_seconds", "59"),
        ("session_seconds", "59"),
        ("live_sockets", "0"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name_and_origin(name, wrong):
    [problem] = problems(read({name: wrong}))
    assert problem.startswith(f"{name} (flag --{name.replace('_', '-')}): must be ")


@pytest.mark.parametrize(
    "line",
    [
        "port = true",
        "port = 80.0",
        "insecure_http = 1",
        "site_name = 7",
        'trusted_proxies = ["127.0.0.1", 1]',
        "trusted_proxies = 1",
        "data_dir = []",
        'notice_template = {id = "T1"}',
        'notice_template = {id = 1, field = "a"}',
        'replies = "none"',
        "replies = [1]",
        "bind_route = []",
        "public_url = 1",
        "address = 1",
        "domain_verification = {}",
    ],
)
def test_a_value_of_the_wrong_type_in_the_file_is_refused(line, toml):
    [problem] = problems(read(file=toml(line)))
    assert problem.startswith(line.split()[0])


def test_public_url_follows_from_address_and_port():
    sources = read({"address": "::1", "port": "0"})
    assert sources.config(complete=False).public_url == "http://[::1]:0"
    assert sources.origins["public_url"] == "from address and port"


@pytest.mark.parametrize(
    "url",
    [
        "https://wx.example.com",
        "http://localhost:8000",
        "http://wx.localhost",
        "http://127.8.8.8",
        "http://[::1]:8000",
        "http://10.0.0.7",
        "http://192.168.1.2:8000",
        "http://[fd00::1]",
    ],
)
def test_https_or_an_address_nearby_is_fine(url):
    assert read({"public_url": url}).config(complete=False).public_url == url


@pytest.mark.parametrize("url", ["http://wx.example.com", "http://8.8.8.8", "http://[2a00::1]:80"])
def test_plain_http_elsewhere_must_be_allowed(url):
    [problem] = problems(read({"public_url": url}))
    assert problem.startswith("public_url (flag --public-url): must be https")
    got = read({"public_url": url, "insecure_http": "true"}).config(complete=False)
    assert (got.public_url, got.secure) == (url, False)


def test_listening_on_a_public_name_needs_a_public_url():
    [problem] = problems(read({"address": "wx.example.com"}))
    assert problem.startswith("public_url (from address and port): must be https")


def test_a_public_url_that_is_refused_is_not_judged_a_second_time():
    assert len(problems(read({"address": "wx.example.com", "public_url": "x"}))) == 1


def test_the_configuration_knows_its_scheme_and_host():
    got = read({"public_url": "https://WX.example.com:8443"}).config(complete=False)
    assert (got.secure, got.public_host) == (True, "wx.example.com:8443")


def test_the_webhook_is_safe_where_there_is_a_key_and_plain_elsewhere():
    assert shown(read())["webhook_mode"] == "plain"
    assert shown(read({"webhook_aes_key": AES_KEY}))["webhook_mode"] == "safe"
    assert shown(read({"webhook_aes_key": AES_KEY, "webhook_mode": "plain"}))["webhook_mode"] == (
        "plain"
    )
    for mode in ("safe", "compatible"):
        assert read({"webhook_aes_key": AES_KEY, "webhook_mode": mode}).config(complete=False)
        assert problems(read({"webhook_mode": mode})) == [
            f"webhook_mode: {mode} needs webhook_aes_key"
        ]
    assert len(problems(read({"webhook_mode": "loose"}))) == 1


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"webhook_aes_key": AES_KEY}, "webhook_aes_key: does nothing without webhook_token"),
        ({"bind_route": "scan"}, "bind_route: scan needs the webhook; set webhook_token"),
    ],
)
def test_what_needs_the_webhook_is_named_where_there_is_none(keys, problem):
    whole = {"app_id": "wx5a17c0de00000001", "app_secret": "s" * 32} | keys
    for empty in ({}, {"webhook_token": ""}):
        with pytest.raises(ConfigError) as raised:
            read(whole | empty).config()
        assert raised.value.problems == [problem]
    assert read(keys).config(complete=False), "the other verbs need no webhook"
    assert read(whole | {"webhook_token": "token"}).config()
    with pytest.raises(ConfigError) as raised:
        read(whole | {"webhook_token": "?"}).config()
    assert len(raised.value.problems) == 1, "named once"


def test_names_of_variables_and_flags_follow_from_the_key():
    by_name = {key.name: key for key in KEYS}
    assert len(by_name) == len(KEYS)
    assert by_name["app_id"].variable == "WXBIND_APP_ID"
    assert by_name["app_id"].flag == "--app-id"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.characters(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(key=st.sampled_from(KEYS), value=ANYTHING)
def test_a_reader_takes_a_value_or_refuses_it_and_never_breaks(key, value):
    try:
        key.read(value)
    except ValueError as refusal:
        assert str(refusal).startswith(("must be ", "rule "))


URLISH = st.text(alphabet="htps:/[].@?#%a1-\\ \n;", max_size=24).map(lambda text: "http://" + text)


@given(address=st.text(alphabet="a1:.%[]-", max_size=12), url=URLISH)
def test_addresses_are_taken_or_refused_and_never_break_the_start(address, url):
    for flags in ({"address": address}, {"public_url": url, "avatar_origins": url}):
        try:
            got = read(flags).config(complete=False)
        except ConfigError:
            continue
        assert got.public_host
        assert not set(got.public_host) & set("@;/ \n")


@given(content=st.binary(max_size=60))
def test_whatever_stands_in_the_file_is_taken_or_refused(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_bytes(content)
    sources = read(file=file)
    assert len(sources.settings()) == len(KEYS)
    try:
        sources.config()
    except ConfigError as error:
        assert error.problems
