"""The menu's check: everything that the platform would refuse is named before it is asked."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wx.protocol import menu

HELP = {"name": "帮助", "type": "click", "key": "HELP"}
SITE = {"name": "Site", "type": "view", "url": "https://wx.example.com/bind?a=b#c"}
# What each type needs, with values that the platform takes.
NEEDS = {
    "click": {"key": "k"},
    "view": {"url": "http://example.com"},
    "miniprogram": {"appid": "wx5a17", "pagepath": "pages/a?b=1", "url": "https://example.com/"},
    "scancode_push": {"key": "k"},
    "scancode_waitmsg": {"key": "k"},
    "pic_sysphoto": {"key": "k"},
    "pic_photo_or_album": {"key": "k"},
    "pic_weixin": {"key": "k"},
    "location_select": {"key": "k"},
    "media_id": {"media_id": "m-1_"},
    "view_limited": {"media_id": "m"},
    "article_id": {"article_id": "a"},
    "article_view_limited": {"article_id": "a"},
}


def with_one(**more: object) -> dict[str, object]:
    """A menu of one button; a None takes the field away."""
    button = {name: value for name, value in (HELP | more).items() if value is not None}
    return {"button": [button]}


def bad(content: bytes) -> list[str]:
    with pytest.raises(menu.BadMenu) as caught:
        menu.read(content)
    assert str(caught.value) == "; ".join(caught.value.problems)
    return caught.value.problems


# What is taken


def test_a_menu_of_all_sizes_is_taken():
    subs = [{**HELP, "name": f"sub {number}"} for number in range(5)]
    assert menu.check({"button": [HELP]}) == []
    full = {"button": [HELP, {"name": "More", "sub_button": subs}, SITE]}
    assert menu.check(full) == []
    assert menu.bare(full) == full
    assert menu.read(json.dumps(full).encode()) == full


def test_the_types_are_those_of_the_platform():
    assert NEEDS.keys() == menu.TYPES.keys()


@pytest.mark.parametrize("kind", NEEDS)
def test_each_type_needs_its_parts_and_takes_no_others(kind):
    parts = NEEDS[kind]
    button = {"name": "x", "type": kind, **parts}
    assert menu.check({"button": [button]}) == []
    assert menu.check({"button": [{"name": "More", "sub_button": [button]}]}) == []
    for gone in parts:
        left = {name: value for name, value in button.items() if name != gone}
        assert menu.check({"button": [left]}) == [f'button 1 "x": {kind} needs {gone}']
    others = {name for needs in NEEDS.values() for name in needs} - parts.keys()
    for name in others:
        expected = [f'button 1 "x": {kind} takes no {name}']
        assert menu.check({"button": [button | {name: "v"}]}) == expected


def test_what_the_platform_answers_can_be_put_up_again():
    answered = {
        "menu": {
            "button": [
                HELP | {"sub_button": []},
                {"name": "More", "sub_button": [SITE | {"sub_button": []}]},
            ],
            "menuid": 208396938,
        },
        "conditionalmenu": [],
    }
    plain = {"button": [HELP, {"name": "More", "sub_button": [SITE]}]}
    assert menu.check(answered) == []
    assert menu.bare(answered) == plain
    assert menu.bare(answered["menu"]) == plain, "also when the wrapping was taken off by hand"
    assert menu.check(answered["menu"]) == []
    assert menu.read(menu.write(answered)) == plain
    assert menu.read(menu.write(plain)) == plain


# What is refused


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([], 'a menu is an object: {"button": […]}'),
        ("button", 'a menu is an object: {"button": […]}'),
        ({}, 'button is missing: {"button": […]}'),
        ({"button": {}}, "button must be a list"),
        ({"button": None}, "button must be a list"),
        ({"button": []}, "there is no button; a menu has 1 to 3"),
        ({"button": [SITE] * 4}, "there are 4 buttons; a menu has at most 3"),
        ({"button": ["x"]}, "button 1: must be an object"),
        ({"button": [HELP], "colour": 1}, '"colour" is no field of a menu'),
        ({"menu": [HELP]}, 'menu must be an object: {"button": […]}'),
        ({"menu": {"button": [HELP]}, "button": []}, '"button" is no field beside menu'),
        (
            {"menu": {"button": [HELP]}, "conditionalmenu": [{"button": []}]},
            "conditionalmenu: conditional menus cannot be put up from here; take it out",
        ),
        (
            {"button": [HELP], "matchrule": {"tag_id": "2"}},
            "matchrule: conditional menus cannot be put up from here; take it out",
        ),
    ],
)
def test_what_is_no_menu_is_refused(given, problem):
    assert menu.check(given) == [problem]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"type": None}, "needs a type, such as click or view, or sub buttons"),
        ({"type": None, "sub_button": []}, "needs a type, such as click or view, or sub buttons"),
        ({"type": 1}, "type must be a text"),
        ({"type": ["click"]}, "type must be a text"),
        ({"type": "clik"}, '"clik" is no type; did you mean click?'),
        ({"type": "Click"}, '"Click" is no type; did you mean click?'),
        ({"type": "xyz"}, '"xyz" is no type'),
        ({"key": None}, "click needs key"),
        ({"key": 7}, "key must be a text"),
        ({"key": " "}, "key is empty"),
        ({"key": "a\nb"}, "key holds a control character or a broken one"),
        ({"key": "a\ud83c"}, "key holds a control character or a broken one"),
        ({"sub_button": {"list": []}}, "sub_button must be a list"),
        ({"sub_button": None}, "sub_button must be a list"),
        ({"sub_buttons": []}, '"sub_buttons" is no field of a button; did you mean sub_button?'),
        ({"KEY": "x"}, '"KEY" is no field of a button; did you mean key?'),
        ({"zzz": 1}, '"zzz" is no field of a button'),
        ({"z\x1b" + "z" * 99: 1}, '"z\ufffd' + "z" * 28 + '…" is no field of a button'),
    ],
)
def test_what_is_wrong_with_a_button_is_named(more, problem):
    # Apart from with_one: here a None is a null.
    button = {n: v for n, v in (HELP | more).items() if v is not None or n == "sub_button"}
    assert menu.check({"button": [button]}) == [f'button 1 "帮助": {problem}']


@pytest.mark.parametrize("name", [None, 1, "", "  ", "a\tb", "a\x7f", "a\u2028b", "a\udc00"])
def test_every_button_has_a_name_that_can_be_shown(name):
    for where in (with_one(name=name), {"button": [{"name": "M", "sub_button": [{**HELP}]}]}):
        if "sub_button" in where["button"][0]:
            where["button"][0]["sub_button"][0]["name"] = name
        problems = menu.check(where)
        assert len(problems) == 1 and "name" in problems[0]
        assert problems[0].isprintable()


def test_names_are_counted_in_bytes():
    assert menu.check(with_one(name="一二三四五x")) == []
    label = 'button 1 "一二三四五六"'
    assert menu.check(with_one(name="一二三四五六")) == [
        f"{label}: name is longer than 16 bytes (it has 18; a Chinese character has 3)"
    ]
    sub = HELP | {"name": "一" * 20}
    above = {"name": "More", "sub_button": [sub]}
    assert menu.check({"button": [above]}) == []
    sub["name"] += "x"
    label = f'button 1 "More" > 1 "{"一" * 20}x"'
    assert menu.check({"button": [above]}) == [
        f"{label}: name is longer than 60 bytes (it has 61; a Chinese character has 3)"
    ]


def test_keys_and_urls_are_counted_in_bytes():
    assert menu.check(with_one(key="k" * 126 + "é")) == []
    (problem,) = menu.check(with_one(key="k" * 127 + "é"))
    assert "key is longer than 128 bytes (it has 129;" in problem
    view = {"type": "view", "key": None}
    url = "https://example.com/".ljust(1024, "a")
    assert menu.check(with_one(**view, url=url)) == []
    (problem,) = menu.check(with_one(**view, url=url + "a"))
    assert "url is longer than 1024 bytes" in problem


@pytest.mark.parametrize(
    "url",
    [
        "example.com",
        "ftp://example.com",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://[::1",
        "https://example.com:99999/",
        "https://example.com/a b",
        "weixin://bizmsgmenu",
    ],
)
def test_a_url_is_a_web_address(url):
    for kind, more in (("view", {}), ("miniprogram", {"appid": "wx1", "pagepath": "p"})):
        (problem,) = menu.check(with_one(type=kind, key=None, url=url, **more))
        assert "url must be an address such as" in problem


def test_the_app_id_is_one_word():
    parts = NEEDS["miniprogram"] | {"appid": "wx 1"}
    (problem,) = menu.check(with_one(type="miniprogram", key=None, **parts))
    assert "appid must be the mini program's" in problem


def test_a_button_that_opens_others_does_nothing_else():
    opening = HELP | {"sub_button": [SITE]}
    assert menu.check({"button": [opening]}) == [
        'button 1 "帮助": opens its sub buttons, so type goes',
        'button 1 "帮助": opens its sub buttons, so key goes',
    ]


def test_buttons_go_two_levels_deep_and_five_wide():
    deep = {"name": "deep", "sub_button": [SITE]}
    assert menu.check({"button": [SITE, {"name": "More", "sub_button": [HELP, deep]}]}) == [
        'button 2 "More" > 2 "deep": sub_button: buttons go two levels deep, no further'
    ]
    assert menu.check({"button": [{"name": "More", "sub_button": [HELP] * 6}]}) == [
        'button 1 "More": has 6 sub buttons; at most 5'
    ]


def test_all_problems_are_named_at_once():
    bad_one = {
        "button": [
            HELP | {"key": "k" * 129},
            {"name": "More", "sub_button": [SITE, {"type": "veiw", "url": "x", "nmae": "y"}]},
            7,
        ],
        "buttons": [],
    }
    assert menu.check(bad_one) == [
        '"buttons" is no field of a menu; did you mean button?',
        'button 1 "帮助": key is longer than 128 bytes (it has 129; a Chinese character has 3)',
        'button 2 "More" > 2: name is missing',
        'button 2 "More" > 2: "veiw" is no type; did you mean view?',
        'button 2 "More" > 2: url must be an address such as https://wx.example.com/bind',
        'button 2 "More" > 2: "nmae" is no field of a button; did you mean name?',
        "button 3: must be an object",
    ]


# Files


def test_a_file_may_begin_with_a_mark_and_have_windows_lines():
    content = json.dumps({"button": [HELP]}, ensure_ascii=False, indent=1).replace("\n", "\r\n")
    assert menu.read(b"\xef\xbb\xbf" + content.encode()) == {"button": [HELP]}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (b'{\n "a":\n\xff}', "is not UTF-8: line 3 holds something else"),
        ('{"button": []}'.encode("utf-16"), "is not UTF-8: line 1 holds something else"),
        (b'{\n  "button" []}', "is not JSON: line 2, column 12: Expecting ':' delimiter"),
        (b'{"button": [{"name": "a", "name": "b"}]}', '"name" stands twice in one object'),
        (b"9" * 5000, "is not JSON that can be read: a number too long, or too deep"),
        (b"[" * 100_000, "is not JSON that can be read: a number too long, or too deep"),
        (b" " * (128 * 1024 + 1), "is larger than 128 KiB"),
        (b"[1]", 'a menu is an object: {"button": […]}'),
    ],
)
def test_what_is_wrong_with_a_file_is_said_and_where(content, problem):
    assert bad(content) == [problem]


def test_a_bad_file_names_every_problem():
    assert len(bad(b'{"button": [{"name": ""}, 1, 2, 3]}')) == 6


def test_a_menu_is_written_for_people():
    text = menu.write({"button": [HELP]}).decode()
    assert '"name": "帮助"' in text and "\n" in text and text.endswith("}\n")


def test_what_a_terminal_would_act_on_is_written_as_an_escape():
    odd = {"button": [{"name": "a\x1b\x9b\x7f\u202e\u2028\ud83c\ufeffb"}]}
    content = menu.write(odd)
    line = r'"name": "a\u001b\u009b\u007f\u202e\u2028\ud83c\ufeffb"'
    assert line in content.decode()
    assert json.loads(content) == odd, "and nothing is lost"


# Keys


def test_the_keys_are_those_that_come_back_with_events():
    subs = [
        {"name": "a", "type": "scancode_waitmsg", "key": "SCAN"},
        HELP,
        HELP | {"key": "TOP"},
    ]
    wrapped = {"menu": {"button": [{"name": "M", "sub_button": subs}, HELP, SITE]}}
    assert menu.keys(wrapped) == ["SCAN", "HELP", "TOP"]
    assert menu.keys(wrapped["menu"], of={"click"}) == ["HELP", "TOP"]


# Anything at all

FIELDS = ["button", "menu", "conditionalmenu", "sub_button", "name", "type", "key", "url", "appid"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(["click", "view", "https://a", "\ud800", "http://[", "x" * 2000])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=25,
)
BUTTONS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text(max_size=6) | SCALARS,
        "type": st.sampled_from(sorted(menu.TYPES)) | JSON,
        "key": st.text(min_size=1, max_size=140) | JSON,
        "url": st.just("https://example.com/") | st.text(),
        "sub_button": st.lists(JSON, max_size=6) | JSON,
    },
)
MENUS = st.fixed_dictionaries({"button": st.lists(BUTTONS, max_size=4)})
# What the platform takes, in all its shapes.
NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=4)
DOING = st.builds(
    lambda name, kind: {"name": name, "type": kind, **NEEDS[kind]}, NAMES, st.sampled_from([*NEEDS])
)
OPENING = st.builds(
    lambda name, subs: {"name": name, "sub_button": subs},
    NAMES,
    st.lists(DOING, min_size=1, max_size=5),
)
GOOD = st.builds(lambda top: {"button": top}, st.lists(DOING | OPENING, min_size=1, max_size=3))


@given(value=JSON | MENUS | st.fixed_dictionaries({"menu": MENUS}))
def test_whatever_stands_in_a_file_is_judged(value):
    problems = menu.check(value)
    assert all(problem.isprintable() for problem in problems)
    assert all(isinstance(key, str) for key in menu.keys(value))
    if not problems:
        plain = menu.bare(value)
        assert menu.check(plain) == []
        assert menu.bare(plain) == plain
        assert menu.keys(plain) == menu.keys(value)
        assert menu.read(menu.write(plain)) == plain
    menu.write(menu.bare(value))


@given(value=GOOD)
def test_every_sound_menu_is_taken_and_comes_back_the_same(value):
    assert menu.check(value) == []
    assert menu.bare({"menu": value}) == value
    assert menu.read(menu.write({"menu": value})) == value


@given(content=st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_menu_or_have_problems(content):
    try:
        menu.read(content)
    except menu.BadMenu as error:
        assert error.problems and all(problem.isprintable() for problem in error.problems)
