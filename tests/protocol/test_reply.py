"""What is answered: filled in, cut to size, and written as the platform reads it."""

import re
import unicodedata
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wx.protocol import reply, xml
from wx.protocol.reply import (
    ImageReply,
    MusicReply,
    NewsReply,
    TextReply,
    TransferReply,
    VideoReply,
    VoiceReply,
    cut,
    drafted,
    fill,
    write,
)

TO, SENDER, NOW = "oSim0001aaaaaaaaaaaaaaaaaaaa", "gh_5a17c0de0001", 1700000000
HEADER = (
    f"<ToUserName><![CDATA[{TO}]]></ToUserName><FromUserName><![CDATA[{SENDER}]]></FromUserName>"
    f"<CreateTime>{NOW}</CreateTime><MsgType><![CDATA[%s]]></MsgType>"
)


def written(answer: reply.Reply) -> str:
    return write(answer, to=TO, sender=SENDER, now=NOW).decode()


def parts(answer: reply.Reply) -> dict[str, object]:
    return dict(xml.read(write(answer, to=TO, sender=SENDER, now=NOW)))


# --- write ---


@pytest.mark.parametrize(
    ("answer", "kind", "rest"),
    [
        (TextReply("你好\n<a>"), "text", "<Content><![CDATA[你好\n<a>]]></Content>"),
        (ImageReply("m"), "image", "<Image><MediaId><![CDATA[m]]></MediaId></Image>"),
        (VoiceReply("m"), "voice", "<Voice><MediaId><![CDATA[m]]></MediaId></Voice>"),
        (
            VideoReply("m", "t", "d"),
            "video",
            "<Video><MediaId><![CDATA[m]]></MediaId><Title><![CDATA[t]]></Title>"
            "<Description><![CDATA[d]]></Description></Video>",
        ),
        (
            MusicReply("t", "d", "https://u", "https://h", "m"),
            "music",
            "<Music><Title><![CDATA[t]]></Title><Description><![CDATA[d]]></Description>"
            "<MusicUrl><![CDATA[https://u]]></MusicUrl><HQMusicUrl><![CDATA[https://h]]>"
            "</HQMusicUrl><ThumbMediaId><![CDATA[m]]></ThumbMediaId></Music>",
        ),
        (
            NewsReply("t", "d", "https://p", "https://u?a=1&b=2"),
            "news",
            "<ArticleCount>1</ArticleCount><Articles><item><Title><![CDATA[t]]></Title>"
            "<Description><![CDATA[d]]></Description><PicUrl><![CDATA[https://p]]></PicUrl>"
            "<Url><![CDATA[https://u?a=1&b=2]]></Url></item></Articles>",
        ),
        (TransferReply(), "transfer_customer_service", ""),
        (
            TransferReply("a@b"),
            "transfer_customer_service",
            "<TransInfo><KfAccount><![CDATA[a@b]]></KfAccount></TransInfo>",
        ),
    ],
)
def test_each_kind_is_written_as_the_platform_reads_it(answer, kind, rest):
    assert written(answer) == f"<xml>{HEADER % kind}{rest}</xml>"


def test_no_text_breaks_out_of_its_element():
    hostile = "]]><Content>x</Content><![CDATA[\x00\x1b&lt;\ud800"
    assert parts(TextReply(hostile))["Content"] == "]]><Content>x</Content><![CDATA[&lt;"
    news = parts(NewsReply(hostile, hostile, "https://p/]]>", "https://u/]]>"))
    assert news["Articles"]["item"]["Url"] == "https://u/]]>"


def test_texts_are_cut_and_addresses_are_not():
    assert parts(TextReply("长" * 700))["Content"] == "长" * 681 + "…"
    assert parts(TextReply("长" * 682))["Content"] == "长" * 682
    assert parts(TextReply("\x00" * 3000 + "a"))["Content"] == "a"
    long = "x" * 5000
    for answer, box in (
        (VideoReply("m", long, long), lambda found: found["Video"]),
        (MusicReply(long, long, long, long, "m"), lambda found: found["Music"]),
        (NewsReply(long, long, long, long), lambda found: found["Articles"]["item"]),
    ):
        found = box(parts(answer))
        assert found["Title"] == "x" * 125 + "…"
        assert found["Description"] == "x" * 509 + "…"
        for name in {"PicUrl", "Url", "MusicUrl", "HQMusicUrl"} & set(found):
            assert found[name] == long


