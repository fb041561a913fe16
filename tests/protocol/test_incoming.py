"""What WeChat posts becomes a typed value, and nothing else does."""

import contextlib
import dataclasses
import hashlib
import re
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wx.protocol import incoming, xml
from wx.protocol.incoming import (
    Article,
    AuthorizationChange,
    BadMessage,
    Click,
    CopyrightCheck,
    File,
    Image,
    Incoming,
    Link,
    Location,
    LocationReport,
    LocationSelect,
    MassReceipt,
    OtherEvent,
    OtherMessage,
    Pictures,
    PublishReceipt,
    Scan,
    ScanCode,
    ServiceSession,
    Subscribe,
    SubscriptionAnswer,
    SubscriptionAnswers,
    TemplateReceipt,
    Text,
    Unsubscribe,
    Verification,
    Video,
    View,
    ViewMiniProgram,
    Voice,
)

TO, SENDER, TIME = "gh_5a17c0de0001", "oSim0001aaaaaaaaaaaaaaaaaaaa", 1700000000
HEADER = {"ToUserName": TO, "FromUserName": SENDER, "CreateTime": str(TIME)}


def body(kind: str, rest: str) -> bytes:
    """As the platform writes it: texts in CDATA, numbers bare, here with line breaks between."""
    return (
        f"<xml><ToUserName><![CDATA[{TO}]]></ToUserName>\n"
        f"<FromUserName><![CDATA[{SENDER}]]></FromUserName>\n"
        f"<CreateTime>{TIME}</CreateTime>\n<MsgType><![CDATA[{kind}]]></MsgType>\n{rest}</xml>"
    ).encode()


def bare(post: bytes) -> bytes:
    """The same without CDATA."""
    found = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
    return found.sub(lambda text: escape(text[1]), post.decode()).encode()


def message(kind: str, rest: str = "") -> Incoming:
    return incoming.read(xml.read(body(kind, rest)))


def event(name: str, rest: str = "") -> Incoming:
    return message("event", f"<Event><![CDATA[{name}]]></Event>\n{rest}")


def expected(cls: type, kind: str, **parts: object) -> Incoming:
    return cls(to=TO, sender=SENDER, created_at=TIME, kind=kind, fields={}, **parts)


