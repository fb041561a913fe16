"""The command line as an operator meets it: the real program in a process of its own."""

import json
import re
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop
from tornado.web import RequestHandler

from tests import processes
from tests.processes import Ended
from tests.wechat.conftest import Platform
from tests.world import PASSWORD, World
from wx import cli

GIVEN = f"{PASSWORD}\n".encode()


def flags(world: World, **more: str) -> list[str]:
    keys = world.keys | more
    return [f"--{name.replace('_', '-')}={value}" for name, value in keys.items()]


def one_line(ended: Ended, code: int) -> str:
    """The one line that says why it ended so."""
    assert ended.code == code, ended
    assert "Traceback" not in ended.err
    (line,) = ended.err.splitlines()
    assert line.startswith("wxbind: ")
    return line


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def account(folder: Path, *words: str, given: bytes = b"") -> Ended:
    return await processes.run("account", *words, folder=folder, given=given)


# serve


@pytest.mark.gen_test(timeout=40)
@pytest.mark.parametrize("verb", [["serve"], []])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_listens_and_a_signal_ends_it(
    world: World, verb: list[str], number: signal.Signals
) -> None:
    words = [*verb, *flags(world, data_dir="mine")]
    server = await processes.start(*words, folder=world.folder)
    try:
        line = await server.line_with("listening")
        assert re.fullmatch(r"listening on http://127\.0\.0\.1:\d+", line)
        answer = await world.desktop().fetch(line.split()[-1] + "/healthz")
        assert answer.code == 200
        server.signal(number)
        assert (await server.ended()).code == 0
    finally:
        await server.kill()


@pytest.mark.parametrize(
    ("more", "advice"),
    [
        ([], "set webhook_aes_key"),
        (
            [f"--webhook-aes-key={'k' * 43}", "--webhook-mode=plain"],
            "although webhook_aes_key is set",
        ),
        ([f"--webhook-aes-key={'k' * 43}"], ""),
    ],
)
def test_whoever_takes_unencrypted_messages_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], advice: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli.logs, "set_up", lambda **_: None)
    monkeypatch.setattr(cli, "_run_until_signal", lambda _: 0)
    told: list[str] = []
    monkeypatch.setattr(cli.log, "warning", lambda text, *values: told.append(text % values))
    needed = ["--app-id=wx5a17c0de00000001", f"--app-secret={'5' * 32}", "--webhook-token=token"]
    assert cli.main(["serve", *needed, *more]) == 0
    if advice:
        assert told == [f"webhook_mode is plain: messages come unencrypted; {advice}"]
    else:
        assert told == []


@pytest.mark.gen_test(timeout=40)
async def test_every_problem_of_the_configuration_is_named_at_once(tmp_path: Path) -> None:
    ended = await processes.run(
        "serve", "--port=x", "--bind-scope=all", "--public-url=ftp://x", folder=tmp_path
    )
    assert ended.code == 2
    lines = ended.err.splitlines()
    for name in ("port", "bind_scope", "public_url", "app_id", "app_secret"):
        assert sum(f"wxbind: {name}" in line for line in lines) == 1, name
    assert names(tmp_path) == []


@pytest.mark.gen_test(timeout=40)
@pytest.mark.parametrize("state", ["running", "newer", "damaged", "port", "folder"])
async def test_a_bad_start_ends_at_once_with_its_code_and_one_line(
    world: World, state: str
) -> None:
    path = world.folder / "data" / "wxbind.db"
    more: dict[str, str] = {}
    code = {"running": 3, "newer": 4, "damaged": 5, "port": 1, "folder": 1}[state]
    if state in ("newer", "damaged"):
        await world.server.stop()
    if state == "newer":
        world.rows("PRAGMA user_version = 99")
    elif state == "damaged":
        path.write_bytes(b"\0" * 8192)
    elif state == "port":
        more = {"port": str(world.server.port), "data_dir": "other"}
        await account(world.folder, "list", "--data-dir=other")
    elif state == "folder":
        (world.folder / "file").write_text("")
        more = {"data_dir": "file"}
    before = path.read_bytes()
    began = time.monotonic()
    ended = await processes.run("serve", *flags(world, **more), folder=world.folder)
    assert time.monotonic() - began < 3, "a second, and some for a busy machine"
    one_line(ended, code)
    assert path.read_bytes() == before
    assert "listening" not in ended.out


