"""Reply rules: what the file may say, what is refused, and which message a rule fits."""

import logging
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wx import config, rules
from wx.protocol import reply
from wx.rules import Draft, Rule, fits, read

HEADER = ("ToUserName", "FromUserName", "CreateTime", "MsgType")
# Every kind that a message can have, with what a rule is told of it.
KINDS = (
    *("subscribe", "unsubscribe", "text", "image", "voice", "video", "shortvideo", "location"),
    *("link", "file", "click", "scan", "view", "location_report", "other"),
)
# Takes all ways to split the letters before it gives up, if nobody stops it.
HOSTILE = "(a|aa)+"
HOSTILE_TEXT = "a" * 2000 + "c"


def one(toml: str) -> Rule:
    """The only rule of a file."""
    [rule] = read(tomllib.loads("[[replies]]\n" + toml)["replies"])
    return rule


def refusal(value: object) -> str:
    with pytest.raises(ValueError) as caught:
        read(value)
    return str(caught.value)


def wrong(toml: str) -> str:
    """Why the only rule of a file is refused."""
    said = refusal(tomllib.loads("[[replies]]\n" + toml)["replies"])
    assert said.startswith("rule 1: ")
    return said.removeprefix("rule 1: ")


# What a rule says


def test_a_rule_says_on_what_and_what_is_answered():
    rule = one('on = "text"\nmatch = "help|帮助"\nreply = "Send 绑定."')
    assert (rule.number, rule.on, rule.key) == (1, "text", "")
    assert rule.match is not None and rule.match.pattern == "help|帮助"
    assert rule.reply == {"": Draft("text", {"content": "Send 绑定."})}


def test_rules_are_counted_as_they_stand():
    tables = [{"on": "text", "reply": str(number)} for number in range(1, rules.RULES + 1)]
    assert [rule.number for rule in read(tables)] == list(range(1, 201))


@pytest.mark.parametrize(
    ("written", "drafts"),
    [
        ('""', {"": Draft("none", {})}),
        ('" \\n"', {"": Draft("none", {})}),
        ('"hi"', {"": Draft("text", {"content": "hi"})}),
        (
            '{ en = "hi", zh = "你好" }',
            {"zh": Draft("text", {"content": "你好"}), "en": Draft("text", {"content": "hi"})},
        ),
        ('{ type = "text", content = "hi" }', {"": Draft("text", {"content": "hi"})}),
        ('{ type = "image", media_id = "M" }', {"": Draft("image", {"media_id": "M"})}),
        ('{ type = "voice", media_id = "M" }', {"": Draft("voice", {"media_id": "M"})}),
        (
            '{ type = "video", media_id = "M", title = "T" }',
            {"": Draft("video", {"media_id": "M", "title": "T", "description": ""})},
        ),
        (
            '{ type = "music", thumb_media_id = "M", hq_url = "HTTPS://a.example/x" }',
            {
                "": Draft(
                    "music",
                    {
                        "thumb_media_id": "M",
                        "title": "",
                        "description": "",
                        "url": "",
                        "hq_url": "HTTPS://a.example/x",
                    },
                )
            },
        ),
        (
            '{ type = "news", title = "T", url = "https://a.example/{Content}" }',
            {
                "": Draft(
                    "news",
                    {
                        "title": "T",
                        "url": "https://a.example/{Content}",
                        "description": "",
                        "picture": "",
                    },
                )
            },
        ),
        ('{ type = "transfer" }', {"": Draft("transfer", {"account": ""})}),
        ('{ type = "transfer", account = "a@b" }', {"": Draft("transfer", {"account": "a@b"})}),
    ],
)
def test_a_reply_is_a_text_or_a_table(written, drafts):
    assert one(f'on = "text"\nreply = {written}').reply == drafts


def test_an_address_may_be_a_field_of_the_message():
    rule = one('on = "link"\nreply = { type = "news", title = "{Title}", url = "{Url}" }')
    assert rule.reply[""].parts["url"] == "{Url}"