ID = "<MsgId>23456789012345678</MsgId>"
ARTICLE = "<MsgDataId>4500000001</MsgDataId><Idx>2</Idx>"
WITH_ID = {"msg_id": "23456789012345678"}
COPYRIGHT = """<CopyrightCheckResult><Count>2</Count><ResultList>
<item><ArticleIdx>1</ArticleIdx><UserDeclareState>0</UserDeclareState><AuditState>2</AuditState>
<OriginalArticleUrl><![CDATA[https://mp.weixin.qq.com/s?a=1&b=2]]></OriginalArticleUrl>
<OriginalArticleType>1</OriginalArticleType><CanReprint>1</CanReprint>
<NeedReplaceContent>1</NeedReplaceContent><NeedShowReprintSource>1</NeedShowReprintSource></item>
<item><ArticleIdx>2</ArticleIdx><UserDeclareState>1</UserDeclareState><AuditState>0</AuditState>
<OriginalArticleUrl><![CDATA[]]></OriginalArticleUrl>
<OriginalArticleType>0</OriginalArticleType><CanReprint>0</CanReprint>
<NeedReplaceContent>0</NeedReplaceContent><NeedShowReprintSource>0</NeedShowReprintSource></item>
</ResultList><CheckState>2</CheckState></CopyrightCheckResult>"""
CHECKS = (
    CopyrightCheck(
        index=1,
        declared=0,
        audit=2,
        original_url="https://mp.weixin.qq.com/s?a=1&b=2",
        original_type=1,
        can_reprint=True,
        replace_content=True,
        show_source=True,
    ),
    CopyrightCheck(index=2, declared=1),
)
MESSAGES = [
    (
        "text",
        "<Content><![CDATA[帮助 <a> & [微笑]🌻\n2]]></Content>" + ID,
        expected(Text, "text", content="帮助 <a> & [微笑]🌻\n2", **WITH_ID),
    ),
    (
        "text",
        "<Content><![CDATA[满意]]></Content><bizmsgmenuid>101</bizmsgmenuid>" + ID + ARTICLE,
        expected(
            Text, "text", content="满意", menu_id="101", data_id="4500000001", index=2, **WITH_ID
        ),
    ),
    (
        "image",
        "<PicUrl><![CDATA[http://mmbiz.qpic.cn/x/0?a=1&b=2]]></PicUrl>"
        "<MediaId><![CDATA[m_e-1]]></MediaId>" + ID,
        expected(
            Image,
            "image",
            picture_url="http://mmbiz.qpic.cn/x/0?a=1&b=2",
            media_id="m_e-1",
            **WITH_ID,
        ),
    ),
    (
        "voice",
        "<MediaId><![CDATA[m]]></MediaId><Format><![CDATA[amr]]></Format>"
        "<MediaId16K><![CDATA[m16]]></MediaId16K><Recognition><![CDATA[绑定。]]></Recognition>"
        + ID,
        expected(
            Voice,
            "voice",
            media_id="m",
            format="amr",
            media_id_16k="m16",
            recognition="绑定。",
            **WITH_ID,
        ),
    ),
    (
        "voice",
        "<MediaId><![CDATA[m]]></MediaId><Format><![CDATA[speex]]></Format>"
        "<Recognition><![CDATA[]]></Recognition>" + ID,
        expected(Voice, "voice", media_id="m", format="speex", **WITH_ID),
    ),
    (
        "video",
        "<MediaId><![CDATA[m]]></MediaId><ThumbMediaId><![CDATA[t]]></ThumbMediaId>" + ID,
        expected(Video, "video", media_id="m", thumb_media_id="t", short=False, **WITH_ID),
    ),
    (
        "shortvideo",
        "<MediaId><![CDATA[m]]></MediaId><ThumbMediaId><![CDATA[t]]></ThumbMediaId>" + ID,
        expected(Video, "video", media_id="m", thumb_media_id="t", short=True, **WITH_ID),
    ),
    (
        "location",
        "<Location_X>23.134521</Location_X><Location_Y>-113.358803</Location_Y><Scale>20</Scale>"
        "<Label><![CDATA[广州市海珠区]]></Label>" + ID,
        expected(
            Location,
            "location",
            latitude=23.134521,
            longitude=-113.358803,
            scale=20,
            label="广州市海珠区",
            **WITH_ID,
        ),
    ),
    (
        "location",
        "<Location_X>-90</Location_X><Location_Y>180.000000</Location_Y><Label></Label>" + ID,
        expected(Location, "location", latitude=-90.0, longitude=180.0, **WITH_ID),
    ),
    (
        "link",
        "<Title><![CDATA[标题]]></Title><Description><![CDATA[说明]]></Description>"
        "<Url><![CDATA[https://example.com/?a=1&b=2]]></Url>" + ID,
        expected(
            Link,
            "link",
            title="标题",
            description="说明",
            url="https://example.com/?a=1&b=2",
            **WITH_ID,
        ),
    ),
    (
        "file",
        "<Title><![CDATA[a.pdf]]></Title><Description><![CDATA[]]></Description>"
        "<FileKey><![CDATA[k]]></FileKey><FileMd5><![CDATA[d41d8cd9]]></FileMd5>"
        "<FileTotalLen>20480</FileTotalLen>" + ID,
        expected(File, "file", title="a.pdf", file_key="k", md5="d41d8cd9", size=20480, **WITH_ID),
    ),
    ("hologram", "<Depth>3</Depth>" + ID, expected(OtherMessage, "hologram", **WITH_ID)),
    ("hologram", "<Depth>3</Depth>", expected(OtherMessage, "hologram", msg_id="")),
]
PICTURES = """<SendPicsInfo><Count>2</Count><PicList>
<item><PicMd5Sum><![CDATA[1b5f7c23b5bf75682a53e7b6d163e185]]></PicMd5Sum></item>
<item><PicMd5Sum><![CDATA[5a75aaca956d97be686719218f275c6b]]></PicMd5Sum></item>
</PicList></SendPicsInfo>"""
DIGESTS = ("1b5f7c23b5bf75682a53e7b6d163e185", "5a75aaca956d97be686719218f275c6b")
KEY = "<EventKey><![CDATA[V1001 帮助]]></EventKey>"
OPENID = "oSim0002bbbbbbbbbbbbbbbbbbbb"
EVENTS = [
    ("subscribe", "", expected(Subscribe, "subscribe")),
    ("subscribe", "<EventKey><![CDATA[]]></EventKey>", expected(Subscribe, "subscribe")),
    (
        "subscribe",
        "<EventKey><![CDATA[qrscene_bind_7f3a]]></EventKey><Ticket><![CDATA[gQSIM==]]></Ticket>",
        expected(Subscribe, "subscribe", event_key="qrscene_bind_7f3a", ticket="gQSIM=="),
    ),
    ("unsubscribe", "<EventKey></EventKey>", expected(Unsubscribe, "unsubscribe")),
    (
        "SCAN",
        "<EventKey><![CDATA[bind_7f3a]]></EventKey><Ticket><![CDATA[gQSIM==]]></Ticket>",
        expected(Scan, "scan", scene="bind_7f3a", ticket="gQSIM=="),
    ),
    (
        "LOCATION",
        "<Latitude>23.137466</Latitude><Longitude>113.352425</Longitude>"
        "<Precision>119.385040</Precision>",
        expected(
            LocationReport,
            "location_report",
            latitude=23.137466,
            longitude=113.352425,
            precision=119.38504,
        ),
    ),
    ("CLICK", KEY, expected(Click, "click", key="V1001 帮助")),
    (
        "VIEW",
        "<EventKey><![CDATA[https://example.com/?a=1&b=2]]></EventKey><MenuId>414</MenuId>",
        expected(View, "view", url="https://example.com/?a=1&b=2", menu_id="414"),
    ),
    (
        "view_miniprogram",
        "<EventKey><![CDATA[pages/index?a=1]]></EventKey><MenuId>414</MenuId>",
        expected(ViewMiniProgram, "view_miniprogram", path="pages/index?a=1", menu_id="414"),
    ),
    (
        "scancode_push",
        KEY + "<ScanCodeInfo><ScanType><![CDATA[qrcode]]></ScanType>"
        "<ScanResult><![CDATA[https://example.com/a b]]></ScanResult></ScanCodeInfo>",
        expected(
            ScanCode,
            "scancode_push",
            key="V1001 帮助",
            code_type="qrcode",
            result="https://example.com/a b",
            waits=False,
        ),
    ),
    (
        "scancode_waitmsg",
        KEY + "<ScanCodeInfo><ScanType><![CDATA[barcode]]></ScanType>"
        "<ScanResult><![CDATA[EAN_13,6901234567892]]></ScanResult></ScanCodeInfo>",
        expected(
            ScanCode,
            "scancode_waitmsg",
            key="V1001 帮助",
            code_type="barcode",
            result="EAN_13,6901234567892",
            waits=True,
        ),
    ),
    *(
        (
            name,
            KEY + PICTURES,
            expected(Pictures, name, event=name, key="V1001 帮助", digests=DIGESTS),
        )
        for name in ("pic_sysphoto", "pic_photo_or_album", "pic_weixin")
    ),
    (
        "pic_weixin",
        "<SendPicsInfo><Count>1</Count><PicList><item><PicMd5Sum>1b</PicMd5Sum></item></PicList>"
        "</SendPicsInfo>",
        expected(Pictures, "pic_weixin", event="pic_weixin", digests=("1b",)),
    ),
    (
        "location_select",
        KEY + "<SendLocationInfo><Location_X><![CDATA[23]]></Location_X>"
        "<Location_Y><![CDATA[113.5]]></Location_Y><Scale><![CDATA[15]]></Scale>"
        "<Label><![CDATA[广州]]></Label><Poiname><![CDATA[塔]]></Poiname></SendLocationInfo>",
        expected(
            LocationSelect,
            "location_select",
            key="V1001 帮助",
            latitude=23.0,
            longitude=113.5,
            scale=15,
            label="广州",
            place="塔",
        ),
    ),
    *(
        (
            "TEMPLATESENDJOBFINISH",
            f"<MsgID>1700827132819554304</MsgID><Status><![CDATA[{status}]]></Status>",
            expected(
                TemplateReceipt,
                "templatesendjobfinish",
                msg_id="1700827132819554304",
                status=status,
                delivered=delivered,
                blocked=blocked,
            ),
        )
        for status, delivered, blocked in (
            ("success", True, False),
            ("failed:user block", False, True),
            ("failed: user block", False, True),
            ("failed: system failed", False, False),
            ("failed:system failed", False, False),
        )
    ),
    (
        "subscribe_msg_popup_event",
        """<SubscribeMsgPopupEvent>
        <List><TemplateId><![CDATA[T-1_a]]></TemplateId>
        <SubscribeStatusString><![CDATA[accept]]></SubscribeStatusString>
        <PopupScene>2</PopupScene></List>
        <List><TemplateId><![CDATA[T-2]]></TemplateId>
        <SubscribeStatusString><![CDATA[reject]]></SubscribeStatusString>
        <PopupScene>2</PopupScene></List></SubscribeMsgPopupEvent>""",
        expected(
            SubscriptionAnswers,
            "subscribe_msg_popup_event",
            event="popup",
            answers=(
                SubscriptionAnswer(template_id="T-1_a", accepted=True, scene="2"),
                SubscriptionAnswer(template_id="T-2", accepted=False, scene="2"),
            ),
        ),
    ),
    (
        "subscribe_msg_change_event",
        """<SubscribeMsgChangeEvent><List><TemplateId><![CDATA[T-1]]></TemplateId>
        <SubscribeStatusString><![CDATA[reject]]></SubscribeStatusString></List>
        </SubscribeMsgChangeEvent>""",
        expected(
            SubscriptionAnswers,
            "subscribe_msg_change_event",
            event="change",
            answers=(SubscriptionAnswer(template_id="T-1", accepted=False),),
        ),
    ),
    (
        "subscribe_msg_sent_event",
        """<SubscribeMsgSentEvent><List><TemplateId><![CDATA[T-1]]></TemplateId>
        <MsgID>1700827132819554304</MsgID><ErrorCode>0</ErrorCode>
        <ErrorStatus><![CDATA[success]]></ErrorStatus></List></SubscribeMsgSentEvent>""",
        expected(
            SubscriptionAnswers,
            "subscribe_msg_sent_event",
            event="sent",
            answers=(
                SubscriptionAnswer(
                    template_id="T-1", msg_id="1700827132819554304", error_status="success"
                ),
            ),
        ),
    ),
    (
        "MASSSENDJOBFINISH",
        "<MsgID>1000001625</MsgID><Status><![CDATA[err(30003)]]></Status><TotalCount>9</TotalCount>"
        "<FilterCount>8</FilterCount><SentCount>7</SentCount><ErrorCount>1</ErrorCount>"
        + COPYRIGHT
        + """<ArticleUrlResult><Count>1</Count><ResultList><item><ArticleIdx>1</ArticleIdx>
        <ArticleUrl><![CDATA[https://mp.weixin.qq.com/s/x?a&b]]></ArticleUrl></item></ResultList>
        </ArticleUrlResult>""",
        expected(
            MassReceipt,
            "masssendjobfinish",
            msg_id="1000001625",
            status="err(30003)",
            delivered=False,
            total=9,
            filtered=8,
            sent=7,
            failed=1,
            check_state=2,
            checks=CHECKS,
            articles=(Article(index=1, url="https://mp.weixin.qq.com/s/x?a&b"),),
        ),
    ),
    (
        "MASSSENDJOBFINISH",
        "<MsgID>1</MsgID><Status><![CDATA[send success]]></Status><ArticleUrlResult>"
        "<Count>0</Count><ResultList></ResultList></ArticleUrlResult>",
        expected(
            MassReceipt, "masssendjobfinish", msg_id="1", status="send success", delivered=True
        ),
    ),
    (
        "FREEPUBLISHJOBFINISH",
        """<PublishEventInfo><publish_id>2247503051</publish_id><publish_status>0</publish_status>
        <article_id><![CDATA[b5O2]]></article_id><article_detail><count>2</count>
        <item><idx>1</idx><article_url><![CDATA[https://a/?b&c]]></article_url></item>
        <item><idx>2</idx><article_url><![CDATA[https://d]]></article_url></item>
        </article_detail></PublishEventInfo>""",
        expected(
            PublishReceipt,
            "freepublishjobfinish",
            publish_id="2247503051",
            status=0,
            article_id="b5O2",
            articles=(Article(index=1, url="https://a/?b&c"), Article(index=2, url="https://d")),
        ),
    ),
    (
        "FREEPUBLISHJOBFINISH",
        "<PublishEventInfo><publish_id>7</publish_id><publish_status>2</publish_status>"
        "<fail_idx>1</fail_idx><fail_idx>3</fail_idx></PublishEventInfo>",
        expected(PublishReceipt, "freepublishjobfinish", publish_id="7", status=2, failed=(1, 3)),
    ),
    (
        "FREEPUBLISHJOBFINISH",
        "<PublishEventInfo><publish_id>7</publish_id><publish_status>4</publish_status>"
        "<fail_idx>2</fail_idx></PublishEventInfo>",
        expected(PublishReceipt, "freepublishjobfinish", publish_id="7", status=4, failed=(2,)),
    ),
    *(
        (
            name,
            "<ExpiredTime>1442401156</ExpiredTime>",
            expected(Verification, name, event=name, time=1442401156),
        )
        for name in (
            "qualification_verify_success",
            "naming_verify_success",
            "annual_renew",
            "verify_expired",
        )
    ),
    *(
        (
            name,
            "<FailTime>1442401122</FailTime><FailReason><![CDATA[by time]]></FailReason>",
            expected(Verification, name, event=name, time=1442401122, reason="by time"),
        )
        for name in ("qualification_verify_fail", "naming_verify_fail")
    ),
    (
        "user_info_modified",
        f"<OpenID><![CDATA[{OPENID}]]></OpenID><AppID><![CDATA[wx1]]></AppID>",
        expected(
            AuthorizationChange,
            "user_info_modified",
            change="modified",
            openid=OPENID,
            app_id="wx1",
        ),
    ),
    (
        "user_authorization_revoke",
        f"<OpenID><![CDATA[{OPENID}]]></OpenID><AppID><![CDATA[wx1]]></AppID>"
        "<UnionID><![CDATA[u1]]></UnionID><RevokeInfo><![CDATA[301]]></RevokeInfo>",
        expected(
            AuthorizationChange,
            "user_authorization_revoke",
            change="revoked",
            openid=OPENID,
            app_id="wx1",
            unionid="u1",
            revoked="301",
        ),
    ),
    (
        "user_authorization_cancellation",
        f"<openid><![CDATA[{OPENID}]]></openid><appid><![CDATA[wx1]]></appid>",
        expected(
            AuthorizationChange,
            "user_authorization_cancellation",
            change="cancelled",
            openid=OPENID,
            app_id="wx1",
        ),
    ),
    (
        "user_enter_tempsession",
        "<SessionFrom><![CDATA[menu]]></SessionFrom>",
        expected(
            ServiceSession, "user_enter_tempsession", event="user_enter_tempsession", origin="menu"
        ),
    ),
    *(
        (
            name,
            "<KfAccount><![CDATA[a@b]]></KfAccount>",
            expected(ServiceSession, name, event=name, account="a@b"),
        )
        for name in ("kf_create_session", "kf_close_session")
    ),
    (
        "kf_switch_session",
        "<FromKfAccount><![CDATA[a@b]]></FromKfAccount><ToKfAccount><![CDATA[c@b]]></ToKfAccount>",
        expected(
            ServiceSession,
            "kf_switch_session",
            event="kf_switch_session",
            account="c@b",
            previous="a@b",
        ),
    ),
    (
        "user_get_card",
        "<CardId><![CDATA[p1]]></CardId><IsGiveByFriend>1</IsGiveByFriend>",
        expected(OtherEvent, "user_get_card", event="user_get_card"),
    ),
    (
        "ShakearoundUserShake",
        "<ChosenBeacon><Uuid><![CDATA[u]]></Uuid></ChosenBeacon>",
        expected(OtherEvent, "shakearoundusershake", event="shakearoundusershake"),
    ),
]
POSTS = [(body(kind, rest), value) for kind, rest, value in MESSAGES] + [
    (body("event", f"<Event><![CDATA[{name}]]></Event>\n{rest}"), value)
    for name, rest, value in EVENTS
]