@pytest.mark.gen_test(timeout=40)
@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        ["serve", "--frobnicate"],
        ["account"],
        ["account", "frobnicate"],
        ["account", "add"],
        ["account", "list", "ann"],
        ["account", "disable"],
        ["key"],
        ["key", "frobnicate"],
        ["key", "add"],
        ["key", "add", "backup"],
        ["key", "add", "--scope", "notices:write"],
        ["key", "add", "backup", "--scope"],
        ["key", "add", "backup", "--scope", "everything"],
        ["key", "add", "backup", "--scope", "notices:write", "bakcup"],
        ["key", "add", "backup", "--scope", "notices:write", "--expires", "soon"],
        ["key", "list", "backup"],
        ["key", "list", "--scope", "notices:write"],
        ["key", "revoke"],
        ["key", "revoke", "backup", "--to", "ann"],
        ["menu"],
        ["menu", "frobnicate"],
        ["menu", "push"],
        ["menu", "show", "menu.json"],
        ["menu", "clear", "-"],
        ["--port"],
    ],
)
async def test_wrong_use_is_told_in_one_line(tmp_path: Path, words: list[str]) -> None:
    one_line(await processes.run(*words, folder=tmp_path), 2)
    assert names(tmp_path) == []


# config


@pytest.mark.gen_test(timeout=40)
async def test_config_shows_what_is_in_force_and_from_where_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "wxbind.toml").write_text('app_id = "wx_file"\nsite_name = "From File"\n')
    (tmp_path / "secret").write_text("topsecret-aa\n")
    environ = {
        "WXBIND_SITE_NAME": "From Environment",
        "WXBIND_APP_SECRET_FILE": str(tmp_path / "secret"),
        "WXBIND_WEBHOOK_TOKEN": "topsecretbb",
    }
    ended = await processes.run("config", "--port=8123", folder=tmp_path, environ=environ)
    assert (ended.code, ended.err) == (0, "")
    assert "topsecret" not in ended.out
    for line in (
        r"app_id +wx_file +wxbind\.toml",
        r"site_name +From Environment +WXBIND_SITE_NAME",
        r"port +8123 +flag --port",
        r"app_secret +\*+ +WXBIND_APP_SECRET_FILE",
        r"webhook_token +\*+ +WXBIND_WEBHOOK_TOKEN",
        r"invite_seconds +600 +default",
    ):
        assert re.search(rf"(?m)^{line}$", ended.out), line


@pytest.mark.gen_test(timeout=40)
async def test_config_names_what_is_missing_after_what_there_is(tmp_path: Path) -> None:
    ended = await processes.run("config", folder=tmp_path)
    assert ended.code == 2 and "invite_seconds" in ended.out
    assert "app_id: is required" in ended.err


@pytest.mark.gen_test(timeout=40)
async def test_the_sample_can_be_had_whatever_is_configured_and_is_a_configuration(
    tmp_path: Path,
) -> None:
    (tmp_path / "wxbind.toml").write_text("nonsense")
    environ = {"WXBIND_PORT": "x", "PYTHONIOENCODING": "ascii"}
    printed = await processes.run("config", "--sample", folder=tmp_path, environ=environ)
    assert (printed.code, printed.err) == (0, "")
    (tmp_path / "wxbind.toml").write_text(printed.out, encoding="utf-8")
    words = ["--app-id=wx1", "--app-secret=s"]
    read = await processes.run("config", *words, folder=tmp_path)
    assert (read.code, read.err) == (0, "")
    assert re.search(r"(?m)^replies +8 rules +wxbind\.toml$", read.out)
    (tmp_path / "wxbind.toml").unlink()
    default = await processes.run("config", *words, folder=tmp_path)
    assert re.search(r"(?m)^replies +8 rules +default$", default.out)
    assert read.out.replace("wxbind.toml", "default") == default.out


