"""The account's templates, whatever the platform makes of the list."""

import pytest

from wx.errors import PlatformError, Remedy
from wx.model import Template
from wx.wechat.client import Client
from wx.wechat.templates import Templates

ENTRY = {
    "template_id": "T-1",
    "title": "系统通知",
    "primary_industry": "IT",
    "deputy_industry": "",
    "content": "内容：{{thing1.DATA}}\n时间：{{time2.DATA}}",
    "example": "内容：备份已完成",
}


@pytest.fixture
def templates(platform, keeper, transports):
    """The templates of a platform that answers as it is told."""
    return Templates(Client(transports(platform.base), keeper))


@pytest.mark.gen_test
async def test_the_list_is_what_the_account_has(platform, templates):
    platform.reply = {"template_list": [ENTRY, ENTRY | {"template_id": "T-2", "title": "b"}]}
    assert await templates.list_all() == [
        Template("T-1", "系统通知", "内容：{{thing1.DATA}}\n时间：{{time2.DATA}}"),
        Template("T-2", "b", "内容：{{thing1.DATA}}\n时间：{{time2.DATA}}"),
    ]
    [request] = platform.requests
    assert (request.method, request.path) == ("GET", "/cgi-bin/template/get_all_private_template")
    assert set(request.arguments) == {"access_token"}
    platform.reply = {"template_list": []}
    assert await templates.list_all() == []


@pytest.mark.parametrize("reply", [{}, {"template_list": None}, {"template_list": {"0": ENTRY}}])
@pytest.mark.gen_test
async def test_an_answer_without_a_list_is_odd(platform, templates, reply):
    platform.reply = reply
    with pytest.raises(PlatformError) as caught:
        await templates.list_all()
    assert (caught.value.remedy, caught.value.errcode) == (Remedy.RETRY, None)


@pytest.mark.parametrize(
    "odd",
    [
        None,
        "T-9",
        [],
        {},
        *({"template_id": odd} for odd in (5, "", "a b", "王", "x" * 65, "a\n", None)),
    ],
)
@pytest.mark.gen_test
async def test_what_makes_no_sense_is_left_out(platform, templates, odd):
    platform.reply = {"template_list": [odd, ENTRY]}
    assert [one.id for one in await templates.list_all()] == ["T-1"]


@pytest.mark.gen_test
async def test_texts_are_cleaned_and_bounded(platform, templates):
    platform.reply = {
        "template_list": [
            ENTRY | {"title": "a\u202eb\0c\nd", "content": "{{thing1.DATA}}\0" + "x" * 9000},
            {"template_id": "T-2", "title": 5, "content": ["x"]},
        ]
    }
    first, second = await templates.list_all()
    assert first.title == "abc d"
    assert first.content == "{{thing1.DATA}}" + "x" * (4096 - 15)
    assert second == Template("T-2", "", "")


@pytest.mark.gen_test
async def test_an_endless_list_is_cut(platform, templates):
    platform.reply = {"template_list": [ENTRY | {"template_id": f"T-{n}"} for n in range(1000)]}
    found = await templates.list_all()
    assert [one.id for one in found] == [f"T-{n}" for n in range(100)]


@pytest.mark.gen_test
async def test_an_account_without_templates_is_told_so(platform, templates):
    platform.reply = {"errcode": 48001}
    with pytest.raises(PlatformError) as caught:
        await templates.list_all()
    assert caught.value.errcode == 48001