@pytest.mark.parametrize(("post", "value"), POSTS, ids=lambda part: getattr(part, "kind", ""))
def test_each_kind_is_read_with_all_its_fields(post, value):
    for form in (post, bare(post)):
        found = incoming.read(xml.read(form))
        assert type(found) is type(value)
        assert dataclasses.replace(found, fields={}) == value


def test_the_table_above_has_every_kind_of_the_document():
    names = {name.lower() for name, _, _ in EVENTS}
    assert set(incoming._EVENTS) <= names
    assert set(incoming._MESSAGES) <= {kind for kind, _, _ in MESSAGES}


@pytest.mark.parametrize("name", ["scan", "SCAN", "Scan", "sCaN"])
def test_an_event_may_come_in_any_letter_case(name):
    assert isinstance(event(name, "<EventKey>x</EventKey>"), Scan)
    assert event(name).kind == "scan"


def test_an_event_of_other_letters_that_look_alike_is_none_of_ours():
    with pytest.raises(BadMessage):
        event("CLIC\u212a")  # the sign for kelvin, whose lower case is k
    with pytest.raises(BadMessage):
        event("ſubscribe")  # the long s, whose upper case is S


def test_all_flat_texts_are_kept_under_the_platforms_names():
    found = event("subscribe", "<EventKey>qrscene_x</EventKey><New>1</New><Deep><A>2</A></Deep>")
    assert found.fields == {
        **HEADER,
        "MsgType": "event",
        "Event": "subscribe",
        "EventKey": "qrscene_x",
        "New": "1",
    }


