"""Signing in and out, as a browser and as an attacker."""

import asyncio
import re
from http.cookies import SimpleCookie

import pytest
from tornado.httpclient import HTTPResponse

from tests.world import PASSWORD, Desktop, World
from wx.service.passwords import Passwords

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def stripped(answer: HTTPResponse) -> tuple[int, bytes, list[str]]:
    """Everything of an answer that does not differ from request to request by itself."""
    body = re.sub(rb'name="_xsrf" value="[^"]*"', b"", answer.body)
    names = sorted(
        f"{name}: {value}"
        for name, value in answer.headers.get_all()
        if name not in ("Date", "Set-Cookie")
    )
    return answer.code, body, [one for one in names if not one.startswith("Etag")]


def cookies(answer: HTTPResponse) -> SimpleCookie:
    jar: SimpleCookie = SimpleCookie()
    for line in answer.headers.get_list("Set-Cookie"):
        jar.load(line)
    return jar


@pytest.mark.gen_test(timeout=20)
async def test_unknown_wrong_and_disabled_are_answered_with_the_same_bytes(world: World) -> None:
    await world.add_account("carl")
    world.rows("UPDATE accounts SET disabled_at = 1 WHERE name = 'carl'")
    answers = []
    for name, password in (
        ("nobody", PASSWORD),
        ("ann", "wrong"),
        ("carl", PASSWORD),
        ("carl", "wrong"),
        ("", ""),
        ("ann", ""),
        ("ann", PASSWORD + "x" * 300),
        ("a" * 5000, "b" * 5000),
        ("x' OR 1=1 --", "x"),
        ("\0\ud7ff\uffff", "\0"),
    ):
        answers.append(stripped(await world.desktop().log_in(name, password)))
        world.server.services.sessions._throttle._records.clear()
    assert answers[0][0] == 401
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("name", ["ann", "nobody"])
async def test_five_failures_slow_the_sixth_down_and_then_it_is_429(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    real, waits = asyncio.sleep, []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await real(0)

    desktop = world.desktop()
    for _ in range(5):
        assert (await desktop.log_in(name, "wrong")).code == 401
    monkeypatch.setattr("wx.service.sessions.asyncio.sleep", sleep)
    assert (await desktop.log_in(name, "wrong")).code == 401
    assert 2 in waits
    answer = await desktop.log_in(name, "wrong")
    assert answer.code == 429
    seconds = int(answer.headers["Retry-After"])
    assert 2 < seconds <= 10
    assert "Too many tries" in answer.body.decode()
    world.clock.advance(seconds)
    assert (await desktop.log_in(name, "wrong")).code == 401
    assert int((await desktop.log_in(name, "wrong")).headers["Retry-After"]) > seconds
    assert world.rows("SELECT * FROM sessions") == []


@pytest.mark.gen_test(timeout=20)
async def test_the_owner_s_browser_is_not_slowed_by_an_attack_from_elsewhere(world: World) -> None:
    owner = await world.signed_in()
    await owner.post("/logout")
    assert "device" in owner.cookies
    attacker = world.desktop()
    token = await attacker.xsrf()
    codes = [
        (await attacker.post("/login", token=token, username="ann", password="wrong")).code
        for _ in range(8)
    ]
    assert codes[-1] == 429
    assert (await owner.log_in()).code == 303


@pytest.mark.gen_test(timeout=30)
async def test_more_sign_ins_at_once_than_can_wait_are_told_to_come_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    gate, lock = threading.Event(), threading.Lock()
    counts = {"now": 0, "most": 0}

    def slow(password: str, kept: str) -> bool:
        with lock:
            counts["now"] += 1
            counts["most"] = max(counts["most"], counts["now"])
        gate.wait(10)
        with lock:
            counts["now"] -= 1
        return False

    monkeypatch.setattr("wx.service.passwords._verify", slow)
    monkeypatch.setattr("wx.service.throttle.FREE_FAILURES_OF_ADDRESS", 1000)
    desktop = world.desktop()
    token = await desktop.xsrf()
    answered = asyncio.Event()

    async def one(number: int) -> int:
        answer = await desktop.post("/login", token=token, username=f"n{number}", password="x")
        answered.set()
        return answer.code

    tries = [asyncio.ensure_future(one(number)) for number in range(40)]
    await answered.wait()
    assert (await desktop.fetch("/healthz")).code == 200, "others are served meanwhile"
    while sum(task.done() for task in tries) < 18:
        answered.clear()
        await answered.wait()
    gate.set()
    codes = await asyncio.gather(*tries)
    assert sorted(codes) == [401] * 22 + [429] * 18
    assert counts["most"] == 2


@pytest.mark.gen_test(timeout=20)
async def test_the_cookies_of_a_sign_in_are_out_of_reach_of_scripts_and_other_sites(
    world: World,
) -> None:
    desktop = world.desktop()
    before = cookies(await desktop.fetch("/login"))["xsrf"]
    assert before["httponly"] and before["samesite"] == "Lax" and before["path"] == "/"
    token = desktop.cookies["xsrf"]
    answer = await desktop.log_in()
    jar = cookies(answer)
    assert {"session", "device"} <= set(jar)
    for name in ("session", "device"):
        one = jar[name]
        assert one["httponly"] and one["samesite"] == "Lax" and one["path"] == "/"
        assert not one["secure"] and not one["domain"]
        assert int(one["max-age"]) > 0
    assert jar["xsrf"].value == "", "whoever knew the visitor's must not know the account's"
    await desktop.fetch("/bind")
    assert desktop.cookies["xsrf"] != token


@pytest.mark.gen_test(timeout=20)
async def test_over_https_the_cookies_are_secure_and_bound_to_the_host(world: World) -> None:
    await world.reconfigure(public_url="https://wx.example.com")
    desktop = Desktop(f"http://127.0.0.1:{world.server.port}")
    world.desktops.append(desktop)
    desktop.headers["Host"] = "wx.example.com"
    before = cookies(await desktop.fetch("/login?lang=en"))
    assert set(before) == {"__Host-xsrf", "__Host-lang"}
    answer = await desktop.log_in()
    assert answer.code == 303
    jar = cookies(answer)
    assert {"__Host-session", "__Host-device"} <= set(jar)
    for one in [*before.values(), *jar.values()]:
        assert one["secure"] and one["httponly"] and one["samesite"] == "Lax"
        assert one["path"] == "/" and not one["domain"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert (await desktop.fetch("/bind")).code == 200
    plain = Desktop(desktop.base)
    world.desktops.append(plain)
    plain.headers["Host"] = "wx.example.com"
    plain.cookies["session"] = desktop.cookies["__Host-session"]
    assert (await plain.fetch("/bind")).code == 303, "a sister site can set that name"


@pytest.mark.gen_test(timeout=20)
async def test_signing_in_leads_to_the_card_and_signing_out_back(world: World) -> None:
    desktop = world.desktop()
    assert (await desktop.fetch("/bind")).headers["Location"] == "/login"
    answer = await desktop.log_in()
    assert (answer.code, answer.headers["Location"]) == (303, "/bind")
    assert (await desktop.fetch("/login")).headers["Location"] == "/bind"
    assert (await desktop.fetch("/")).headers["Location"] == "/bind"
    out = await desktop.post("/logout")
    assert (out.code, out.headers["Location"]) == (303, "/login")
    assert "session" not in desktop.cookies
    assert (await desktop.fetch("/bind")).code == 303
    assert world.rows("SELECT * FROM sessions") == []


@pytest.mark.gen_test(timeout=20)
async def test_a_wish_for_another_page_from_outside_is_not_followed(world: World) -> None:
    desktop = world.desktop()
    token = await desktop.xsrf("/login?next=//evil.example")
    body = f"_xsrf={token.replace('|', '%7C')}&username=ann&password={PASSWORD.replace(' ', '+')}"
    answer = await desktop.fetch(
        "/login?next=//evil.example", method="POST", body=body, headers=FORM
    )
    assert (answer.code, answer.headers["Location"]) == (303, "/bind")


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("field", ["username", "password"])
async def test_no_field_may_come_twice(world: World, field: str) -> None:
    desktop = world.desktop()
    token = await desktop.xsrf()
    body = f"_xsrf={token.replace('|', '%7C')}&username=ann&password=x&{field}=y"
    answer = await desktop.fetch("/login", method="POST", body=body, headers=FORM)
    assert answer.code == 400


@pytest.mark.gen_test(timeout=20)
async def test_a_password_is_taken_as_it_is_typed(world: World) -> None:
    typed = "  spaces\tand\x01marks & 密码 = % + ; "
    await world.add_account("carl", typed)
    assert (await world.desktop().log_in("carl", typed)).code == 303
    assert (await world.desktop().log_in("carl", typed.strip())).code == 401
    assert (await world.desktop().log_in("CARL", typed)).code == 303, "a name has no case"


@pytest.mark.gen_test(timeout=20)
async def test_the_page_repeats_neither_name_nor_password(world: World) -> None:
    answer = await world.desktop().log_in("<b>mallory</b>", "hunter2-hunter2")
    assert answer.code == 401
    assert b"mallory" not in answer.body and b"hunter2" not in answer.body


@pytest.mark.gen_test(timeout=20)
async def test_signing_out_needs_the_form_s_token(world: World) -> None:
    desktop = await world.signed_in()
    assert (await desktop.fetch("/logout", method="POST", body="", headers=FORM)).code == 403
    assert (await desktop.fetch("/logout")).code == 405
    assert (await desktop.fetch("/bind")).code == 200


@pytest.mark.gen_test(timeout=20)
async def test_a_slow_hash_does_not_tell_whether_the_name_exists(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[bool] = []
    real = Passwords._run

    async def watched(self: Passwords, work: object, *args: str) -> object:
        checked.append(True)
        return await real(self, work, *args)  # type: ignore[arg-type]

    await world.desktop().log_in("nobody", "warm up")
    monkeypatch.setattr(Passwords, "_run", watched)
    await world.desktop().log_in("nobody", "wrong")
    unknown = len(checked)
    await world.desktop().log_in("ann", "wrong")
    assert unknown == len(checked) - unknown == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_form_with_an_old_token_signs_nobody_in_and_is_shown_again(world: World) -> None:
    desktop = world.desktop()
    old = await desktop.xsrf()
    assert (await desktop.log_in()).code == 303
    kept = dict(desktop.cookies)
    answer = await desktop.post("/login", token=old, username="bob", password=PASSWORD)
    assert answer.code == 403 and desktop.cookies["session"] == kept["session"]
    page = answer.body.decode()
    assert "This page was open for too long" in page and 'name="username"' in page
    token = re.search(r'name="_xsrf" value="([^"]+)"', page)
    assert token
    again = await desktop.post("/login", token=token[1], username="bob", password=PASSWORD)
    assert again.code == 303


@pytest.mark.gen_test(timeout=20)
async def test_the_note_of_an_unbinding_shows_for_its_own_word_and_holds_nothing_else(
    world: World,
) -> None:
    desktop = world.desktop()
    note = "Unbound, and logged out: this browser was logged in by that WeChat."
    plain = (await desktop.fetch("/login")).body.decode()
    assert note not in plain and "data-done" not in plain
    for language, sentence in (("en", note), ("zh-CN", "已解除绑定并退出登录")):
        page = await world.desktop(language=language).fetch(
            "/login?done=removed&name=mallory&said=%3Cb%3Emallory"
        )
        assert page.code == 200 and sentence in page.body.decode()
        assert b"mallory" not in page.body
    said = (await desktop.fetch("/login?done=removed")).body.decode()
    marks = r'name="_xsrf" value="[^"]*"|<p class="note good" role="status"[^>]*>[^<]*</p>\s*'
    left = [" ".join(re.sub(marks, "", page).split()) for page in (said, plain)]
    assert left[0] == left[1], "nothing else of it is shown"
    for word in ("Removed", "removed.", "test", "%3Cb%3E", "removed&done=removed", "removed%0a"):
        answer = await desktop.fetch(f"/login?done={word}")
        assert answer.code == 400 and note not in answer.body.decode(), word
    wrong = await desktop.post("/login?done=removed", username="ann", password="wrong")
    assert note not in wrong.body.decode(), "nor above what was wrong with a form"


@pytest.mark.gen_test(timeout=20)
async def test_who_unbinds_the_wechat_that_let_them_in_is_logged_out_and_told(
    world: World,
) -> None:
    await world.bound()
    phone = world.simulator.phone("wang")
    phone.browser.language = "en"
    page = await phone.open(f"{world.base}/enter")
    form = next(n for n, form in enumerate(page.forms) if form.action == "/bind/remove")
    done = await phone.submit(page, form)
    assert done.url == f"{world.base}/login?done=removed"
    assert "this browser was logged in by that WeChat" in done.text
    assert phone.browser.jar.get(world.base, "session") is None
    desktop = await world.bound()
    answer = await desktop.post("/bind/remove")
    assert (answer.code, answer.headers["Location"]) == (303, "/bind?done=removed")
    assert (await desktop.fetch("/bind")).code == 200, "who knew the password stays"
