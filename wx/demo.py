"""The demo: server and simulator in one process, with a sample account and throw-away data."""

import contextlib
import json
import logging
import os
import secrets
import shlex
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from wx import config
from wx.app import Server
from wx.clock import Clock
from wx.errors import Refused
from wx.service.accounts import Accounts
from wx.service.api_keys import ApiKeys
from wx.service.passwords import Passwords
from wx.simulator.app import Simulator
from wx.simulator.scripts import SDK_PATH
from wx.simulator.world import random_text
from wx.store import database
from wx.store.database import Database
from wx.web import qr

log = logging.getLogger(__name__)

ACCOUNTS = ("ann", "bob")
API_KEY = "demo"
FILE = "demo.toml"  # the demo's configuration, for other verbs
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


@asynccontextmanager
async def run(
    *, address: str, port: int, data_dir: Path | None, bind_route: str
) -> AsyncIterator[str]:
    """Run the demo; gives the text that tells what to do.

    Args:
        port: the server's; the simulator takes the next. Others where they are taken.
        data_dir: where to keep the data; None for a folder that is removed at the end.
        bind_route: as in the configuration: the simulated account may do both.
    """
    async with AsyncExitStack() as stack:
        if data_dir is None:
            data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wxbind-")))
        port = _free(address, port)
        simulator = Simulator(clock=Clock(), account_name="wxbind demo", draw_code=qr.svg)
        await simulator.start(address=address, port=_free(address, port + 1 if port else 0))
        stack.push_async_callback(simulator.stop)
        keys = {
            "address": address,
            "port": str(port),
            "data_dir": str(data_dir.resolve()),
            "site_name": "Example",
            "app_id": simulator.app_id,
            "app_secret": simulator.app_secret,
            "api_base": simulator.base_url,
            "open_base": simulator.base_url,
            "mp_base": simulator.base_url,
            "avatar_origins": simulator.base_url,
            "notice_template": f"{simulator.template_id}:thing1,time2",
            "bind_route": bind_route,
            "pictures": "true",
            "keep_media": "true",
            "js_sdk_url": f"{simulator.base_url}{SDK_PATH}",
            "webhook_token": secrets.token_hex(12),
            "webhook_aes_key": random_text(43),
        }
        password, api_key = await _sample_data(data_dir)
        sources = config.read(flags={}, environ={}, file=str(_config_file(data_dir, keys)))
        server = Server(sources.config(), demo_phone=f"{simulator.base_url}/phone/scan")
        await server.start()
        stack.push_async_callback(server.stop)
        # As the console does it: the platform asks first, and delivers from then on.
        await simulator.set_webhook(
            f"{server.config.public_url}/wechat",
            token=keys["webhook_token"],
            aes_key=keys["webhook_aes_key"],
            mode=server.config.webhook_mode,
        )
        simulator.js_hosts = [server.config.public_host]
        simulator.world.menu = _menu(server.config.public_url)
        yield _text(server.config.public_url, simulator.base_url, password, api_key, data_dir)


def _config_file(data_dir: Path, keys: dict[str, str]) -> Path:
    """The demo's configuration, as a file that other verbs can be given."""
    path = data_dir / FILE
    lines = [f"{name} = {json.dumps(value)}" for name, value in keys.items()]
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def _menu(site: str) -> dict[str, Any]:
    """The account's menu: the built-in words as buttons, the site, and what only a phone can do."""
    words = [("绑定 Bind", "bind"), ("状态 Status", "status"), ("解绑 Unbind", "unbind")]
    return {
        "button": [
            {
                "name": "账号 Me",
                "sub_button": [{"type": "click", "name": name, "key": key} for name, key in words],
            },
            {"type": "view", "name": "网站 Site", "url": f"{site}/enter"},
            {
                "name": "更多 More",
                "sub_button": [
                    {"type": "view", "name": "图片 Pictures", "url": f"{site}/enter?to=pictures"},
                    {"type": "location_select", "name": "发送位置 Place", "key": "place"},
                    {"type": "pic_sysphoto", "name": "拍照 Photo", "key": "photo"},
                ],
            },
        ]
    }


async def _sample_data(data_dir: Path) -> tuple[str, str]:
    """Make the sample accounts, or give them a new password, and an API key; password and key."""
    letters = "".join(secrets.choice(_LETTERS) for _ in range(16))
    password = "-".join(letters[start : start + 4] for start in range(0, 16, 4))
    hasher = Passwords()
    try:
        async with await Database.open(data_dir / database.FILE) as store:
            accounts = Accounts(store, Clock(), hasher)
            for name in ACCOUNTS:
                with contextlib.suppress(Refused):
                    await accounts.add(name, password)
                    continue
                await accounts.change_password(name, password)
            keys = ApiKeys(store, Clock())
            with contextlib.suppress(Refused):
                await keys.revoke(API_KEY)
            api_key = await keys.add(API_KEY, ["notices:write", "notices:read"])
    finally:
        hasher.close()
    return password, api_key


def _free(address: str, port: int) -> int:
    """``port`` if it can be had, else 0, which lets the system pick one."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return 0
    return port


def _program() -> str:
    """How this program is called, from the folder that it was started in."""
    name = sys.argv[0]
    words = [sys.executable, name] if name.endswith(".py") else [name]
    here = f"{Path.cwd()}{os.sep}"
    return shlex.join(word.removeprefix(here) for word in words)


def _text(server: str, phone: str, password: str, api_key: str, data_dir: Path) -> str:
    file = shlex.quote(str(data_dir / FILE))
    return f"""
wxbind demo

  1. the site 网站           {server}/login
     log in as 用户名        ann
     password 密码           {password}
  2. virtual phone 虚拟手机  {phone}/

打开第一个地址并登录，绑定页会显示二维码。点它下方的“打开虚拟手机”，在手机上关注，
看电脑上的页面自己变成“绑定成功”。在聊天里发文字、语音、图片、位置，点底部的菜单，
发送“状态”或“解绑”。加 --bind-route oauth 可试另一条路：先关注，再扫码同意。bob 用同一个密码。
菜单“网站”不用登录就能进：没绑定的人在手机上输入用户名和密码，登录并绑定；“更多 → 图片”用
JS-SDK 选一张图片。绑定以后，在电脑上退出登录，登录页会显示二维码：扫一下，在手机上确认，
不用密码就登录了。还可以发通知，看它出现在手机上，看绑定页上它的状态自己改变：

Open the first address and log in; the bind page shows a code. Press "Open the virtual phone"
below it, follow the account there, and watch the page change by itself. In the chat, send texts,
voice, pictures, a place, tap the menu at the foot, send "status" or "unbind". With --bind-route
oauth the demo plays the other route: follow, then scan and agree. bob has the same password.
The menu's "Site" needs no password: who is not bound signs in on the phone, and binds by that;
"More, Pictures" picks a picture by the JS-SDK. Once ann is bound, log out at the desktop: the
login page now shows a code; scan it, confirm on the phone, and you are in without a password.
And send her a notice, and watch it appear on the phone and its state change on the bind page.
In another terminal, in the same folder:

  {_program()} send ann "backup finished" --wait --config {file}
  curl {server}/api/v1/notices -H "Authorization: Bearer {api_key}" \\
    -d '{{"to": "ann", "text": "disk almost full"}}'

按 Ctrl-C 结束。Ctrl-C ends the demo.
"""