@pytest.mark.parametrize(
    ("event_key", "scene"),
    [
        ("qrscene_bind_7f3a", "bind_7f3a"),
        ("qrscene_123", "123"),
        ("qrscene_", ""),
        ("", ""),
        ("last_trade_no_4200", ""),
        ("scanbarcode|EAN_13|69", ""),
        ("bind_7f3a", ""),
        ("QRSCENE_x", ""),
        ("qrscene_qrscene_x", "qrscene_x"),
    ],
)
def test_only_a_parametric_code_gives_a_subscriber_a_scene(event_key, scene):
    found = event("subscribe", f"<EventKey>{event_key}</EventKey>")
    assert (found.scene, found.event_key) == (scene, event_key)


def test_the_scene_of_a_scan_has_no_prefix_to_lose():
    assert event("SCAN", "<EventKey>qrscene_x</EventKey>").scene == "qrscene_x"


def test_no_message_and_no_event_passes_for_another():
    for name in ("text", "image", "file", "location_report", "event", "any", "other"):
        found = event(name)
        assert (type(found), found.kind, found.event) == (OtherEvent, "other", name)
    for name in ("subscribe", "SCAN", "click", "templatesendjobfinish", "any", "other"):
        found = message(name, ID)
        assert (type(found), found.kind) == (OtherMessage, "other")
    assert message(
        "location", "<Location_X>1</Location_X><Location_Y>2</Location_Y>" + ID
    ).kind != (event("LOCATION", "<Latitude>1</Latitude><Longitude>2</Longitude>").kind)


def test_msg_id_may_be_written_either_way():
    receipt = "<MsgId>77</MsgId><Status>success</Status>"
    assert event("TEMPLATESENDJOBFINISH", receipt).msg_id == "77"
    assert message("text", "<Content>x</Content><MsgID>78</MsgID>").msg_id == "78"
    sent = "<SubscribeMsgSentEvent><List><TemplateId>T</TemplateId><MsgId>79</MsgId></List>"
    answers = event("subscribe_msg_sent_event", sent + "</SubscribeMsgSentEvent>").answers
    assert answers[0].msg_id == "79"