# account


@pytest.mark.gen_test(timeout=60)
async def test_accounts_are_made_listed_and_changed_before_the_first_start(tmp_path: Path) -> None:
    nobody = await account(tmp_path, "list")
    assert (nobody.code, nobody.out) == (0, "") and "no accounts yet" in nobody.err
    added = await account(tmp_path, "add", "ann", "--admin", "--password-stdin", given=GIVEN)
    assert (added.code, added.out) == (0, "account ann added\n")
    crlf = GIVEN.replace(b"\n", b"\r\n")
    await account(tmp_path, "add", "王小明", "--password-stdin", given=crlf)
    assert (await account(tmp_path, "disable", "ann")).code == 0
    assert (await account(tmp_path, "list")).out == "ann (admin, disabled)\n王小明\n"
    assert (await account(tmp_path, "enable", "ANN")).code == 0
    assert (await account(tmp_path, "list")).out == "ann (admin)\n王小明\n"
    changed = await account(
        tmp_path, "passwd", "ann", "--password-stdin", given=b"another long secret 9"
    )
    assert changed.code == 0
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


@pytest.mark.gen_test(timeout=60)
async def test_a_refusal_is_one_line_and_exit_1(tmp_path: Path) -> None:
    add = ("add", "ann", "--password-stdin")
    assert "12" in one_line(await account(tmp_path, *add, given=b"short\n"), 1)
    one_line(await account(tmp_path, *add, given=b""), 1)
    one_line(await account(tmp_path, *add, given=b"\xff\xfe is no text at all\n"), 1)
    one_line(await account(tmp_path, "add", "a b", "--password-stdin", given=GIVEN), 1)
    assert "--password-stdin" in one_line(await account(tmp_path, "add", "ann"), 1)
    assert "%(x)s" in one_line(await account(tmp_path, "disable", "100%(x)s"), 1)
    await account(tmp_path, *add, given=GIVEN)
    assert "ann" in one_line(await account(tmp_path, *add, given=GIVEN), 1)
    for action in ("disable", "enable"):
        assert "nobody" in one_line(await account(tmp_path, action, "nobody"), 1)


