"""The floors: imports point down only, and what is dangerous stays in the room made for it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GROUND = {
    *("errors", "failpoint", "clock", "secret", "config", "values", "rules"),
    *("model", "logs", "paths"),
}
ROOF = {"app", "composition", "timers", "cli", "verbs", "demo"}
FLOORS = {"protocol": 1, "store": 2, "wechat": 2, "simulator": 2, "service": 3, "web": 4}

# Who alone may import a package.
FENCES = {
    "aiosqlite": {"wx/store/"},
    "sqlite3": {"wx/store/", "wx/service/"},  # its errors and the type of a transaction
    "lxml": {"wx/protocol/"},
    "pycurl": {"wx/wechat/"},
    "regex": {"wx/rules.py"},
    "cryptography": {"wx/protocol/", "wx/service/passwords.py"},
    "qrcode": {"wx/web/qr.py"},
    "prometheus_client": {"wx/web/health.py"},
}
# Tornado by floor: service and below know no web, save those that call or play the platform.
TORNADO = {
    "wx/wechat/",
    "wx/simulator/",
    "wx/web/",
    "wx/app.py",
    "wx/composition.py",
    "wx/timers.py",
}
HTTP_CLIENTS = {"wx/wechat/", "wx/simulator/"}


def sources() -> list[Path]:
    return sorted((ROOT / "wx").rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str) -> str:
    """``store`` of ``wx.store.accounts``; "" for wx itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def floor(name: str) -> int:
    if name in GROUND or name in ("", "__version__"):
        return 0
    return 5 if name in ROOF else FLOORS[name]


def known(name: str) -> bool:
    return name in GROUND | ROOF | set(FLOORS) | {""}


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down_only(path: Path) -> None:
    here = room(".".join(path.relative_to(ROOT).with_suffix("").parts))
    here = "" if here == "__init__" else here
    for module in imports(path):
        if not module.startswith("wx"):
            continue
        there = room(module)
        if not known(there) or there == here:
            continue
        level = floor(there) == floor(here) and floor(here) in (0, 5)
        assert level or floor(there) < floor(here), f"{here} imports {module}"
        if here == "web":
            assert floor(there) != 2, f"web imports {module}, past the services"
        if here == "service":
            assert there != "simulator", f"service imports {module}"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_fenced_stays_behind_its_fence(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    for module in imports(path):
        package = module.split(".")[0]
        allowed = FENCES.get(package)
        if package == "tornado":
            allowed = TORNADO
        if "httpclient" in module:
            allowed = HTTP_CLIENTS
        if allowed is not None:
            assert any(name.startswith(one) for one in allowed), f"{name} imports {module}"


def test_the_protocol_has_no_clock_and_no_input_or_output() -> None:
    forbidden = {"asyncio", "time", "socket", "os", "pathlib", "io", "logging", "random"}
    for path in (ROOT / "wx" / "protocol").glob("*.py"):
        assert not forbidden & {module.split(".")[0] for module in imports(path)}, path


def test_pages_are_escaped_and_hold_nothing_inline() -> None:
    templates = list((ROOT / "templates").rglob("*.html"))
    assert templates
    for path in templates:
        text = path.read_text(encoding="utf-8")
        for bad in ("{% raw", "autoescape None", " style=", "<style", "javascript:", " onclick="):
            assert bad not in text, f"{path}: {bad}"
        assert text.count("<script") == text.count('<script type="module" src='), path


def test_every_source_file_has_a_test_file_of_its_name() -> None:
    for path in sources():
        if path.name == "__init__.py":
            continue
        mirrored = ROOT / "tests" / path.relative_to(ROOT / "wx").parent / f"test_{path.name}"
        assert mirrored.exists(), mirrored