@pytest.mark.parametrize(
    ("parts", "code", "delivered"),
    [
        ({"ErrorCode": "0", "ErrorStatus": "success"}, 0, True),
        ({"ErrorCode": "0", "ErrorStatus": " Success"}, 0, True),
        ({"ErrorCode": "0"}, 0, True),
        ({}, 0, True),
        ({"ErrorStatus": "success"}, 0, True),
        ({"ErrorStatus": "failed:user block"}, 0, False),
        ({"ErrorCode": "43101", "ErrorStatus": "user refuse"}, 43101, False),
        ({"ErrorCode": "43101"}, 43101, False),
        ({"ErrorCode": "-1", "ErrorStatus": "system failed"}, -1, False),
        ({"ErrorCode": "1", "ErrorStatus": "success"}, 1, False),
    ],
)
def test_a_delivery_of_a_subscription_notice_says_whether_it_arrived(parts, code, delivered):
    entry = {"TemplateId": "T", "MsgID": "5"} | parts
    for entries in (entry, [{"TemplateId": "T-0", "MsgID": "4", "ErrorCode": "0"}, entry]):
        post = {**HEADER, **SENT, "SubscribeMsgSentEvent": {"List": entries}}
        last = incoming.read(post).answers[-1]
        assert (last.msg_id, last.error_code, last.delivered) == ("5", code, delivered)
        assert last.error_status == parts.get("ErrorStatus", "")


def test_of_several_deliveries_each_keeps_its_own_number():
    entries = [{"TemplateId": f"T-{n}", "MsgID": str(2**60 + n)} for n in range(3)]
    post = {**HEADER, **SENT, "SubscribeMsgSentEvent": {"List": entries}}
    answers = incoming.read(post).answers
    assert [one.msg_id for one in answers] == [str(2**60 + n) for n in range(3)]
    assert [one.template_id for one in answers] == ["T-0", "T-1", "T-2"]


def test_an_answer_that_is_neither_yes_nor_no_is_neither():
    rest = "<SubscribeMsgPopupEvent><List><TemplateId>T</TemplateId><SubscribeStatusString>"
    rest += "ban</SubscribeStatusString></List></SubscribeMsgPopupEvent>"
    assert event("subscribe_msg_popup_event", rest).answers[0].accepted is None


def test_texts_lose_control_characters_but_keep_lines_and_tabs():
    assert (
        incoming.read(
            {
                **HEADER,
                "MsgType": "text",
                "MsgId": "1",
                "Content": "a\x00b\tc\nd\re\r\nf\x1b\x7f\x85g\ud800",
            }
        ).content
        == "ab\tc\nd\ne\nfg"
    )
    found = incoming.read(
        {
            **HEADER,
            "MsgType": "event",
            "Event": "scancode_push",
            "EventKey": "k\x08",
            "ScanCodeInfo": {"ScanResult": "r\x0c"},
        }
    )
    assert (found.result, found.key, found.fields["EventKey"]) == ("r", "k", "k")


def test_a_long_text_stays_whole():
    assert len(message("text", f"<Content>{'长' * 40_000}</Content>{ID}").content) == 40_000


def test_printing_a_message_shows_nobody_and_nothing_that_was_written():
    for post, _ in POSTS:
        found = incoming.read(xml.read(post))
        assert re.fullmatch(r"<[A-Za-z]+ [a-z_]+>", repr(found))
        assert str(found) == repr(found)


# --- what is refused ---

LOCATION = {"MsgType": "location", "MsgId": "1", "Location_X": "1", "Location_Y": "2"}
TEXT = {"MsgType": "text", "MsgId": "1", "Content": "x"}
REPORT = {"MsgType": "event", "Event": "LOCATION", "Latitude": "1", "Longitude": "2"}
RECEIPT = {"MsgType": "event", "Event": "TEMPLATESENDJOBFINISH", "MsgID": "1", "Status": "success"}
MASS = {**RECEIPT, "Event": "MASSSENDJOBFINISH"}
REVOKE = {"MsgType": "event", "Event": "user_authorization_revoke", "OpenID": "o"}
SELECT = {"MsgType": "event", "Event": "location_select"}
PUBLISH = {"MsgType": "event", "Event": "FREEPUBLISHJOBFINISH"}
SENT = {"MsgType": "event", "Event": "subscribe_msg_sent_event"}
VERIFIED = {"MsgType": "event", "Event": "annual_renew", "ExpiredTime": "1"}
PLACE = {"Location_X": "1", "Location_Y": "2"}
LEAVE_OUT = None
NO_WHOLE_NUMBERS = [
    "-1",
    "-0",
    "+1",
    "1.0",
    "1_0",
    " 1",
    "1 ",
    "1\n",
    "0x1",
    "1e3",
    "١",
    "１",
    "²",
    "9" * 21,
]
NO_NUMBERS = [
    "nan",
    "inf",
    "-inf",
    "1e999",
    "1_0",
    "+1",
    " 1",
    "0x1",
    "1,5",
    ".5",
    "5.",
    "١",
    "--1",
]


def bad(base: dict[str, object], field: str, *values: object) -> list[tuple[object, str]]:
    return [({**base, field: value}, field) for value in values]


def inside(
    base: dict[str, object], where: str, good: dict[str, object], field: str, *values: object
):
    return [({**base, where: {**good, field: value}}, field) for value in values]


