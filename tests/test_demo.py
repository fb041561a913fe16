"""The demo, as somebody meets it who has never seen the program."""

import re
import signal
import socket
from pathlib import Path

import pytest

from tests import processes
from tests.world import Desktop


def addresses(text: str) -> tuple[str, str, str]:
    """Site, phone and password out of what the demo prints."""
    site = re.search(r"(http://\S+)/login\n", text)
    phone = re.search(r"virtual phone.*\s(http://\S+)", text)
    password = re.search(r"password.*\s(\S{12,})\n", text)
    assert site and phone and password, text
    return site[1], phone[1], password[1]


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.gen_test(timeout=40)
async def test_it_says_what_to_open_and_the_password_works_and_ctrl_c_ends_it(
    tmp_path: Path,
) -> None:
    demo = await processes.start("demo", "--port", "0", folder=tmp_path)
    desktop = None
    try:
        await demo.line_with("Ctrl-C")
        site, phone, password = addresses("".join(demo.lines))
        assert re.search(r"log in as.*\sann\n", "".join(demo.lines))
        desktop = Desktop(site)
        for name in ("ann", "bob"):
            assert (await desktop.log_in(name, password)).code == 303
            page = (await desktop.fetch("/bind")).body.decode()
            assert "data-demo-phone" in page and phone.rstrip("/") in page
        assert (await desktop.fetch(phone)).code in (200, 302)
        demo.signal(signal.SIGINT)
        ended = await demo.ended()
        assert (ended.code, ended.err) == (0, "")
        assert names(tmp_path) == [], "its data is thrown away"
    finally:
        if desktop:
            desktop.close()
        await demo.kill()


@pytest.mark.gen_test(timeout=40)
async def test_it_takes_other_ports_where_its_own_are_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        demo = await processes.start("demo", "--port", str(port), folder=tmp_path)
        try:
            await demo.line_with("Ctrl-C")
            site, phone, _ = addresses("".join(demo.lines))
            assert str(port) not in site and str(port) not in phone
            demo.signal(signal.SIGTERM)
            assert (await demo.ended()).code == 0
        finally:
            await demo.kill()


@pytest.mark.gen_test(timeout=40)
async def test_with_a_folder_the_data_stays_and_the_password_is_new(tmp_path: Path) -> None:
    passwords = []
    for _ in range(2):
        words = ("demo", "--port", "0", "--data-dir", "kept")
        demo = await processes.start(*words, folder=tmp_path)
        desktop = None
        try:
            await demo.line_with("Ctrl-C")
            site, _, password = addresses("".join(demo.lines))
            passwords.append(password)
            desktop = Desktop(site)
            assert (await desktop.log_in("ann", password)).code == 303
            demo.signal(signal.SIGINT)
            assert (await demo.ended()).code == 0
        finally:
            if desktop:
                desktop.close()
            await demo.kill()
    assert passwords[0] != passwords[1]
    assert (tmp_path / "kept" / "wxbind.db").exists()