@pytest.mark.gen_test(timeout=40)
async def test_a_damaged_or_newer_database_is_refused_by_every_verb(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "wxbind.db"
    path.write_bytes(b"nonsense" * 1000)
    one_line(await account(tmp_path, "list"), 5)
    path.unlink()
    await account(tmp_path, "list")
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA user_version = 99")
    conn.close()
    one_line(await account(tmp_path, "list"), 4)


@pytest.mark.gen_test(timeout=40)
@pytest.mark.parametrize("action", ["disable", "passwd"])
async def test_a_verb_works_while_the_server_runs_and_ends_the_sessions_there(
    world: World, action: str
) -> None:
    desktop = await world.signed_in()
    socket_ = await desktop.live(await desktop.invite())
    await socket_.frame()
    words = ["account", action, "ann", f"--data-dir={world.folder / 'data'}"]
    if action == "passwd":
        words.append("--password-stdin")
    ended = await processes.run(*words, folder=world.folder, given=b"another long secret 9\n")
    done = time.monotonic()
    assert ended.code == 0, ended.err
    assert await socket_.frame() is None
    assert time.monotonic() - done < 1
    assert socket_.connection.close_code == 4401
    assert (await desktop.fetch("/bind")).code == 303
    new = await world.desktop().log_in("ann", "another long secret 9")
    assert new.code == (303 if action == "passwd" else 401)
    assert (await world.desktop().log_in("ann")).code == 401


# key


async def key(folder: Path, *words: str) -> Ended:
    return await processes.run("key", *words, folder=folder)


@pytest.mark.gen_test(timeout=60)
async def test_keys_are_made_listed_and_revoked_before_the_first_start(tmp_path: Path) -> None:
    nothing = await key(tmp_path, "list")
    assert (nothing.code, nothing.out) == (0, "") and "no keys yet" in nothing.err
    made = await key(tmp_path, "add", "backup", "--scope", "notices:write", "notices:read")
    assert made.code == 0 and re.fullmatch(r"wx_[0-9A-Za-z]{43}\n", made.out)
    assert made.err == "key backup added; it is shown this once\n"
    assert "backup" in one_line(await key(tmp_path, "add", "backup", "--scope", "js:read"), 1)
    await account(tmp_path, "add", "ann", "--password-stdin", given=GIVEN)
    words = ["--to", "ANN", "--expires", "0.5", "--scope", "serverchan", "router"]
    assert (await key(tmp_path, "add", *words)).code == 0
    several = ["--scope", "bindings:read", "--scope", "js:read", "access-token:read", "site"]
    assert (await key(tmp_path, "add", *several)).code == 0
    assert (await key(tmp_path, "revoke", "site")).out == "key site revoked\n"
    listed = await key(tmp_path, "list")
    assert (listed.code, listed.err) == (0, "")
    lines = listed.out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "backup", "router", "site"]
    moment = r"\d{4}-\d\d-\d\d \d\d:\d\d"
    prefix = re.escape(made.out[:8])
    for pattern, line in zip(
        (
            r"name +key +scopes +last used +expires +revoked",
            rf"backup +{prefix}… +notices:read,notices:write +never +- +-",
            rf"router +wx_\w{{5}}… +serverchan to ann +never +{moment} +-",
            rf"site +wx_\w{{5}}… +access-token:read,bindings:read,js:read +never +- +{moment}",
        ),
        lines,
        strict=True,
    ):
        assert re.fullmatch(pattern, line), line
    assert made.out.strip() not in listed.out
    again = await key(tmp_path, "add", "site", "--scope", "js:read")
    assert again.code == 0
    assert (await key(tmp_path, "list")).out.count("site") == 1
    assert (tmp_path / "data" / "wxbind.db").stat().st_mode & 0o077 == 0


@pytest.mark.gen_test(timeout=60)
async def test_a_key_that_cannot_be_is_refused_in_one_line(tmp_path: Path) -> None:
    for words in (
        ["add", "a b", "--scope", "js:read"],
        ["add", "a", "--scope", "serverchan"],
        ["add", "a", "--scope", "serverchan", "js:read", "--to", "ann"],
        ["add", "a", "--scope", "serverchan", "--to", "nobody"],
        ["add", "a", "--scope", "js:read", "--expires", "0"],
        ["add", "a", "--scope", "js:read", "--expires", "nan"],
        ["revoke", "nobody"],
    ):
        one_line(await key(tmp_path, *words), 1)
    assert (await key(tmp_path, "list")).out == ""


@pytest.mark.gen_test(timeout=60)
async def test_the_last_use_of_a_key_is_listed(world: World) -> None:
    shown = await world.key("notices:read", name="backup")
    assert (await world.ask("/api/v1/notices", key=shown)).code == 200
    await world.rest()
    listed = await key(world.folder, "list", f"--data-dir={world.folder / 'data'}")
    assert re.search(r"backup +\S+ +notices:read +2027-01-15 \d\d:\d\d", listed.out)


# simulate