BAD = [
    *bad(TEXT, "ToUserName", LEAVE_OUT, "", "a b", "a\n", "x" * 65, "é", "<a>", {"a": "b"}, ["a"]),
    *bad(TEXT, "FromUserName", LEAVE_OUT, "", "o/1", "o;1", "x" * 65, "王", {"a": "b"}),
    *bad(TEXT, "CreateTime", LEAVE_OUT, "", "0", str(2**32), *NO_WHOLE_NUMBERS, {"a": "1"}),
    *bad(TEXT, "MsgType", LEAVE_OUT, "", "te xt", "x" * 65, "text\n", {"a": "b"}, ["text"]),
    *bad(TEXT, "MsgId", LEAVE_OUT, "", *NO_WHOLE_NUMBERS, "abc", {"a": "1"}),
    *bad(TEXT, "Idx", "10001", *NO_WHOLE_NUMBERS),
    *bad(TEXT, "Content", LEAVE_OUT, {"a": "b"}, ["x"]),
    *bad({**TEXT, "MsgType": "image"}, "MediaId", LEAVE_OUT, "", {"a": "b"}),
    *bad({**TEXT, "MsgType": "voice"}, "MediaId", LEAVE_OUT, ""),
    *bad({**TEXT, "MsgType": "video"}, "MediaId", LEAVE_OUT, ""),
    *bad({**TEXT, "MsgType": "shortvideo"}, "MediaId", LEAVE_OUT, ""),
    *bad({**TEXT, "MsgType": "link"}, "Url", LEAVE_OUT, ""),
    *bad({**TEXT, "MsgType": "file"}, "FileTotalLen", str(2**53 + 1), *NO_WHOLE_NUMBERS),
    *bad(LOCATION, "Location_X", LEAVE_OUT, "", "90.1", "-91", *NO_NUMBERS, {"a": "1"}),
    *bad(LOCATION, "Location_Y", LEAVE_OUT, "", "180.000001", "-181", *NO_NUMBERS),
    *bad(LOCATION, "Scale", "101", *NO_WHOLE_NUMBERS),
    *bad({**TEXT, "MsgType": "hologram"}, "MsgId", "x", "9" * 21),
    *bad({"MsgType": "event"}, "Event", LEAVE_OUT, "", "a b", "x" * 65, {"a": "b"}),
    *bad(REPORT, "Latitude", LEAVE_OUT, "", "90.000001", *NO_NUMBERS),
    *bad(REPORT, "Longitude", LEAVE_OUT, "", "-180.1", *NO_NUMBERS),
    *bad(REPORT, "Precision", "-1", "1e10", *NO_NUMBERS),
    *bad({"MsgType": "event", "Event": "scancode_push"}, "ScanCodeInfo", LEAVE_OUT, "", "x", {}),
    *bad(SELECT, "SendLocationInfo", LEAVE_OUT, "", "x", {}, [], {"Location_X": "1"}),
    *inside(SELECT, "SendLocationInfo", PLACE, "Location_X", "91", *NO_NUMBERS),
    *inside(SELECT, "SendLocationInfo", PLACE, "Location_Y", "181", *NO_NUMBERS),
    *inside(SELECT, "SendLocationInfo", PLACE, "Scale", "101", *NO_WHOLE_NUMBERS),
    *bad(RECEIPT, "MsgID", LEAVE_OUT, "", *NO_WHOLE_NUMBERS),
    *bad(RECEIPT, "Status", LEAVE_OUT, "", {"a": "success"}),
    *bad(MASS, "MsgID", LEAVE_OUT, "", "x"),
    *bad(MASS, "Status", LEAVE_OUT, ""),
    *bad(MASS, "TotalCount", str(2**53 + 1), *NO_WHOLE_NUMBERS),
    *bad(MASS, "SentCount", "x"),
    *inside(MASS, "CopyrightCheckResult", {}, "CheckState", "10001", "x"),
    *inside(
        MASS,
        "CopyrightCheckResult",
        {},
        "ResultList",
        {"item": {"ArticleIdx": "x"}},
        {"item": [{"ArticleIdx": "1"}, {"AuditState": "-1"}]},
    ),
    *inside(MASS, "ArticleUrlResult", {}, "ResultList", {"item": {"ArticleIdx": "1.5"}}),
    *bad(
        PUBLISH, "PublishEventInfo", LEAVE_OUT, "", {}, {"publish_id": "1"}, {"publish_status": "1"}
    ),
    *inside(
        PUBLISH,
        "PublishEventInfo",
        {"publish_id": "1", "publish_status": "0"},
        "fail_idx",
        "x",
        ["1", "-1"],
    ),
    *bad(REVOKE, "OpenID", LEAVE_OUT, "", "a b", {"a": "b"}),
    *inside(
        SENT,
        "SubscribeMsgSentEvent",
        {},
        "List",
        {},
        {"TemplateId": ""},
        {"TemplateId": "a b"},
        {"TemplateId": "T", "MsgID": "x"},
        {"TemplateId": "T", "ErrorCode": "x"},
        {"TemplateId": "T", "ErrorCode": "--1"},
        {"TemplateId": "T", "ErrorCode": "1-"},
    ),
    *bad(VERIFIED, "ExpiredTime", LEAVE_OUT, "", "0", str(2**32), *NO_WHOLE_NUMBERS),
]


@pytest.mark.parametrize(("fields", "name"), BAD)
def test_what_is_missing_or_odd_is_refused_by_name_without_its_content(fields, name):
    fields = {key: value for key, value in {**HEADER, **fields}.items() if value is not LEAVE_OUT}
    with pytest.raises(BadMessage) as caught:
        incoming.read(fields)
    reason = str(caught.value)
    assert re.fullmatch(
        r"[A-Za-z_/]+ is (missing|missing or odd|odd|missing or no (whole )?number|out of range)",
        reason,
    )
    within = fields.get(name)
    if not isinstance(within, dict | list) and name not in ("List", "ResultList"):
        assert name.lower() in reason.lower()


def test_the_bases_of_that_table_are_good_themselves():
    assert len(BAD) > 300
    for base in (TEXT, LOCATION, REPORT, RECEIPT, MASS, REVOKE, VERIFIED):
        incoming.read({**HEADER, **base})
    incoming.read({**HEADER, **SELECT, "SendLocationInfo": PLACE})
    info = {"publish_id": "1", "publish_status": "0", "fail_idx": ["1", "2"]}
    incoming.read({**HEADER, **PUBLISH, "PublishEventInfo": info})
    incoming.read({**HEADER, **SENT, "SubscribeMsgSentEvent": {"List": {"TemplateId": "T"}}})