@given(content=st.text(alphabet=st.characters(), min_size=1), account=st.text(max_size=9))
def test_what_is_written_can_be_read(content, account):
    found = parts(TextReply(content))
    assert found["ToUserName"] == TO
    assert found["CreateTime"] == str(NOW)
    assert found["Content"] == content_kept(content)
    assert parts(TransferReply(account))["MsgType"] == "transfer_customer_service"


def content_kept(text: str) -> str:
    """What is left of a text, said in another way than the program says it."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        c
        for c in lines
        if c in "\t\n" or (unicodedata.category(c) not in ("Cc", "Cs") and c not in "\ufffe\uffff")
    )


# --- cut ---


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("", 0, ""),
        ("a", 0, ""),
        ("abc", -1, ""),
        ("abc", 3, "abc"),
        ("abcd", 3, "…"),
        ("ab", 1, ""),
        ("abcdef", 5, "ab…"),
        ("你好吗", 9, "你好吗"),
        ("你好吗", 8, "你…"),
        ("你好吗", 6, "你…"),
        ("a🌻🌻", 8, "a🌻…"),
        ("a🌻🌻", 7, "a…"),
        ("a\ud83cb", 2, "ab"),
    ],
)
def test_a_text_is_cut_between_characters(text, limit, expected):
    assert cut(text, limit) == expected


@pytest.mark.parametrize(
    "whole",
    [
        "❤\ufe0f",  # with the selector that makes it red
        "👩\u200d👩\u200d👧",  # a family
        "👍🏽",  # with the colour of a skin
        "🇨🇳",  # a flag of two letters
        "e\u0301\u0323",  # with two marks
        "1\ufe0f\u20e3",  # a key
        "🏴\U000e0067\U000e0062\U000e007f",  # a flag with its region
    ],
)
def test_an_emoji_of_several_characters_is_kept_or_goes_as_a_whole(whole):
    text = "ab" + whole + "z" * 9
    start, end = 2, 2 + len(whole.encode())
    for room in range(start, end):
        assert cut(text, room + 3) == "ab…"
    assert cut(text, end + 3) == f"ab{whole}…"


def test_flags_in_a_row_are_taken_by_twos():
    text = "🇨🇳🇩🇪🇫🇷zzz"
    assert [cut(text, limit) for limit in (8, 11, 12, 15, 19, 23)] == [
        "…", "🇨🇳…", "🇨🇳…", "🇨🇳…", "🇨🇳🇩🇪…", "🇨🇳🇩🇪…",
    ]  # fmt: skip


def test_marks_without_end_are_cut_somewhere():
    text = "a" + "\u0301" * 3000
    assert len(cut(text, 2048).encode()) in (2047, 2048)


LINKED = '12345<a href="https://e/?x">这里</a>67890'


def test_a_link_is_kept_or_goes_as_a_whole():
    start, end = len("12345"), len(LINKED.removesuffix("67890").encode())
    for room in range(start, end):
        assert cut(LINKED, room + 3) == "12345…"
    assert cut(LINKED, end + 3) == LINKED.removesuffix("67890") + "…"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<A HREF='u'>abcdefghijklmnopqrstuvwxyz</A>", "…"),
        ("12<a\nhref='u'>abcdefghijklmnopqrstuvwxyz</a >", "12…"),
        ("<a href='u'>a</a>12<a href='u'>bcdefghijk</a>", "<a href='u'>a</a>12…"),
        ("12<a>34567890123456789012345", "12…"),  # never closed at all
        ("<abbr>12345678901234567890</abbr>", "<abbr>12345678901234567…"),
        ("a < b and 1 </ab 2345678901", "a < b and 1 </ab 234567…"),
        ("<a>1</a>234567890123456</a>", "<a>1</a>234567890123456…"),
    ],
)
def test_what_is_a_link_and_what_is_not(text, expected):
    assert cut(text, 26) == expected


PIECES = st.lists(
    st.sampled_from(
        [
            "<a href='u'>",
            "</a>",
            "<a ",
            "</a",
            ">",
            "x",
            "长",
            "🇨",
            "🇳",
            "\u0301",
            "❤\ufe0f",
            "\u200d",
        ]
    ),
    max_size=40,
).map("".join)


@given(text=PIECES | st.text(alphabet=st.characters()), limit=st.integers(-2, 200))
@example(text="<a </a<a href='u'><a href='u'>", limit=21)
@example(text="<a href='u'>x</a>\u0301\u0301zzzzzzzzzzzzzzzzzzzzz", limit=22)
def test_a_cut_text_fits_and_is_a_beginning(text, limit):
    found = cut(text, limit)
    whole = text.encode("utf-8", "ignore").decode()
    assert len(found.encode()) <= max(limit, 0)
    if len(whole.encode()) <= limit:
        assert found == whole
        return
    assert found.endswith("…") or limit < 3
    begun = found.removesuffix("…")
    assert whole.startswith(begun)
    opened = re.sub(r"(?is)<a(?![a-z0-9]).*?</a(?![a-z0-9])[^<>]*>", "", begun)
    assert not re.search(r"(?i)<a(?![a-z0-9])", opened)
    assert cut(found, limit) == found


@given(text=PIECES, limit=st.integers(3, 200))
def test_no_more_is_cut_than_the_last_character_or_link(text, limit):
    found = cut(text, limit)
    if found != text and "<" not in text:
        # Marks and flags may take up to 32 characters along; every one here has at most 4 bytes.
        assert len(found.encode()) >= limit - 3 - 32 * 4


# --- fill ---

FIELDS = {"Content": "王 & Co", "EventKey": "k{Content}", "Empty": "", "_x1": "y"}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("", ""),
        ("Hello", "Hello"),
        ("You wrote {Content}.", "You wrote 王 & Co."),
        ("{Content}{Content}", "王 & Co王 & Co"),
        ("{EventKey}", "k{Content}"),
        ("<{Missing}{Empty}>", "<>"),
        ("{_x1}", "y"),
        ("{{Content}}", "{Content}"),
        ("{{{Content}}}", "{王 & Co}"),
        ("{{{{", "{{"),
        ("}} }", "} }"),
        ("{", "{"),
        ("{}", "{}"),
        ("{ Content }", "{ Content }"),
        ("{Con tent}", "{Con tent}"),
        ("{1}", "{1}"),
        ("{Content", "{Content"),
        ("{é}{aé}", "{é}{aé}"),
        ("{Content.x}{Content!r}{Content:>9}", "{Content.x}{Content!r}{Content:>9}"),
    ],
)
def test_placeholders_take_fields(template, expected):
    assert fill(template, FIELDS) == expected


CODED = "%E7%8E%8B%20%26%20Co"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('<a href="https://e/?q={Content}">{Content}</a>',
         f'<a href="https://e/?q={CODED}">王 & Co</a>'),
        ("<A HREF = 'https://e/{Content}'>x", f"<A HREF = 'https://e/{CODED}'>x"),
        ("<a href=https://e/{Content}>{Content}", f"<a href=https://e/{CODED}>王 & Co"),
        ('<a href="{Content}">', f'<a href="{CODED}">'),
        ('<a href="https://e/{{{Content}}}">', f'<a href="https://e/{{{CODED}}}">'),
        ('<a href="">{Content}', '<a href="">王 & Co'),
        ('<a href="https://e/{Content}', f'<a href="https://e/{CODED}'),
        ('<a href="weixin://bizmsgmenu?msgmenucontent={Content}&msgmenuid=1">1</a>',
         f'<a href="weixin://bizmsgmenu?msgmenucontent={CODED}&msgmenuid=1">1</a>'),
        ('<a data-miniprogram-path="p?q={Content}" href="https://e">{Content}</a>',
         f'<a data-miniprogram-path="p?q={CODED}" href="https://e">王 & Co</a>'),
        ("xhref={Content}", "xhref=王 & Co"),
        ('"{Content}"', '"王 & Co"'),
    ],
)  # fmt: skip
def test_a_value_in_the_address_of_a_link_is_encoded(template, expected):
    assert fill(template, FIELDS) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("<a data-miniprogram-appid='{Q}' href='u'>{Q}</a>",
         "<a data-miniprogram-appid='%27%22%3E%3Cb' href='u'>'\"><b</a>"),
        ('<a title="{Q}">', '<a title="%27%22%3E%3Cb">'),
        ("<a title={Q}>", "<a title=%27%22%3E%3Cb>"),
        ("<a {Q}>", "<a %27%22%3E%3Cb>"),
        ('<a title=">{Q}" href="{Url}?a={Q}">{Q}',
         '<a title=">%27%22%3E%3Cb" href="https://e/?b=c?a=%27%22%3E%3Cb">\'"><b'),
        ("<a title='{Q}", "<a title='%27%22%3E%3Cb"),
        ("<a\nhref = {Url}\n>{Q}", "<a\nhref = https://e/?b=c\n>'\"><b"),
        ("<a title={{{Q}}}>", "<a title={%27%22%3E%3Cb}>"),
        ("</a {Q}>{Q}", "</a %27%22%3E%3Cb>'\"><b"),
        ("1 < 2 {Q} > <3 {Q}", "1 < 2 '\"><b > <3 '\"><b"),
        ("a=\"{Q}\"", "a=\"'\"><b\""),
    ],
)  # fmt: skip
def test_a_value_anywhere_in_a_tag_is_encoded(template, expected):
    assert fill(template, {"Q": "'\"><b", "Url": "https://e/?b=c"}) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("See https://e/?q={Content}&k={_x1}. {Content}", f"See https://e/?q={CODED}&k=y. 王 & Co"),
        ("HTTP://e/{Content}/{Content}", f"HTTP://e/{CODED}/{CODED}"),
        ("(https://e/{{{Content}}})", f"(https://e/{{{CODED}}})"),
        ("https://e/\n{Content}", "https://e/\n王 & Co"),
        ("https://e/，{Content}", "https://e/，王 & Co"),
        ("https://e/<b>{Content}", "https://e/<b>王 & Co"),
        ("{Url} {Url}", "https://e/?a&b https://e/?a&b"),
        ("https: {Content}", "https: 王 & Co"),
    ],
)
def test_a_value_that_continues_an_address_in_the_text_is_encoded(template, expected):
    assert fill(template, {**FIELDS, "Url": "https://e/?a&b"}) == expected


def test_a_value_in_an_address_is_encoded():
    assert fill("https://e/?q={Content}&k={EventKey}", FIELDS, address=True) == (
        f"https://e/?q={CODED}&k=k%7BContent%7D"
    )
    assert fill('href="{Content}"', FIELDS, address=True) == f'href="{CODED}"'
    assert fill("{{{Missing}", FIELDS, address=True) == "{"


def test_an_address_at_the_beginning_of_an_address_stays_one():
    fields = {"Url": " http://mp.weixin.qq.com/s?a=1&b=%20#王\"'<> ", "Bad": "javascript:alert(1)"}
    url = "http://mp.weixin.qq.com/s?a=1&b=%20#%E7%8E%8B%22%27%3C%3E"
    assert fill("{Url}", {"Url": "https://e/a b"}, address=True) == "https%3A%2F%2Fe%2Fa%20b"
    assert fill("{Url}", fields, address=True) == url
    assert fill('<a href="{Url}">{Bad}</a>', fields) == f'<a href="{url}">javascript:alert(1)</a>'
    assert fill("{Bad}", fields, address=True) == "javascript%3Aalert%281%29"
    assert fill("https://e/{Url}", fields, address=True).startswith("https://e/%20http%3A%2F%2F")


def test_values_are_cleaned_but_keep_their_lines():
    assert fill("{A}", {"A": "a\x00\nb\r\nc\x1b\ud800"}) == "a\nb\nc"
    assert fill("https://e/{A}", {"A": "a\x00\nb\ud800"}, address=True) == "https://e/a%0Ab"


VALUE = st.text(alphabet=st.characters()) | st.sampled_from(
    ["{A}", "{{", '"', "'>", "</a>", "href="]
)


@given(one=VALUE, two=VALUE, text=st.text(alphabet=st.characters(exclude_characters="{}<")))
def test_any_value_stands_in_the_text_once_and_whole(one, two, text):
    text = text.replace("href", "")
    found = fill(text + "{A}|{B}|{C}", {"A": one, "B": two})
    assert found == f"{text}{content_kept(one)}|{content_kept(two)}|"


@given(value=VALUE)
@example(value="http://e/\"'><b>")
def test_no_value_breaks_out_of_an_address(value):
    inside = fill('<a href="https://e/?q={A}">', {"A": value})
    assert re.fullmatch(r'<a href="https://e/\?q=[A-Za-z0-9_.~%-]*">', inside)
    assert unquote(inside[len('<a href="https://e/?q=') : -2]) == content_kept(value)
    assert re.fullmatch(r"<a href='[^'\"<>\s]*'>", fill("<a href='{A}'>", {"A": value}))


@given(
    value=VALUE | st.text(alphabet="\"'<>= /ahref:{}A"),
    tag=st.text(alphabet="\"'= \nah{}A").map(lambda inside: f"<a {inside}{{A}}"),
)
@example(value="' b='", tag="<a b='{A}")
def test_no_value_changes_the_shape_of_a_tag(value, tag):
    for end in ("'>", '">', ">"):
        plain, found = fill(tag + end, {"A": ""}), fill(tag + end, {"A": value})
        assert re.findall(r"""["'<>\s]""", found) == re.findall(r"""["'<>\s]""", plain)