@pytest.mark.gen_test(timeout=40)
async def test_the_simulator_alone_says_how_to_use_it_and_ends_by_ctrl_c(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    simulator = await processes.start("simulate", "--port", str(port), folder=tmp_path)
    try:
        await simulator.line_with("app_id")
        text = "".join(simulator.lines)
        assert f"listening on http://127.0.0.1:{port}" in text
        assert f"api_base, open_base and mp_base: http://127.0.0.1:{port}" in text
        second = await processes.run("simulate", "--port", str(port), folder=tmp_path)
        assert str(port) in one_line(second, 1)
        simulator.signal(signal.SIGINT)
        ended = await simulator.ended()
        assert (ended.code, ended.err) == (0, "")
    finally:
        await simulator.kill()


# menu

MENU = {
    "button": [
        {"name": "帮助", "type": "click", "key": "HELP"},
        {"name": "More", "sub_button": [{"name": "Scan", "type": "scancode_push", "key": "S"}]},
    ]
}
UP = "menu of 2 buttons is up; phones show it within five minutes\n"
UNANSWERED = 'wxbind: no reply rule answers a click with the key "HELP"\n'
STABLE = "/cgi-bin/stable_token"
ANSWERS = {
    STABLE: {"access_token": "TOKEN-of-the-platform", "expires_in": 7200},
    "/cgi-bin/menu/create": {"errcode": 0, "errmsg": "ok"},
    "/cgi-bin/menu/get": {"errcode": 46003, "errmsg": "menu no exist"},
    "/cgi-bin/menu/delete": {"errcode": 0, "errmsg": "ok"},
}


class MenuPlatform:
    """A platform that knows the menu's calls, and the command line that uses it."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.answers: dict[str, object] = dict(ANSWERS)
        self.flags = [f"--api-base={platform.base}", "--app-id=wx_mine"]
        self._platform = platform
        self._folder = folder
        platform.reply = self._answer

    async def _answer(self, handler: RequestHandler) -> None:
        handler.write(self.answers.get(handler.request.path, {"errcode": 40066}))

    @property
    def asked(self) -> list[str]:
        return [request.path for request in self._platform.requests]

    @property
    def pushed(self) -> object:
        """What was put up last."""
        return json.loads(self._platform.requests[-1].body)

    async def menu(self, *words: str, given: bytes = b"", **environ: str) -> Ended:
        ended = await processes.run(
            *("menu", *words, *self.flags),
            folder=self._folder,
            environ={"WXBIND_APP_SECRET": "secret-of-the-account"} | environ,
            given=given,
        )
        for secret in ("secret-of-the-account", "TOKEN-of-the-platform"):
            assert secret not in ended.out + ended.err
        return ended


@pytest.fixture
def menus(io_loop: IOLoop, tmp_path: Path) -> Iterator[MenuPlatform]:
    async def start() -> Platform:
        return Platform()

    platform = io_loop.run_sync(start)
    yield MenuPlatform(platform, tmp_path)
    io_loop.run_sync(platform.stop)


@pytest.mark.gen_test(timeout=60)
async def test_a_menu_goes_up_is_shown_and_is_taken_away_while_the_server_runs(
    world: World,
) -> None:
    async def menu(*words: str, given: bytes = b"") -> Ended:
        return await processes.run("menu", *words, *flags(world), folder=world.folder, given=given)

    assert (await world.desktop().fetch("/readyz")).code == 200
    before = set(world.simulator.world.tokens)
    (world.folder / "menu.json").write_text(json.dumps(MENU))
    pushed = await menu("push", "menu.json")
    assert (pushed.code, pushed.out, pushed.err) == (0, UP, UNANSWERED)
    assert world.simulator.world.menu == MENU
    shown = await menu("show")
    assert (shown.code, shown.err, json.loads(shown.out)) == (0, "", MENU)
    cleared = await menu("clear")
    assert (cleared.code, cleared.err) == (0, "") and "gone" in cleared.out
    assert world.simulator.world.menu is None
    assert (await menu("clear")).code == 0
    assert "there is no menu" in one_line(await menu("show"), 1)
    assert (await menu("push", "-", given=shown.out.encode())).code == 0
    assert world.simulator.world.menu == MENU
    assert set(world.simulator.world.tokens) == before, "the server's is the one that was used"


@pytest.mark.gen_test(timeout=40)
async def test_the_servers_classic_access_token_is_left_alone(menus: MenuPlatform) -> None:
    ended = await menus.menu("clear", WXBIND_ACCESS_TOKEN_MODE="classic")
    assert ended.code == 0
    assert menus.asked == [STABLE, "/cgi-bin/menu/delete"]


@pytest.mark.gen_test(timeout=40)
async def test_a_shown_menu_can_be_pushed_as_it_is(menus: MenuPlatform, tmp_path: Path) -> None:
    odd = {"name": "退\u202e出\x9b", "type": "click", "key": "K", "sub_button": []}
    answer = {"menu": {"button": [odd], "menuid": 5}, "conditionalmenu": [{"button": []}]}
    menus.answers["/cgi-bin/menu/get"] = answer
    # A terminal of another language gets the same file.
    shown = await menus.menu("show", PYTHONIOENCODING="ascii")
    assert shown.code == 0
    assert "退\\u202e出\\u009b" in shown.out and "menuid" not in shown.out
    assert "conditional menus too" in one_line(Ended(1, "", shown.err), 1)
    again = shown.out.replace("\\u009b", "")
    pushed = await menus.menu("push", "-", given=b"\xef\xbb\xbf" + again.encode())
    assert pushed.code == 0 and pushed.out.startswith("menu of 1 button is up;")
    button = {"name": "退\u202e出", "type": "click", "key": "K"}
    assert menus.pushed == {"button": [button]}
    (tmp_path / "whole.json").write_text(json.dumps({"menu": {"button": [button], "menuid": 5}}))
    assert (await menus.menu("push", "whole.json")).code == 0
    assert menus.pushed == {"button": [button]}


@pytest.mark.gen_test(timeout=40)
async def test_each_click_that_no_rule_answers_is_named(
    menus: MenuPlatform, tmp_path: Path
) -> None:
    keys = ("HELP", "HOURS", "help", "HOURS")
    button = [{"name": "x", "type": "click", "key": key} for key in keys]
    button.append({"name": "x", "type": "scancode_push", "key": "SCAN"})
    given = json.dumps({"button": [{"name": "More", "sub_button": button}]}).encode()
    rule = '[[replies]]\non = "click:%s"\nreply = "yes"\n'
    (tmp_path / "wxbind.toml").write_text(rule % "HELP")
    ended = await menus.menu("push", "-", given=given)
    assert ended.code == 0
    assert ended.err.splitlines() == [
        f'wxbind: no reply rule answers a click with the key "{key}"' for key in ("HOURS", "help")
    ]
    (tmp_path / "wxbind.toml").write_text('[[replies]]\non = "any"\nreply = "yes"\n')
    assert (await menus.menu("push", "-", given=given)).err == ""


@pytest.mark.gen_test(timeout=40)
async def test_a_bad_menu_is_told_in_full_and_nothing_is_asked(
    menus: MenuPlatform, tmp_path: Path
) -> None:
    bad = {"button": [{"name": "帮助", "type": "clik", "key": "k" * 129}, {"type": "click"}]}
    (tmp_path / "bad.json").write_text(json.dumps(bad))
    ended = await menus.menu("push", "bad.json")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines() == [
        'wxbind: bad.json: button 1 "帮助": "clik" is no type; did you mean click?',
        'wxbind: bad.json: button 1 "帮助": key is longer than 128 bytes'
        " (it has 129; a Chinese character has 3)",
        "wxbind: bad.json: button 2: name is missing",
        "wxbind: bad.json: button 2: click needs key",
    ]
    empty = one_line(await menus.menu("push", "-"), 2)
    assert empty == "wxbind: standard input: is empty"
    (tmp_path / "bad.json").write_text('{\n"button": [}')
    assert "bad.json: is not JSON: line 2, column 12" in one_line(
        await menus.menu("push", "bad.json"), 2
    )
    endless = one_line(await menus.menu("push", "/dev/zero"), 2)
    assert endless == "wxbind: /dev/zero: is larger than 128 KiB"
    for missing in ("none.json", "."):
        problem = one_line(await menus.menu("push", missing), 2)
        assert problem.startswith(f"wxbind: {missing}: cannot be read: ")
    assert menus.asked == []


@pytest.mark.gen_test(timeout=40)
async def test_the_menu_needs_the_account_that_it_is_of(tmp_path: Path) -> None:
    (tmp_path / "menu.json").write_text(json.dumps(MENU))
    for words in (["show"], ["push", "menu.json"], ["clear"]):
        ended = await processes.run("menu", *words, folder=tmp_path)
        assert ended.code == 2
        for name in ("app_id", "app_secret"):
            assert sum(f"wxbind: {name}" in line for line in ended.err.splitlines()) == 1
    assert names(tmp_path) == ["menu.json"]


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        (
            "/cgi-bin/menu/create",
            {"errcode": 48001, "errmsg": "api unauthorized\nrid: 1\x1b[31m"},
            "/cgi-bin/menu/create: 48001: api unauthorized rid: 1[31m; The account may not",
        ),
        ("/cgi-bin/menu/create", {"errcode": 40018, "errmsg": "name"}, "change that button"),
        ("/cgi-bin/menu/create", "<html>502</html>", "no answer: the answer is not JSON; try"),
        (
            STABLE,
            {"errcode": 40164, "errmsg": "invalid ip 192.0.2.7"},
            "Add this server's address, named above",
        ),
        (
            STABLE,
            {"errcode": 40125, "errmsg": "invalid appsecret"},
            "appsecret; WeChat refuses the app secret. Please check app_secret",
        ),
        (
            STABLE,
            {"errcode": 40013, "errmsg": "invalid appid"},
            "appid; WeChat does not know the app id. Please check app_id",
        ),
    ],
)
async def test_a_refusal_of_the_platform_is_one_line_with_what_to_do(
    menus: MenuPlatform, path: str, answer: object, said: str
) -> None:
    menus.answers[path] = answer
    ended = await menus.menu("push", "-", given=json.dumps(MENU).encode())
    assert said in one_line(ended, 1)
    assert ended.out == ""


@pytest.mark.gen_test(timeout=40)
async def test_a_platform_that_is_not_there_is_one_line(menus: MenuPlatform) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    menus.flags[0] = f"--api-base=http://127.0.0.1:{port}"
    ended = await menus.menu("show")
    assert STABLE in one_line(ended, 1) and "try again" in ended.err


def test_help_and_version_are_answered(capsys: pytest.CaptureFixture[str]) -> None:
    verbs = ("serve", "account", "menu")
    for words in (["--help"], *([verb, "--help"] for verb in verbs), ["--version"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        assert ended.value.code == 0
    out = capsys.readouterr().out
    for verb in ("serve", "demo", "simulate", "config", "account", "menu", "--invite-seconds"):
        assert verb in out


SCRIPT = """
import asyncio, sys
from wx import cli
cli.GIVE_UP_SECONDS = 0.3

async def run(stopped):
    print("ready", flush=True)
    await stopped.wait()
    await asyncio.Event().wait()  # a stop that hangs

sys.exit(cli._run_until_signal(run))
"""


@pytest.mark.gen_test(timeout=20)
async def test_the_process_ends_also_when_the_stop_hangs(tmp_path: Path) -> None:
    assert cli.GIVE_UP_SECONDS <= 15
    script = tmp_path / "hang.py"
    script.write_text(SCRIPT)
    process = await processes.start_script(script)
    try:
        await process.line_with("ready")
        process.signal(signal.SIGTERM)
        assert (await process.ended()).code == 1
    finally:
        await process.kill()