@pytest.mark.parametrize("value", ["", {"a": "b"}, ["a"], None])
def test_what_may_be_missing_may_be_empty_or_of_another_shape(value):
    def read(base: dict[str, object], *names: str) -> Incoming:
        return incoming.read({**HEADER, **base, **dict.fromkeys(names, value)})

    image = {**TEXT, "MsgType": "image", "MediaId": "m"}
    assert read(image, "PicUrl", "MsgDataId", "Idx").picture_url == ""
    voice = {**TEXT, "MsgType": "voice", "MediaId": "m"}
    found = read(voice, "Format", "MediaId16K", "Recognition")
    assert (found.format, found.media_id_16k, found.recognition) == ("", "", "")
    found = read(LOCATION, "Scale", "Label")
    assert (found.scale, found.label) == (0, "")
    assert read({**TEXT, "MsgType": "file"}, "Title", "FileTotalLen").size == 0
    for name in (
        "subscribe",
        "unsubscribe",
        "SCAN",
        "CLICK",
        "VIEW",
        "view_miniprogram",
        "pic_weixin",
    ):
        read({"MsgType": "event", "Event": name}, "EventKey", "Ticket", "MenuId", "SendPicsInfo")
    assert read(REPORT, "Precision").precision == 0.0
    found = read(MASS, "TotalCount", "CopyrightCheckResult", "ArticleUrlResult")
    assert (found.total, found.checks, found.articles) == (0, (), ())
    assert read(REVOKE, "AppID", "UnionID", "RevokeInfo").revoked == ""
    assert read(SENT, "SubscribeMsgSentEvent").answers == ()
    assert read({**TEXT, "MsgType": "hologram"}, "MsgId").msg_id == ""


def test_the_edges_of_numbers_are_inside():
    for time in ("1", str(2**32 - 1)):
        assert incoming.read({**HEADER, **TEXT, "CreateTime": time}).created_at == int(time)
    for number in ("90", "-90", "90.000000", "-0.0", "1E-5", "1e1"):
        assert incoming.read({**HEADER, **LOCATION, "Location_X": number}).latitude == float(number)
    for number in ("180", "-180"):
        found = incoming.read({**HEADER, **LOCATION, "Location_Y": number})
        assert found.longitude == float(number)
    assert incoming.read({**HEADER, **TEXT, "MsgId": "9" * 20}).msg_id == "9" * 20
    assert incoming.read({**HEADER, **TEXT, "ToUserName": "a" * 64}).to == "a" * 64


NAMES = sorted(
    {"MsgType", "Event", "EventKey", "MsgId", "MsgID", "List", "item", *HEADER}
    | set(re.findall(r"<(\w+)>", "".join(post.decode() for post, _ in POSTS)))
)
TEXTS = st.sampled_from(["1", "", "text", "event", "90", "nan", "T", "x", *NO_NUMBERS]) | st.text()
VALUES = st.recursive(
    TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=10,
)
TREES = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), VALUES, max_size=8)


@given(
    tree=TREES,
    headed=st.booleans(),
    name=st.sampled_from(sorted(incoming._EVENTS)),
    kind=st.sampled_from(["event", *sorted(incoming._MESSAGES)]),
)
@example(tree={}, headed=False, name="scan", kind="event")
def test_any_fields_give_a_message_or_are_refused(tree, headed, name, kind):
    if headed:
        tree = {**tree, **HEADER, "MsgType": kind, "Event": name}
    with contextlib.suppress(BadMessage):
        found = incoming.read(tree)
        assert isinstance(found, Incoming)
        assert 0 < len(incoming.key(found)) < 600
        incoming.answerable(found)
        incoming.acted(found)
        assert all(isinstance(value, str) for value in found.fields.values())


@given(value=st.text(alphabet=st.characters()))
def test_a_content_can_always_be_printed_and_written(value):
    found = incoming.read({**HEADER, **TEXT, "Content": value})
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", found.content)
    assert xml.read(xml.write({"Content": found.content})) == {"Content": found.content}


@given(number=st.integers() | st.floats(), name=st.sampled_from(["Location_X", "Location_Y"]))
def test_a_coordinate_is_on_the_globe_or_refused(number, name):
    limit = {"Location_X": 90, "Location_Y": 180}[name]
    try:
        found = incoming.read({**HEADER, **LOCATION, name: str(number)})
    except BadMessage:
        # Python writes "1e+20" and digits without end; both are outside.
        assert not -limit <= number <= limit or len(str(number)) > 40
        return
    value = found.latitude if name == "Location_X" else found.longitude
    assert value == float(number)
    assert -limit <= value <= limit


# --- keys ---


def test_a_repeat_has_the_same_key_and_another_message_has_not():
    first = message("text", "<Content>a</Content><MsgId>1</MsgId>")
    assert incoming.key(first) == incoming.key(
        message("text", "<Content>a</Content><MsgId>1</MsgId>")
    )
    assert incoming.key(first) != incoming.key(
        message("text", "<Content>a</Content><MsgId>2</MsgId>")
    )
    other = incoming.read({**HEADER, **TEXT, "FromUserName": "o2"})
    assert incoming.key(first) != incoming.key(other), "the same number from somebody else"


def test_two_events_of_one_second_have_two_keys():
    rests = ["", KEY, "<EventKey>V1002</EventKey>"]
    posts = [event("CLICK", rest) for rest in rests] + [event("SCAN", rest) for rest in rests]
    posts += [
        event("TEMPLATESENDJOBFINISH", f"<MsgID>{n}</MsgID><Status>success</Status>")
        for n in (1, 2)
    ]
    posts += [message("hologram"), message("hologram2"), message("hologram", ID)]
    posts += [
        incoming.read({**HEADER, "CreateTime": "1700000001", "MsgType": "event", "Event": "CLICK"})
    ]
    keys = [incoming.key(post) for post in posts]
    assert len(set(keys)) == len(keys)


def test_what_the_platform_sends_of_two_people_in_one_second_has_two_keys():
    names = [*incoming._AUTHORIZATION]
    posts = [event(name, f"<OpenID>{who}</OpenID>") for name in names for who in ("o1", "o2")]
    posts += [
        event(
            "subscribe_msg_sent_event",
            f"<SubscribeMsgSentEvent><List><TemplateId>T</TemplateId><MsgID>{n}</MsgID></List>"
            "</SubscribeMsgSentEvent>",
        )
        for n in (1, 2)
    ]
    posts += [
        event(
            "FREEPUBLISHJOBFINISH",
            f"<PublishEventInfo><publish_id>{n}</publish_id><publish_status>0</publish_status>"
            "</PublishEventInfo>",
        )
        for n in (1, 2)
    ]
    keys = [incoming.key(post) for post in posts]
    assert len(set(keys)) == len(keys)