@pytest.mark.parametrize(
    ("on", "fields"),
    [
        ("subscribe", "Event EventKey Ticket"),
        ("text", "Content bizmsgmenuid MsgId MsgDataId Idx"),
        ("image", "PicUrl MediaId MsgId"),
        ("voice", "Recognition MediaId MediaId16K Format MsgId"),
        ("video", "MediaId ThumbMediaId MsgId"),
        ("location", "Location_X Location_Y Scale Label MsgId"),
        ("link", "Title Description Url MsgId"),
        ("file", "Title Description FileKey FileMd5 FileTotalLen MsgId"),
        ("click:A", "Event EventKey"),
        ("scan", "Event EventKey Ticket"),
        ("any", ""),
    ],
)
def test_a_kind_has_its_own_fields_and_those_of_every_message(on, fields):
    for name in (*fields.split(), *HEADER):
        assert one(f'on = "{on}"\nreply = "{{{name}}}"')
    for name in {"Content", "PicUrl", "Label", "Event", "Title", "FileKey"} - set(fields.split()):
        said = wrong(f'on = "{on}"\nreply = "{{{name}}}"')
        assert said.startswith(f"reply: {on.partition(':')[0]} has no {{{name}}}")


def test_a_reply_may_have_braces_that_are_no_placeholder():
    for text in ("{", "}", "{}", "{ Nix }", "{1}", "{a-b}", "{名字}", "{{Nix}}", "{{{Content}}}"):
        assert one(f'on = "text"\nreply = "{text}"').reply[""].parts == {"content": text}
    assert "has no {Nix}" in wrong('on = "text"\nreply = "{{{Nix}}}"')