@given(template=st.text(alphabet="{}Ab \"'=hrefHREF<>\n"), value=VALUE, address=st.booleans())
@example(template="href=" * 3000, value="", address=False)
@example(template='href="' + "{" * 3000, value="", address=False)
@example(template="<a'" * 3000, value="", address=False)
@example(template="<a=" * 3000 + "{A}", value="", address=False)
def test_any_template_can_be_filled(template, value, address):
    found = fill(template, {"A": value}, address=address)
    if "{" not in template and "}" not in template:
        assert found == template


# --- drafted ---


@pytest.mark.parametrize(
    ("kind", "given_parts", "expected"),
    [
        ("none", {}, None),
        ("text", {"content": "Hi {Name}\n"}, TextReply("Hi 王\n")),
        ("text", {"content": ""}, None),
        ("text", {"content": " {Empty}\n"}, None),
        ("text", {}, None),
        ("image", {"media_id": " {MediaId} "}, ImageReply("m")),
        ("image", {"media_id": "{Empty}"}, None),
        ("voice", {"media_id": "v"}, VoiceReply("v")),
        ("voice", {"media_id": ""}, None),
        ("video", {"media_id": "v"}, VideoReply("v", "", "")),
        (
            "video",
            {"media_id": "v", "title": "{Lines}", "description": "{Lines}"},
            VideoReply("v", "a b", "a\nb"),
        ),
        ("video", {"title": "t"}, None),
        ("music", {"thumb_media_id": "t"}, MusicReply("", "", "", "", "t")),
        (
            "music",
            {
                "title": "{Name}",
                "description": "d",
                "url": "https://u/{Name}",
                "hq_url": "{Url}",
                "thumb_media_id": "t",
            },
            MusicReply("王", "d", "https://u/%E7%8E%8B", "https://e/?a=1&b=2", "t"),
        ),
        ("music", {"url": "https://u"}, None),
        ("music", {"thumb_media_id": "t", "url": "https://u/" + "x" * 1024}, None),
        ("music", {"thumb_media_id": "t", "hq_url": "https://u/" + "x" * 1024}, None),
        (
            "news",
            {"title": "{Name}", "description": "d", "picture": "{Url}", "url": "{Url}"},
            NewsReply("王", "d", "https://e/?a=1&b=2", "https://e/?a=1&b=2"),
        ),
        (
            "news",
            {"title": "t", "picture": "{Name}", "url": " https://u/?q={Url} "},
            NewsReply("t", "", "", "https://u/?q=https%3A%2F%2Fe%2F%3Fa%3D1%26b%3D2"),
        ),
        ("news", {"title": "t", "url": "{Name}"}, None),
        ("news", {"title": "t", "url": "{Empty}"}, None),
        ("news", {"title": "{Empty}", "url": "https://u"}, None),
        ("news", {"title": "t", "url": "https://u/" + "x" * 1014}, NewsReply(
            "t", "", "", "https://u/" + "x" * 1014)),
        ("news", {"title": "t", "url": "https://u/" + "x" * 1015}, None),
        ("news", {"title": "t", "url": "https://u", "picture": "https://u/{Long}"}, None),
        ("transfer", {}, TransferReply("")),
        ("transfer", {"account": " a@b\n"}, TransferReply("a@b")),
    ],
)  # fmt: skip
def test_a_draft_is_filled_in(kind, given_parts, expected):
    fields = {
        "Name": "王", "MediaId": "m", "Empty": "", "Lines": "a\nb", "Url": "https://e/?a=1&b=2",
        "Long": "长" * 200,
    }  # fmt: skip
    assert drafted(kind, given_parts, fields) == expected


def test_an_unknown_kind_is_a_mistake_of_the_program():
    with pytest.raises(ValueError, match="no such kind"):
        drafted("sticker", {}, {})


@given(
    kind=st.sampled_from(["text", "image", "voice", "video", "music", "news", "transfer", "none"]),
    given_parts=st.dictionaries(
        st.sampled_from(
            ["content", "media_id", "title", "description", "url", "hq_url", "picture",
             "thumb_media_id", "account"]
        ),
        st.sampled_from(["{A}", "x {A}", "https://e/{A}", "<a href='{A}'>{A}</a>"]) | VALUE,
    ),
    value=VALUE,
)  # fmt: skip
def test_any_draft_can_be_filled_in_and_written(kind, given_parts, value):
    found = drafted(kind, given_parts, {"A": value})
    if found is not None:
        read = parts(found)
        assert read["ToUserName"] == TO
        address = read["Articles"]["item"]["Url"] if kind == "news" else "http://"
        assert address.lower().startswith("http")


def test_the_limits_are_the_platforms():
    assert (reply.TEXT, reply.TITLE, reply.DESCRIPTION, reply.ADDRESS) == (2048, 128, 512, 1024)
    assert quote("/:?", safe="") == fill("{A}", {"A": "/:?"}, address=True)