def scanned(result: str, **change: object) -> dict[str, object]:
    code = {"ScanType": "qrcode", "ScanResult": result}
    fields = {"MsgType": "event", "Event": "scancode_waitmsg", "EventKey": "k"}
    return {**HEADER, **fields, "ScanCodeInfo": code, **change}


def test_two_events_that_differ_only_inside_have_two_keys():
    beacon = "<ChosenBeacon><Uuid><![CDATA[{}]]></Uuid></ChosenBeacon>"
    answer = (
        "<SubscribeMsgPopupEvent><List><TemplateId>T</TemplateId><SubscribeStatusString>{}"
        "</SubscribeStatusString></List></SubscribeMsgPopupEvent>"
    )
    posts = [incoming.read(scanned(result)) for result in ("a", "b", "")]
    posts += [event("ShakearoundUserShake", beacon.format(uuid)) for uuid in ("a", "b")]
    posts += [
        event("subscribe_msg_popup_event", answer.format(yes)) for yes in ("accept", "reject")
    ]
    posts += [event("user_get_card", f"<CardId>{card}</CardId>") for card in ("a", "b")]
    posts += [
        event("user_get_card", f"<A>{inside}</A>") for inside in ("<B>1</B>", "<B/>", "1", "")
    ]
    posts += [message("hologram", f"<Depth>{depth}</Depth>") for depth in (1, 2)]
    keys = [incoming.key(post) for post in posts]
    assert len(set(keys)) == len(keys)


def test_a_repeat_of_an_event_has_the_same_key_however_it_is_sealed():
    first = incoming.read(scanned("a"))
    assert incoming.key(first) == incoming.key(incoming.read(scanned("a")))
    assert incoming.key(first) == incoming.key(incoming.read(dict(reversed(scanned("a").items()))))
    sealed = [incoming.read(scanned("a", Encrypt=salted)) for salted in ("YQ==", "Yg==")]
    assert {incoming.key(post) for post in sealed} == {incoming.key(first)}


def test_a_message_with_a_number_needs_no_digest(monkeypatch):
    monkeypatch.setattr(incoming, "_digest", lambda value: pytest.fail("made"))
    assert incoming.key(message("text", f"<Content>a</Content>{ID}")).startswith("m ")


def test_a_key_stays_short_however_long_the_event_key_is():
    long = [event("VIEW", f"<EventKey>https://e/{'x' * 9000}{n}</EventKey>") for n in (1, 2)]
    first, second = map(incoming.key, long)
    assert first != second
    assert len(first) < 600
    many = "".join(f"<List><TemplateId>{'T' * 60}{n}</TemplateId></List>" for n in range(80))
    popup = event(
        "subscribe_msg_popup_event", f"<SubscribeMsgPopupEvent>{many}</SubscribeMsgPopupEvent>"
    )
    assert len(incoming.key(popup)) < 600


WORD = st.sampled_from(["", "=", "#", " ", "  ", "= =", "1", "a", "a 1", "1 a", "=event", " =a"])
LONG = "x" * 200
DIGEST = "#" + hashlib.sha256(LONG.encode()).hexdigest()
PARTS = st.tuples(
    st.sampled_from(["o", "o1", "e", "m", "event"]),
    st.sampled_from(["1", "11", "17"]),
    st.sampled_from(["event", "EVENT"]),
    st.sampled_from(["CLICK", "click", "1", "a.b"]),
    WORD | st.text(alphabet="a =#1", max_size=140),
    st.sampled_from(["", "1", "11", "x", "a b", "1 =a"]),
)


@given(one=PARTS, other=PARTS)
@example(one=("o", "1", "event", "a", "b", ""), other=("o", "1", "event", "a", "", "b"))
@example(one=("o", "1", "event", "a", "b =c", ""), other=("o", "1", "event", "a", "c", "b"))
@example(one=("o", "1", "event", "a", "", "1 =a"), other=("o", "1", "event", "a", "a =", "1"))
@example(one=("o", "1", "event", "a", LONG, ""), other=("o", "1", "event", "a", DIGEST, ""))
def test_two_different_events_never_have_one_key(one, other):
    def key(parts: tuple[str, ...]) -> str:
        names = ("FromUserName", "CreateTime", "MsgType", "Event", "EventKey", "MsgID")
        return incoming.key(incoming.read({**HEADER, **dict(zip(names, parts, strict=True))}))

    assert (key(one) == key(other)) == (one == other)


@given(
    one=st.tuples(
        st.from_regex(r"[a-z0-9]{1,4}", fullmatch=True),
        st.from_regex(r"[0-9]{1,4}", fullmatch=True),
    ),
    other=st.tuples(
        st.from_regex(r"[a-z0-9]{1,4}", fullmatch=True),
        st.from_regex(r"[0-9]{1,4}", fullmatch=True),
    ),
)
def test_two_different_messages_never_have_one_key(one, other):
    def key(sender: str, msg_id: str) -> str:
        return incoming.key(
            incoming.read({**HEADER, **TEXT, "FromUserName": sender, "MsgId": msg_id})
        )

    assert (key(*one) == key(*other)) == (one == other)


# --- what they are to us ---

ANSWERED = {
    Text,
    Image,
    Voice,
    Video,
    Location,
    Link,
    File,
    OtherMessage,
    Subscribe,
    Scan,
    Click,
    ScanCode,
}
ACTS = {*ANSWERED, Unsubscribe, View, ViewMiniProgram, Pictures, LocationSelect}


@pytest.mark.parametrize("value", [value for _, value in POSTS], ids=lambda value: value.kind)
def test_it_is_known_what_can_be_answered_and_what_the_follower_did(value):
    assert incoming.answerable(value) == (type(value) in ANSWERED)
    asked = isinstance(value, SubscriptionAnswers) and value.event in ("popup", "change")
    assert incoming.acted(value) == (type(value) in ACTS or asked)