# What is refused


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('reply = "hi"', 'needs on = "…"'),
        ('on = 1\nreply = "hi"', "on must be one of: " + rules._ON),
        ('on = "event"\nreply = "hi"', "on must be one of: " + rules._ON),
        ('on = "Texts"\nreply = "hi"', f"on must be one of: {rules._ON}; did you mean text?"),
        ('on = "shortvideo"\nreply = ""', f"on must be one of: {rules._ON}; did you mean video?"),
        ('on = "click"\nreply = "hi"', 'on = "click:KEY" needs the key of a menu button'),
        ('on = "click: "\nreply = "hi"', 'on = "click:KEY" needs the key of a menu button'),
        (
            f'on = "click:{"钥" * 43}"\nreply = ""',
            "the key of a menu button has at most 128 bytes",
        ),
        (
            'on = "text:help"\nreply = ""',
            'on: only click takes a key; did you mean match = "help"?',
        ),
        ('on = "image:x"\nreply = ""', "on: only click takes a key"),
        ('on = "text"', 'needs reply = "…"'),
        (
            'on = "text"\nreply = ""\nreplies = ""',
            '"replies" is not a key of a rule; did you mean reply?',
        ),
        (
            'on = "text"\nreply = ""\nport = 81',
            '"port" is not a key of a rule; keys of wxbind stand above the first [[replies]]',
        ),
        (
            'on = "text"\nreply = ""\n"\\u001b[2J" = 1',
            '"\\x1b[2J" is not a key of a rule; keys of wxbind stand above the first [[replies]]',
        ),
        (
            'on = "image"\nmatch = "a"\nreply = ""',
            "match goes with text, voice, scan only, not with image",
        ),
        (
            'on = "any"\nmatch = "a"\nreply = ""',
            "match goes with text, voice, scan only, not with any",
        ),
        (
            'on = "text"\nmatch = ""\nreply = ""',
            "match must be a regular expression; without one, any message fits",
        ),
        (
            'on = "text"\nmatch = ["a"]\nreply = ""',
            "match must be a regular expression; without one, any message fits",
        ),
        (
            f'on = "text"\nmatch = "{"a" * 501}"\nreply = ""',
            "match must have at most 500 characters",
        ),
        (
            'on = "text"\nmatch = "(a"\nreply = ""',
            "match is no regular expression: missing ) at position 2",
        ),
        (
            f'on = "text"\nmatch = "{"(" * 500}"\nreply = ""',
            "match is no regular expression: too many brackets in each other",
        ),
        (
            'on = "text"\nmatch = "(?x)(a{999}){9 99}"\nreply = ""',
            "match is no regular expression: its counts in braces multiply to more than 10000",
        ),
        ('on = "text"\nreply = 1', "reply must be a text or a table"),
        ('on = "text"\nreply = ["hi"]', "reply must be a text or a table"),
        ('on = "text"\nreply = {}', 'reply needs type = "…", or the languages zh and en'),
        (
            'on = "text"\nreply = { de = "hi" }',
            'reply needs type = "…", or the languages zh and en',
        ),
        ('on = "text"\nreply = { zh = "你好" }', "reply.en must be a text"),
        ('on = "text"\nreply = { zh = 1, en = "" }', "reply.zh must be a text"),
        (
            'on = "text"\nreply = { zh = "你好", en = "hi", fr = "salut" }',
            "reply.fr is no language of wxbind, which has zh and en",
        ),
        (
            'on = "text"\nreply = { type = "txt" }',
            "reply.type must be one of: text, image, voice, video, music, news, transfer"
            "; did you mean text?",
        ),
        (
            'on = "text"\nreply = { type = 1 }',
            "reply.type must be one of: text, image, voice, video, music, news, transfer",
        ),
        ('on = "text"\nreply = { type = "text" }', "reply.content is missing"),
        ('on = "text"\nreply = { type = "image", media_id = " " }', "reply.media_id is missing"),
        ('on = "text"\nreply = { type = "voice", media_id = 1 }', "reply.media_id must be a text"),
        (
            'on = "text"\nreply = { type = "music" }',
            "reply.thumb_media_id is missing",
        ),
        (
            'on = "text"\nreply = { type = "video", media_id = "M", tittle = "T" }',
            "reply.tittle is no part of type video; did you mean title?",
        ),
        (
            'on = "text"\nreply = { type = "transfer", zzz = "T" }',
            "reply.zzz is no part of type transfer",
        ),
        (
            'on = "text"\nreply = { type = "news", title = "T", url = "javascript:alert(1)" }',
            "reply.url must begin with https:// or http://",
        ),
        (
            'on = "text"\nreply = { type = "news", title = "T", url = "http://a", picture = "b" }',
            "reply.picture must begin with https:// or http://",
        ),
        (f'on = "text"\nreply = "{"字" * 683}"', "reply must have at most 2048 bytes"),
        (
            f'on = "text"\nreply = {{ zh = "{"字" * 683}", en = "" }}',
            "reply.zh must have at most 2048 bytes",
        ),
        (
            f'on = "text"\nreply = {{ type = "image", media_id = "{"m" * 2049}" }}',
            "reply.media_id must have at most 2048 bytes",
        ),
        (f'on = "text"\nreply = "{"{a} " * 600}"', "reply must have at most 2048 bytes"),
        (
            'on = "text"\nreply = "{content}"',
            "reply: text has no {content}; did you mean {Content}?",
        ),
        (
            'on = "text"\nreply = "{zzz} and {zzz}"',
            "reply: text has no {zzz}; {{zzz}} is for the braces",
        ),
        (
            'on = "voice"\nreply = { zh = "", en = "{Recognised}" }',
            "reply.en: voice has no {Recognised}; did you mean {Recognition}?",
        ),
        (
            'on = "text"\nreply = { type = "image", media_id = "{MediaId}" }',
            "reply.media_id: text has no {MediaId}; it comes with image, voice, video",
        ),
    ],
)
def test_what_is_wrong_is_named(toml, said):
    assert wrong(toml) == said


def test_what_is_wrong_on_the_edge_is_right_just_before_it():
    assert one(f'on = "click:{"钥" * 42}"\nreply = "{"字" * 682}"')
    assert one(f'on = "text"\nmatch = "{"a" * 500}"\nreply = ""')
    assert one('on = "text"\nmatch = "((a{10}){10}){99}"\nreply = ""')


def test_all_problems_of_all_rules_are_told_at_once():
    tables: list[object] = [
        {"on": "text", "reply": "fine"},
        {"on": "txt", "match": "(", "reply": "{Nix}", "more": 1},
        "none",
        {"on": "image", "reply": {"zh": "{A}", "en": "{B}"}},
    ]
    problems = refusal(tables).split("; rule ")
    assert [problem.removeprefix("rule ").partition(" ")[0] for problem in problems] == [
        *("2:", "2:", "2:"),
        "3:",
        *("4:", "4:"),
    ]
    assert "3: must be a table, written as [[replies]]" in problems


