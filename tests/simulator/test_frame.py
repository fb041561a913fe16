"""Pages made fit for the phone's screen."""

import pytest

from wx.simulator.frame import Frame, path_of
from wx.simulator.scripts import SDK_PATH, Scripts

FRAME = Frame("wang")
BASE = "http://127.0.0.1:8000/b/x?y=1"
WEB = "/phone/wang/web/http/127.0.0.1:8000"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<a href="/other?x=1&amp;y=2#z">', f'<a href="{WEB}/other?x=1&amp;y=2#z">'),
        ('<a href="next">', f'<a href="{WEB}/b/next">'),
        ('<a href="#part">', '<a href="#part">'),
        ('<a href="https://other.example">', '<a href="/phone/wang/web/https/other.example/">'),
        ('<a href="javascript:alert(1)">', '<a href="">'),
        ('<a href=" JavaScript:alert(1)">', '<a href="">'),
        ('<a href="/x" target="_top" onclick="x()">', f'<a href="{WEB}/x">'),
        ('<form action="" method="post">', f'<form action="{WEB}/b/x?y=1" method="post">'),
        ('<form method="post">', '<form method="post">'),
        ('<button formaction="/no">', f'<button formaction="{WEB}/no">'),
        ('<img src="/a.png" srcset="/b.png 2x" alt="&lt;">', f'<img src="{WEB}/a.png" alt="&lt;">'),
        ('<img src="data:image/png;base64,AA">', '<img src="data:image/png;base64,AA">'),
        ('<iframe src="/x">inside</iframe>after', "after"),
        ("<script>if (a < b) x('</p>')</script>after", "after"),
        ('<script src="/x.js"></script>after', "after"),
        ("<object><p>x<img></p></object>after", "after"),
        ("<embed src=/x>after", "after"),
        ('<link rel="preload" href="/x">', ""),
        (
            '<link rel="stylesheet" href="/x.css" integrity="a">',
            f'<link rel="stylesheet" href="{WEB}/x.css">',
        ),
        ('<meta http-equiv="Content-Security-Policy" content="x">', ""),
        (
            '<meta http-equiv="refresh" content="0; url=/x">',
            f'<meta http-equiv="refresh" content="0;url={WEB}/x">',
        ),
        ('<meta name="referrer" content="no-referrer">', ""),
        ('<meta charset="utf-8">', '<meta charset="utf-8">'),
        ("<!doctype html><p>a &amp; b &#60; c</p>", "<!doctype html><p>a &amp; b &#60; c</p>"),
        ('<svg><path d="M0 0"/></svg>', '<svg><path d="M0 0"></path></svg>'),
        ("<svg><script/></svg>after", "<svg></svg>after"),
        ('<base href="/deep/"><a href="x">', f'<a href="{WEB}/deep/x">'),
        ("<p><!-- note -->text", "<p>text"),
    ],
)
def test_a_page_keeps_what_is_shown_and_loses_what_runs(before, after):
    assert FRAME.html(before, base=BASE) == after


SCRIPTS = Scripts(BASE, "http://127.0.0.1:9", "MicroMessenger/8")
FIRST = SCRIPTS.first()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '<script type="module" src="/static/x.js?v=1"></script>after',
            f'{FIRST}<script type="module" src="{WEB}/static/x.js?v=1"></script>after',
        ),
        (
            '<html><head><title>t</title></head><body onload="x()">',
            f"<html><head>{FIRST}<title>t</title></head><body>",
        ),
        ("<!doctype html><p>x", f"<!doctype html>{FIRST}<p>x"),
        ('<script type="module">x("</p>")</script>after', f"{FIRST}after"),
        ('<script src="/x.js"></script>after', f"{FIRST}after"),
        ('<script type="module" src="http://other.example/x.js"></script>', FIRST),
        ('<script type="module" src="javascript:x"></script>', FIRST),
        ('<script type="module" src=""></script>', FIRST),
        ('<script type="importmap">{}</script>', FIRST),
        (
            f'<script src="http://127.0.0.1:9{SDK_PATH}"></script>',
            f'{FIRST}<script src="{SDK_PATH}"></script>',
        ),
        (
            '<script src="https://res.wx.qq.com/open/js/jweixin-1.4.0.js" async></script>',
            f'{FIRST}<script src="{SDK_PATH}"></script>',
        ),
        (
            '<template><a href="/x">x</a></template>',
            f'{FIRST}<template><a href="{WEB}/x">x</a></template>',
        ),
        ('<iframe><script type="module" src="/x.js"></script></iframe>after', f"{FIRST}after"),
    ],
)
def test_a_trusted_page_keeps_the_modules_of_its_own_site(before, after):
    assert FRAME.html(before, base=BASE, scripts=SCRIPTS) == after


def test_the_path_of_an_address():
    assert path_of("http://127.0.0.1:1/a/b?c=1") == "/a/b?c=1"
    assert (path_of(""), path_of("http://[bad")) == ("", "")


def test_style_sheets_lead_through_the_simulator():
    text = '@import "more.css"; a{background:url(/a.png)} b{background:url("data:image/x,y")}'
    assert FRAME.css(text, base="http://127.0.0.1:8000/css/app.css") == (
        f'@import "{WEB}/css/more.css"; a{{background:url({WEB}/a.png)}} '
        'b{background:url("data:image/x,y")}'
    )


@pytest.mark.parametrize("url", [BASE, "https://a.example/", "http://[::1]:8000/p%20q?x=%2F"])
def test_the_way_back_is_found(url):
    assert FRAME.original(FRAME.address(url)) == url


@pytest.mark.parametrize("url", ["mailto:a@b", "javascript:x", "//", "http://[bad"])
def test_what_is_no_page_has_no_address(url):
    assert FRAME.address(url) == ""
