"""The verb ``menu`` as an operator meets it: the real program in a process of its own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop
from tornado.web import RequestHandler

from tests import processes
from tests.processes import Ended
from tests.support import free_port
from tests.verbs.steps import flags, names, one_line
from tests.wechat.conftest import Platform
from tests.world import World

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
    menus.flags[0] = f"--api-base=http://127.0.0.1:{free_port()}"
    ended = await menus.menu("show")
    assert STABLE in one_line(ended, 1) and "try again" in ended.err


@pytest.mark.gen_test(timeout=40)
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["frobnicate"],
        ["push"],
        ["show", "menu.json"],
        ["clear", "-"],
    ],
)
async def test_wrong_use_is_told_in_one_line(tmp_path: Path, words: list[str]) -> None:
    one_line(await processes.run("menu", *words, folder=tmp_path), 2)
    assert names(tmp_path) == []