def test_what_is_no_list_of_rules_is_refused():
    for value in ("", "none", 4, None, {}, {"on": "text"}, ()):
        assert refusal(value) == (
            "must be tables, each written as [[replies]]; replies = [] is for none"
        )
    assert refusal([{}] * 201) == "must be at most 200 rules, not 201"
    lone = {"on": "click:\ud800", "reply": "\ud800"}
    assert refusal([lone, {"on": "any"}]) == 'rule 2: needs reply = "…"'


# Which message a rule fits


def test_a_rule_fits_its_own_kind():
    for kind in KINDS:
        for on in ("text", "image", "voice", "location", "link", "file", "scan", "subscribe"):
            assert fits(one(f'on = "{on}"\nreply = ""'), kind) is (on == kind)
        assert fits(one('on = "video"\nreply = ""'), kind) is (kind in ("video", "shortvideo"))
        assert fits(one('on = "any"\nreply = ""'), kind)


def test_a_click_fits_by_its_key():
    rule = one('on = "click: HOURS "\nreply = ""')
    assert rule.key == "HOURS"
    assert fits(rule, "click", key="HOURS")
    assert not fits(rule, "click", key="hours")
    assert not fits(rule, "click")
    assert not fits(rule, "text", key="HOURS")
    assert fits(one('on = "click:A:B"\nreply = ""'), "click", key="A:B")


@pytest.mark.parametrize(
    ("pattern", "text", "fitting"),
    [
        ("help|帮助", "help", True),
        ("help|帮助", " HELP\n", True),
        ("help|帮助", "　帮助　", True),
        ("help|帮助", "help me", False),
        ("help|帮助", "", False),
        ("a.b", "a\nb", True),
        ("straße", "STRAßE", True),
        (r"desk_\d+", "desk_12", True),
        (r"\p{Han}+", "你好", True),
        ("a|", "", True),
        (".+", "a\nb", True),
        (".+", " \n", False),
        (".+", "", False),
    ],
)
def test_a_pattern_is_held_against_the_whole_message(pattern, text, fitting):
    rule = read([{"on": "text", "match": pattern, "reply": ""}])[0]
    assert fits(rule, "text", text=text) is fitting
    if pattern == ".+":  # it goes without the engine, and means the same
        spelled = read([{"on": "text", "match": "(.+)", "reply": ""}])[0]
        assert fits(spelled, "text", text=text) is fitting


def test_a_pattern_goes_with_text_voice_and_scan():
    for kind in rules.MATCHED:
        rule = one(f'on = "{kind}"\nmatch = "a"\nreply = ""')
        assert fits(rule, kind, text="A") and not fits(rule, kind, text="b")


@pytest.mark.parametrize("pattern", [HOSTILE, "(a+)+b", "(?R)", "(?b)(?:foobar){e}", "(a?)*b?d"])
def test_a_hostile_pattern_does_not_hold_anything_up(pattern, caplog):
    rule = read([{"on": "text", "match": pattern, "reply": ""}])[0]
    fits(rule, "text", text="warm")
    for text in (HOSTILE_TEXT, HOSTILE_TEXT * 30, "a" * 1000 + "b" * 1000 + "c"):
        begun = time.perf_counter()
        assert fits(rule, "text", text=text) is False
        assert time.perf_counter() - begun < 1, "twenty milliseconds, and a busy machine"


def test_the_log_says_once_for_each_rule_that_its_pattern_gave_up(caplog):
    table = {"on": "text", "match": HOSTILE, "reply": ""}
    caplog.set_level(logging.INFO, "wx.rules")
    for rule in read([table, table]):
        for _ in range(3):
            assert not fits(rule, "text", text=HOSTILE_TEXT)
        assert fits(rule, "text", text="aaa"), "it is asked again all the same"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "rule 1: its match takes too long, which counts as no match"),
        ("WARNING", "rule 2: its match takes too long, which counts as no match"),
    ]


