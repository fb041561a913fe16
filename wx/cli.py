"""The command line: ``wxbind VERB``; without a verb it serves."""

import argparse
import asyncio
import gc
import getpass
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from wx import __version__, config, logs, rules
from wx.clock import Clock, when
from wx.errors import ConfigError, PlatformError, Refused, StartError, StorageUnavailable

log = logging.getLogger(__name__)

WAIT_SECONDS = 60  # for what becomes of a notice, unless said otherwise
TEXT_BYTES = 64 * 1024  # of a notice's text on standard input; more than any may have
GIVE_UP_SECONDS = 15  # after the signal to stop, the process ends whatever hangs


def main(arguments: list[str] | None = None) -> int:
    """Run the verb; the exit code (interface document, Commands)."""
    words = sys.argv[1:] if arguments is None else arguments
    # Files that are made are their owner's alone.
    os.umask(0o077)
    options = _parse(words)
    try:
        code: int = options.run(options)
    except ConfigError as error:
        for problem in error.problems:
            print(f"wxbind: {problem}", file=sys.stderr)
        return error.exit_code
    except StartError as error:
        print(f"wxbind: {error}", file=sys.stderr)
        return error.exit_code
    except Refused as error:
        line = " ".join(
            _sentence(one % error.details) for one in (error.message, error.hint) if one
        )
        line = "".join(one if one.isprintable() else " " for one in line)
        print(f"wxbind: {line}", file=sys.stderr)
        return 1
    except (StorageUnavailable, OSError) as error:
        print(f"wxbind: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _parse(words: list[str]) -> argparse.Namespace:
    if (not words or words[0].startswith("-")) and not {"-h", "--help", "--version"} & set(words):
        words = ["serve", *words]
    options = _parsed(_spelled_out(words))
    if options.verb == "account" and (options.name is None) != (options.action == "list"):
        print("wxbind: account list takes no NAME, the others take one", file=sys.stderr)
        sys.exit(2)
    if options.verb == "key":
        _check_key_words(options)
    if options.verb == "menu" and (options.file is None) == (options.action == "push"):
        print("wxbind: menu push takes a FILE, the others take none", file=sys.stderr)
        sys.exit(2)
    if options.verb == "send":
        given = [one is not None for one in (options.text, options.template, options.data)]
        if given not in ([True, False, False], [False, True, True]):
            print("wxbind: send takes a TEXT, or --template with --data", file=sys.stderr)
            sys.exit(2)
        if options.wait is not None and not options.wait >= 0:
            print("wxbind: --wait takes a number of seconds", file=sys.stderr)
            sys.exit(2)
    return options


def _parsed(words: list[str]) -> argparse.Namespace:
    """The words of a verb, options and others in whatever order people put them."""
    parser = make_parser()
    (verbs,) = (
        action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    )
    verb = verbs.choices.get(words[0]) if words else None
    if verb is None:
        return parser.parse_args(words)  # which says what is wrong, or helps
    options: argparse.Namespace = verb.parse_intermixed_args(
        words[1:], argparse.Namespace(verb=words[0])
    )
    return options


def _spelled_out(words: list[str]) -> list[str]:
    """With its seconds after each bare ``--wait``, so that ``send --wait ann hi`` waits for no
    "ann" seconds."""
    if words[:1] != ["send"] or "--wait" not in words:
        return words
    place = words.index("--wait")
    try:
        float(words[place + 1])
    except (IndexError, ValueError):
        return [*words[:place], f"--wait={WAIT_SECONDS}", *words[place + 1 :]]
    return words


def _check_key_words(options: argparse.Namespace) -> None:
    """The name may also come after the scopes, where it looks like one more of them."""
    from wx.service.api_keys import SCOPES

    *scopes, last = options.scope or [""]
    if options.name is None and scopes and last not in SCOPES:
        options.name, options.scope = last, scopes
    problem = ""
    unknown = [one for one in options.scope or () if one not in SCOPES]
    if (options.name is None) != (options.action == "list"):
        problem = "key list takes no NAME, the others take one"
    elif (options.action == "add") != bool(options.scope):
        problem = f"key add takes --scope, the others do not; there are {' '.join(SCOPES)}"
    elif unknown:
        problem = f"there is no scope {unknown[0]!r}; there are {' '.join(SCOPES)}"
    elif options.action != "add" and (options.to is not None or options.expires is not None):
        problem = "--to and --expires are for key add"
    if problem:
        print(f"wxbind: {problem}", file=sys.stderr)
        sys.exit(2)


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong; the usual page of flags before it would bury that."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"wxbind: {message}; see {self.prog} --help\n")


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    keys = _key_parser()
    parser = _Parser(prog="wxbind", description="Ties accounts to WeChat.")
    parser.add_argument("--version", action="version", version=f"wxbind {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, help_text: str, run: Callable[[argparse.Namespace], int]) -> Any:
        made = verbs.add_parser(name, help=help_text, description=help_text, parents=[keys])
        made.set_defaults(run=run)
        return made

    verb("serve", "run the server (also with no verb)", _serve)
    verb("demo", "run server and simulator with a sample account", _demo)
    verb("simulate", "run the simulator alone", _simulate)
    shown = verb("config", "show the configuration in force, secrets masked", _config)
    shown.add_argument(
        "--sample", action="store_true", help=f"print a {config.FILE} to start from, and no more"
    )
    account = verb("account", "manage accounts", _account)
    account.add_argument(
        "action",
        choices=["add", "list", "passwd", "disable", "enable"],
        metavar="add|list|passwd|disable|enable",
    )
    account.add_argument("name", nargs="?", metavar="NAME")
    account.add_argument("--admin", action="store_true", help="with add: an administrator")
    account.add_argument(
        "--password-stdin", action="store_true", help="read the password from standard input"
    )
    key = verb("key", "manage the API keys of programs", _key)
    key.add_argument("action", choices=["add", "list", "revoke"], metavar="add|list|revoke")
    key.add_argument("name", nargs="?", metavar="NAME")
    key.add_argument(
        "--scope", nargs="+", action="extend", metavar="SCOPE", help="with add: what it may do"
    )
    key.add_argument(
        "--to", metavar="ACCOUNT", help="with add and the scope serverchan: whom it reaches"
    )
    key.add_argument("--expires", type=float, metavar="DAYS", help="with add: how long it holds")
    menu = verb("menu", "show the account's menu, put one up or take it away", _menu)
    menu.add_argument("action", choices=["show", "push", "clear"], metavar="show|push|clear")
    menu.add_argument(
        "file", nargs="?", metavar="FILE", help="with push: JSON; - is standard input"
    )
    _add_send(verb("send", "send a notice to the person behind an account", _send))
    return parser


def _add_send(send: argparse.ArgumentParser) -> None:
    """The words of ``send``."""
    send.add_argument("account", metavar="ACCOUNT", help="the account's name")
    send.add_argument("text", nargs="?", metavar="TEXT", help="- is standard input")
    send.add_argument("--template", metavar="ID", help="a template's id, instead of TEXT")
    send.add_argument("--data", metavar="JSON", help='its fields: {"thing1": "…"}')
    send.add_argument("--url", default="", help="where a tap leads")
    send.add_argument(
        "--channel", default="auto", choices=["auto", "custom", "template", "subscribe"]
    )
    send.add_argument(
        "--expires-in", type=float, metavar="SECONDS", help="that it may wait to be sent"
    )
    send.add_argument(
        "--dry-run", action="store_true", help="say what would be sent, and send nothing"
    )
    send.add_argument(
        "--wait",
        type=float,
        nargs="?",
        const=WAIT_SECONDS,
        metavar="SECONDS",
        help=f"for what becomes of it; {WAIT_SECONDS} unless said otherwise",
    )


def _key_parser() -> _Parser:
    """A flag for each configuration key."""
    parser = _Parser(add_help=False)
    group = parser.add_argument_group("configuration (see README)")
    group.add_argument("--config", metavar="FILE", help=f"the file; usually {config.FILE}")
    for key in config.KEYS:
        if key.file_only:
            continue
        help_text = key.meaning.replace("%", "%%")
        kind: dict[str, Any] = {"metavar": "…", "help": help_text, "dest": f"key_{key.name}"}
        if isinstance(key.default, bool):
            kind |= {"nargs": "?", "const": "true"}
        group.add_argument(key.flag, **kind)
    return parser


def _sources(options: argparse.Namespace) -> config.Sources:
    flags = {
        key.name: value
        for key in config.KEYS
        if (value := getattr(options, f"key_{key.name}", None)) is not None
    }
    return config.read(flags=flags, environ=os.environ, file=options.config)


def _config(options: argparse.Namespace) -> int:
    if options.sample:
        # Bytes: a file of TOML is UTF-8, whatever the terminal is.
        sys.stdout.buffer.write(rules.SAMPLE.read_bytes())
        return 0
    sources = _sources(options)
    settings = sources.settings()
    name_width = max(len(setting.name) for setting in settings)
    shown_width = min(40, max(len(setting.shown) for setting in settings))
    for one in settings:
        print(f"{one.name:<{name_width}}  {one.shown:<{shown_width}}  {one.source}")
    sources.config()
    return 0


def _serve(options: argparse.Namespace) -> int:
    configuration = _sources(options).config()
    logs.set_up(secrets=_secrets(configuration))
    if configuration.webhook_token and configuration.webhook_mode == "plain":
        if configuration.webhook_aes_key:
            advice = "although webhook_aes_key is set"
        else:
            advice = "set webhook_aes_key"
        log.warning("webhook_mode is plain: messages come unencrypted; %s", advice)

    async def run(stopped: asyncio.Event) -> None:
        from wx.app import Server  # the other verbs need no web server

        server = Server(configuration)
        await server.start()
        # What is loaded now stays: the collector need not walk through it each time.
        gc.freeze()
        try:
            print(f"listening on http://{_place(configuration.address, server.port)}", flush=True)
            await stopped.wait()
        finally:
            await server.stop()

    return _run_until_signal(run)


def _demo(options: argparse.Namespace) -> int:
    logs.set_up(level=logging.WARNING)

    async def run(stopped: asyncio.Event) -> None:
        from wx import demo

        chosen = _sources_of_demo(options)
        async with demo.run(**chosen) as text:
            print(text, flush=True)
            await stopped.wait()

    return _run_until_signal(run)


def _sources_of_demo(options: argparse.Namespace) -> dict[str, Any]:
    """The demo takes a few keys from flags, and nothing from elsewhere."""
    flags = {
        name: value
        for name in ("address", "port", "bind_route")
        if (value := getattr(options, f"key_{name}")) is not None
    }
    chosen = config.read(flags=flags, environ={}, file="/dev/null").config(complete=False)
    data_dir = options.key_data_dir
    return {
        "address": chosen.address,
        "port": chosen.port,
        "data_dir": Path(data_dir) if data_dir else None,
        "bind_route": chosen.bind_route,
    }


def _simulate(options: argparse.Namespace) -> int:
    logs.set_up(level=logging.WARNING)
    flags = {"address": options.key_address, "port": options.key_port or "8001"}
    chosen = config.read(
        flags={name: value for name, value in flags.items() if value}, environ={}, file="/dev/null"
    ).config(complete=False)

    async def run(stopped: asyncio.Event) -> None:
        from wx.simulator.app import Simulator
        from wx.web import qr
        from wx.web.routes import load_languages

        load_languages()
        simulator = Simulator(clock=Clock(), draw_code=qr.svg)
        try:
            await simulator.start(address=chosen.address, port=chosen.port)
        except OSError as error:
            place = _place(chosen.address, chosen.port)
            raise StartError(f"cannot listen on {place}: {error.strerror}") from None
        try:
            base = simulator.base_url
            print(f"listening on {base}")
            print(f"api_base, open_base and mp_base: {base}", flush=True)
            print(f"app_id {simulator.app_id}, app_secret {simulator.app_secret}", flush=True)
            webhook = '{"url": "http://127.0.0.1:8000/wechat", "token": "TOKEN"}'
            print(f"to set the webhook: curl {base}/admin/webhook -d '{webhook}'", flush=True)
            await stopped.wait()
        finally:
            await simulator.stop()

    return _run_until_signal(run)


def _account(options: argparse.Namespace) -> int:
    configuration = _sources(options).config(complete=False)
    password = ""
    if options.action in ("add", "passwd"):
        password = _ask_password(options.password_stdin)
    return asyncio.run(_account_work(configuration, options, password))


async def _account_work(
    configuration: config.Config, options: argparse.Namespace, password: str
) -> int:
    from wx.service.accounts import Accounts
    from wx.service.passwords import Passwords
    from wx.store import database
    from wx.store.database import Database

    hasher = Passwords()
    try:
        async with await Database.open(configuration.data_dir / database.FILE) as store:
            accounts = Accounts(store, Clock(), hasher)
            name = options.name or ""
            if options.action == "list":
                _print_accounts(await accounts.list_all())
                return 0
            if options.action == "add":
                name = (await accounts.add(name, password, admin=options.admin)).name
                print(f"account {name} added")
            elif options.action == "passwd":
                await accounts.change_password(name, password)
                print(f"password of {name} changed; all its sessions have ended")
            elif options.action == "disable":
                await accounts.disable(name)
                print(f"account {name} disabled; all its sessions have ended")
            else:
                await accounts.enable(name)
                print(f"account {name} enabled")
    finally:
        hasher.close()
    return 0


def _print_accounts(rows: list[Any]) -> None:
    for row in rows:
        marks = [mark for mark, on in (("admin", row.admin), ("disabled", row.disabled_at)) if on]
        print(row.name + (f" ({', '.join(marks)})" if marks else ""))
    if not rows:
        print("no accounts yet; make one with: wxbind account add NAME", file=sys.stderr)


def _key(options: argparse.Namespace) -> int:
    configuration = _sources(options).config(complete=False)
    return asyncio.run(_key_work(configuration, options))


async def _key_work(configuration: config.Config, options: argparse.Namespace) -> int:
    from wx.service.api_keys import ApiKeys
    from wx.store import accounts, database
    from wx.store.database import Database

    async with await Database.open(configuration.data_dir / database.FILE) as store:
        keys = ApiKeys(store, Clock())
        if options.action == "list":
            names = {one.id: one.name for one in await store.read(accounts.list_all)}
            _print_keys(await keys.list_all(), names)
        elif options.action == "revoke":
            await keys.revoke(options.name)
            print(f"key {options.name} revoked")
        else:
            made = await keys.add(
                options.name,
                options.scope,
                account=options.to or "",
                expires_in=None if options.expires is None else options.expires * 86400,
            )
            # The key alone on standard output: KEY=$(wxbind key add …) takes it.
            print(made)
            print(f"key {options.name} added; it is shown this once", file=sys.stderr)
    return 0


def _print_keys(rows: list[Any], names: dict[int, str]) -> None:
    """A line for each key.

    Args:
        names: the accounts', by number.
    """

    def day(at: float | None, otherwise: str) -> str:
        return otherwise if at is None else when(at)

    table = [("name", "key", "scopes", "last used", "expires", "revoked")]
    for row in rows:
        scopes = ",".join(sorted(row.scopes))
        if row.account_id is not None:
            scopes += f" to {names.get(row.account_id, '?')}"
        ends = day(row.expires_at, "-")
        over = day(row.revoked_at, "-")
        table.append((row.name, f"{row.prefix}…", scopes, day(row.used_at, "never"), ends, over))
    if not rows:
        print(
            "no keys yet; make one with: wxbind key add NAME --scope notices:write", file=sys.stderr
        )
        return
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        print(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        )


def _ask_password(from_input: bool) -> str:
    if from_input:
        try:
            return sys.stdin.buffer.readline().decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise Refused(400, "not-text", "The password is not UTF-8 text.") from None
    if not sys.stdin.isatty():
        raise Refused(400, "no-terminal", "No terminal to ask at; use --password-stdin.")
    try:
        password = getpass.getpass("Password: ")
        again = getpass.getpass("Again: ")
    except EOFError:
        raise Refused(400, "no-password", "No password was typed.") from None
    if again != password:
        raise Refused(400, "not-the-same", "The two are not the same.")
    return password


def _menu(options: argparse.Namespace) -> int:
    from wx.protocol import menu

    configuration = _sources(options).config()
    logs.set_up(secrets=_secrets(configuration), level=logging.WARNING)
    pushed: dict[str, Any] = {}
    if options.action == "push":
        name = "standard input" if options.file == "-" else options.file
        try:
            pushed = menu.read(_content(options.file, limit=menu.FILE_LIMIT + 1))
        except OSError as error:
            print(f"wxbind: {name}: cannot be read: {error.strerror}", file=sys.stderr)
            return 2
        except menu.BadMenu as error:
            for problem in error.problems:
                print(f"wxbind: {name}: {problem}", file=sys.stderr)
            return 2
    return asyncio.run(_menu_work(configuration, options.action, pushed))


def _content(file: str, *, limit: int) -> bytes:
    """The first ``limit`` bytes of a file, or of standard input."""
    if file == "-":
        return sys.stdin.buffer.read(limit)
    with Path(file).open("rb") as opened:
        return opened.read(limit)


async def _menu_work(configuration: config.Config, action: str, pushed: dict[str, Any]) -> int:
    from wx.wechat.access_token import AccessTokenKeeper
    from wx.wechat.client import Client
    from wx.wechat.menu import Menus, advice
    from wx.wechat.transport import Transport

    # Each of its calls has a deadline, and there are four of them at most.
    transport = Transport(configuration.api_base, connections=1)
    keeper = AccessTokenKeeper(
        transport,
        Clock(),
        app_id=configuration.app_id,
        app_secret=configuration.app_secret,
        # Also where access_token_mode is classic: a classic call here would retire the access
        # token that the running server holds; this one leaves every other as it is.
        mode="stable",
    )
    menus = Menus(Client(transport, keeper))
    try:
        if action == "show":
            return _print_menu(await menus.show())
        if action == "push":
            await menus.push(pushed)
            _print_pushed(pushed, configuration.replies)
        else:
            await menus.clear()
            print("the menu is gone, conditional ones too; phones notice within five minutes")
    except PlatformError as error:
        line = "".join(one if one.isprintable() else " " for one in f"{error}{advice(error)}")
        print(f"wxbind: {line}", file=sys.stderr)
        return 1
    finally:
        await keeper.close()
        transport.close()
    return 0


def _print_menu(found: dict[str, Any] | None) -> int:
    from wx.protocol import menu

    if found is None:
        # A failure, so that `menu show > FILE && …` doesn't go on with an empty file.
        print(
            "wxbind: there is no menu (one made in WeChat's console is not shown)", file=sys.stderr
        )
        return 1
    # Bytes: the file is UTF-8 whatever the terminal's language is.
    sys.stdout.buffer.write(menu.write(menu.bare(found)))
    sys.stdout.buffer.flush()
    if found.get("conditionalmenu"):
        print("wxbind: there are conditional menus too, which are not shown", file=sys.stderr)
    return 0


def _print_pushed(pushed: dict[str, Any], replies: Iterable[rules.Rule]) -> None:
    from wx.protocol import menu
    from wx.service.replies import WORDS

    count = len(pushed["button"])
    shown = f"{count} button{'s' if count > 1 else ''}"
    print(f"menu of {shown} is up; phones show it within five minutes", flush=True)
    for key in menu.keys(pushed, of={"click"}):
        if key.casefold() not in WORDS and not any(
            rules.fits(rule, "click", key=key) for rule in replies
        ):
            print(f'wxbind: no reply rule answers a click with the key "{key}"', file=sys.stderr)


def _send(options: argparse.Namespace) -> int:
    from wx import send
    from wx.service.draft import Draft

    configuration = _sources(options).config(complete=False)
    if not configuration.app_id:
        raise ConfigError(["app_id: is required"])
    fields: dict[str, str] = {}
    if options.data is not None:
        try:
            fields = _fields(options.data)
        except (ValueError, RecursionError):
            print('wxbind: --data is no JSON of the form {"thing1": "…"}', file=sys.stderr)
            return 2
    draft = Draft(
        text=_text(options.text or ""),
        url=options.url,
        template_id=options.template or "",
        fields=fields,
        wish=options.channel,
        expires_in=options.expires_in,
    )
    logs.set_up(secrets=_secrets(configuration), level=logging.WARNING)
    if options.dry_run:
        return asyncio.run(send.dry_run(configuration, options.account, draft))
    return asyncio.run(send.send(configuration, options.account, draft, wait=options.wait))


def _fields(data: str) -> dict[str, str]:
    """The fields of a template, as ``--data`` gives them.

    Raises:
        ValueError, RecursionError: it is something else.
    """
    fields = json.loads(data)
    if not isinstance(fields, dict) or not all(isinstance(one, str) for one in fields.values()):
        raise ValueError
    return fields


def _text(given: str) -> str:
    """The text of a notice, from standard input where it is ``-``."""
    try:
        if given == "-":
            return _content("-", limit=TEXT_BYTES).decode("utf-8")
        given.encode()  # bytes of another encoding come as halves of characters
    except UnicodeError:
        raise Refused(400, "not-text", "The text is not UTF-8.") from None
    return given


def _run_until_signal(run: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    """Run until SIGINT or SIGTERM; then the process ends by itself, or is ended."""

    # A thread that draws a code, or reads the database, gives way to the loop after 1 ms, not 5.
    sys.setswitchinterval(0.001)

    async def work() -> None:
        stopped = asyncio.Event()

        def stop() -> None:
            stopped.set()
            last_resort = threading.Timer(GIVE_UP_SECONDS, os._exit, [1])
            last_resort.daemon = True
            last_resort.start()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        await run(stopped)

    asyncio.run(work())
    return 0


def _secrets(configuration: config.Config) -> list[str]:
    return [
        value for key in config.KEYS if key.secret and (value := getattr(configuration, key.name))
    ]


def _place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
