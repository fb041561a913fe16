"""A site's modules, made fit for the drawn phone."""

import pytest

from wx.simulator.frame import Frame
from wx.simulator.scripts import NAMES, SDK_PATH, Scripts, is_sdk, module

SIMULATOR = "http://127.0.0.1:9"
BASE = "http://127.0.0.1:8000/static/app.js"
WEB = "/phone/wang/web/http/127.0.0.1:8000"
FRAME = Frame("wang")


def prepared(text):
    return module(text, FRAME, base=BASE)


def shadowed(text):
    """The names that a module finds in place of the browser's own."""
    return set(prepared(text).partition("{")[2].partition("}")[0].split(", "))


def test_every_name_is_put_in_front_and_the_lines_stay():
    text = "// one\nfetch(location.href);\n"
    ready = prepared(text)
    assert ready.endswith(" = frames.phoneScope; " + text)
    assert shadowed(text) == set(NAMES) and ready.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("const location = 1;", {"location"}),
        ("export function open() {}", {"open"}),
        ("async function fetch() {}", {"fetch"}),
        ("class Request {}", {"Request"}),
        ('import { history } from "./x.js";', {"history"}),
        ('import top, {\n  a as open,\n} from "./x.js";', {"top", "open"}),
        ("const { location, history } = window;", {"location", "history"}),
        ("function f() {\n  const location = 1;\n}", set()),
        ("const locations = 1; // location", set()),
        ("const f = (location) => location;", set()),
        ("const { a = location } = {};", set()),
    ],
)
def test_a_name_of_its_own_stays_its_own(text, names):
    assert set(NAMES) - shadowed(text) == names


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('import { a } from "/b.js?v=1";', f'import {{ a }} from "{WEB}/b.js?v=1";'),
        ("import '/b.js';", f"import '{WEB}/b.js';"),
        ('const a = await import("/b.js");', f'const a = await import("{WEB}/b.js");'),
        ('export * from "/b.js";', f'export * from "{WEB}/b.js";'),
        ('import "./b.js";', 'import "./b.js";'),
        ('import "//other.example/b.js";', 'import "//other.example/b.js";'),
    ],
)
def test_imports_from_the_root_of_the_site_lead_through_the_frame(before, after):
    assert prepared(before).endswith(after)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (SIMULATOR + SDK_PATH, True),
        ("https://res.wx.qq.com/open/js/jweixin-1.6.0.js", True),
        ("http://res2.wx.qq.com/open/js/jweixin-1.4.0.js", True),
        ("https://other.example/open/js/jweixin-1.6.0.js", False),
        (f"{SIMULATOR}/open/js/other.js", False),
        (f"{SIMULATOR}/static/open/js/jweixin-1.6.0.js", False),
    ],
)
def test_the_js_sdk_is_known_by_its_address(url, found):
    assert is_sdk(url, SIMULATOR) is found


def test_what_stands_first_escapes_what_it_carries():
    first = Scripts(BASE, SIMULATOR, 'a"><b>').first()
    assert 'data-agent="a&quot;&gt;&lt;b&gt;"' in first and first.count("<script") == 1


@pytest.mark.parametrize("source", ["", "http://[bad", "https://127.0.0.1:8000/x.js"])
def test_a_script_of_another_site_has_no_address(source):
    scripts = Scripts(BASE, SIMULATOR, "x")
    assert scripts.address(FRAME, source, base=BASE, is_module=True) == ""