def test_an_engine_that_breaks_counts_as_no_match(caplog):
    rule = one('on = "text"\nmatch = "a"\nreply = ""')

    class Broken:
        def fullmatch(self, text: str, *, timeout: float, concurrent: bool) -> None:
            raise MemoryError

    assert rule.match is not None
    rule.match._expression = Broken()
    assert not fits(rule, "text", text="a")
    assert "rule 1: its match ends in MemoryError" in caplog.text


# Whatever stands there


WORDS = st.sampled_from(
    [*rules._FIELDS, "click:A", "click:", "type", "zh", "en", *rules._PARTS, "media_id", "content"]
)
TEXTS = (
    WORDS
    | st.just("\ud800")
    | st.text(max_size=20)
    | st.text(alphabet="({[a+*?|\\\\d<>:=!&R123,}])", max_size=20)
)
TREES = st.recursive(
    st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
TABLES = st.fixed_dictionaries({}, optional={"on": TEXTS, "match": TEXTS, "reply": TREES})


@given(value=TREES | st.lists(TABLES | TREES, max_size=3))
def test_any_tree_is_read_or_refused(value):
    try:
        got = read(value)
    except ValueError as refusal_:
        assert str(refusal_).startswith(("must be ", "rule "))
        assert str(refusal_).isprintable()
        return
    for rule in got:
        assert rule.on in rules._FIELDS and rule.reply.keys() in ({""}, {"zh", "en"})
        for draft in rule.reply.values():
            assert draft.kind == "none" or draft.parts.keys() == set(
                sum(rules._PARTS[draft.kind], ())
            )


@given(
    pattern=st.text(alphabet="()[]a|bc.+*?^$\\dw{12}<=!:PR", min_size=1, max_size=30),
    text=st.text(max_size=50) | st.text(alphabet="abc12", max_size=200),
)
def test_any_pattern_is_refused_or_answers_in_time(pattern, text):
    try:
        [rule] = read([{"on": "text", "match": pattern, "reply": ""}])
    except ValueError:
        return
    begun = time.perf_counter()
    assert fits(rule, "text", text=text) in (True, False)
    assert time.perf_counter() - begun < 1


@given(text=st.text(alphabet="{}{}aA_1- 名", max_size=30))
def test_a_placeholder_is_what_will_be_filled_in(text):
    asked = set()

    class Fields(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            asked.add(name)
            return default

    reply.fill(text, Fields())
    assert asked == {found[1] for found in rules._PLACEHOLDER.finditer(text) if found[1]}


# The sample file


SAMPLE = rules.SAMPLE.read_text(encoding="utf-8")


def answer(kind: str, *, text: str = "", key: str = "") -> Any:
    """What the built-in rules answer, by language; None for nothing."""
    for rule in rules.built_in():
        if fits(rule, kind, text=text, key=key):
            return {language: draft.parts["content"] for language, draft in rule.reply.items()}
    return None


def test_the_built_in_rules_are_those_of_the_sample():
    assert rules.built_in() == read("built-in") == read(tomllib.loads(SAMPLE)["replies"])
    assert len(rules.built_in()) == 8


def test_every_kind_is_answered_by_the_built_in_rules():
    welcome = answer("subscribe")
    assert "关注" in welcome["zh"] and "绑定" in welcome["zh"]
    assert "Thank you" in welcome["en"] and "bind" in welcome["en"]
    assert answer("text", text="hi") == {"": "{Content}"}
    heard = answer("voice", text="hello")
    assert "{Recognition}" in heard["zh"] and "{Recognition}" in heard["en"]
    missed = answer("voice", text=" ")
    assert missed and "{" not in missed["zh"] + missed["en"]
    for kind in ("image", "video", "shortvideo"):
        assert set(answer(kind)) == {"zh", "en"}
    for name in ("{Location_X}", "{Location_Y}", "{Label}"):
        assert all(name in text for text in answer("location").values())
    assert all("{Title}" in text for text in answer("link").values())
    for kind in ("file", "click", "scan", "unsubscribe", "view", "location_report", "other"):
        assert answer(kind, key="A", text="a") is None


def test_chinese_stands_first_in_the_sample():
    for rule in rules.built_in():
        assert tuple(rule.reply) in (("",), ("zh", "en"))
        if "zh" in rule.reply:
            assert re.search("[一-龥]", rule.reply["zh"].parts["content"])
            assert not re.search("[一-龥]", rule.reply["en"].parts["content"])


def test_every_key_stands_in_the_sample_with_its_meaning_and_its_default(tmp_path, monkeypatch):
    lines = re.findall(r"(?m)^# ([a-z_]+) = (.+?)  # (.+)$", SAMPLE)
    keys = [key for key in config.KEYS if key.name != "replies"]
    assert [name for name, _, _ in lines] == [key.name for key in keys]
    for key, (_, _, comment) in zip(keys, lines, strict=True):
        assert comment.endswith(key.meaning), key.name
    # With every # taken away it is a configuration, and nothing but the examples has changed.
    monkeypatch.chdir(tmp_path)
    Path("account.jpg").write_bytes(b"")
    written = re.sub(r"(?m)^# ([a-z_]+ = .+)$", r"\1", SAMPLE.partition("# -----")[0])
    Path("wxbind.toml").write_text(written)
    got = config.read(flags={}, environ={})
    got.config()
    plain = config.read(flags={}, environ={}, file="/dev/null")
    examples = {name for name, value in plain.values.items() if value != got.values[name]}
    assert examples == {
        *("public_url", "trusted_proxies", "app_id", "app_secret", "webhook_token"),
        *("webhook_aes_key", "webhook_mode", "original_id", "domain_verification"),
        *("notice_template", "subscribe_template", "notice_url_hosts", "follow_qr"),
        *("notice_templates", "invite_origins"),
    }


def test_the_rules_that_are_commented_out_in_the_sample_are_right():
    pieces = re.findall(r"(?m)^# \[\[replies\]\]\n((?:# [a-z]+ = .+\n)+)", SAMPLE)
    made = [one(re.sub("(?m)^# ", "", piece)) for piece in pieces]
    assert [rule.on for rule in made] == ["text", "click", "scan", "text", "text"]
    assert [draft.kind for rule in made for draft in rule.reply.values()][-2:] == [
        "news",
        "transfer",
    ]
    asked, _, desk, _, _ = made
    assert fits(asked, "text", text="帮助") and fits(asked, "text", text="？")
    assert fits(desk, "scan", text="desk_7") and not fits(desk, "scan", text="desk")


def test_the_engine_is_loaded_only_for_a_pattern_of_the_operator_s():
    script = (
        "import sys; from wx import config, rules;"
        "config.read(flags={}, environ={}, file='/dev/null');"
        "assert rules.fits(rules.built_in()[2], 'voice', text='a');"
        "assert 'regex' not in sys.modules;"
        "rules.read([{'on': 'text', 'match': 'a', 'reply': ''}]);"
        "assert 'regex' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[1])


def test_all_expressions_together_have_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred careless rules must not take two hundred deadlines of one message."""
    monkeypatch.setattr(rules, "ALL_SECONDS", 0.05)
    hostile = [{"on": "text", "match": f"(a|aa)+b{number}", "reply": "x"} for number in range(199)]
    made = rules.read([*hostile, {"on": "text", "reply": "last"}])
    begun = time.perf_counter()
    chosen = rules.choose(made, "text", text="a" * 2000)
    assert chosen is made[-1], "what needs no expression still answers"
    assert time.perf_counter() - begun < 2  # all of them would take 4 s


def test_the_first_rule_that_fits_is_chosen() -> None:
    made = rules.read(
        [
            {"on": "image", "reply": "picture"},
            {"on": "text", "match": "hi|你好", "reply": "hello"},
            {"on": "text", "reply": "text"},
            {"on": "any", "reply": "any"},
        ]
    )
    assert rules.choose(made, "text", text="HI") is made[1]
    assert rules.choose(made, "text", text="no") is made[2]
    assert rules.choose(made, "click", key="K") is made[3]
    assert rules.choose(made[:3], "click", key="K") is None
