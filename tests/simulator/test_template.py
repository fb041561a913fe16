"""What a template takes."""

import pytest

from wx.simulator.template import SAMPLE, SUBSCRIPTIONS, TEMPLATES, Template


def problem(keyword: str, value: str) -> str | None:
    template = Template("id", "title", "{{" + keyword + ".DATA}}", "")
    return template.problem({keyword: {"value": value}})


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("thing1", "一" * 20),
        ("short_thing1", "五个字以内"),
        ("number2", "1234.5"),
        ("letter1", "abc"),
        ("symbol1", "!?"),
        ("character_string1", "A-1 b"),
        ("time2", "15:01"),
        ("time2", "2019年10月1日 15:01"),
        ("time2", "2024-07-12 09:30:00"),
        ("time2", "09:00~10:00"),
        ("date3", "2019年10月1日"),
        ("date3", "2019年10月1日~2019年10月7日"),
        ("amount3", "￥100.50元"),
        ("phone_number1", "+86-755-1234567"),
        ("car_number1", "粤A8Z888挂"),
        ("name1", "王小明"),
        ("name1", "Wang Xiaoming"),
        ("phrase1", "已完成"),
        ("first", "anything at all, however long it may be, without a type"),
    ],
)
def test_a_fitting_value_is_taken(keyword, value):
    assert problem(keyword, value) is None


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("thing1", "一" * 21),
        ("thing1", "two\nlines"),
        ("short_thing1", "六个字太长了"),
        ("number2", "12a"),
        ("number2", "1" * 33),
        ("letter1", "ab1"),
        ("character_string1", "中文"),
        ("time2", "25:00"),
        ("time2", "tomorrow"),
        ("date3", "15:01"),
        ("amount3", "a lot"),
        ("phone_number1", "123456789012345678"),
        ("name1", "一二三四五六七八九十一"),
        ("phrase1", "done"),
        ("phrase1", "六个汉字太长"),
    ],
)
def test_a_value_that_breaks_its_type_is_named(keyword, value):
    assert problem(keyword, value) == f"data.{keyword}.value invalid"


@pytest.mark.parametrize("data", [{}, {"thing1": {}}, {"thing1": {"value": " "}}, {"thing1": "x"}])
def test_every_keyword_must_be_there(data):
    assert SAMPLE.problem(data) == "data.thing1.value is empty"


def test_the_card_shows_labels_and_values():
    data = {"thing1": {"value": "done"}, "time2": {"value": "15:01"}}
    assert SAMPLE.lines(data) == [("内容", "done"), ("时间", "15:01")]


@pytest.mark.parametrize("template", [SAMPLE, *TEMPLATES, *SUBSCRIPTIONS])
def test_a_sample_takes_its_own_example(template):
    values = [line.partition("：")[2] for line in template.example.splitlines()]
    data = {name: {"value": value} for name, value in zip(template.keywords, values, strict=True)}
    assert template.problem(data) is None
    assert [value for _, value in template.lines(data)] == values
    assert len(template.id) == 43 and template.title


def test_the_samples_have_every_common_type():
    names = {name.rstrip("0123456789") for one in TEMPLATES for name in one.keywords}
    assert {"character_string", "phrase", "number", "amount", "time", "date", "name"} <= names
    assert len({one.id for one in (SAMPLE, *TEMPLATES, *SUBSCRIPTIONS)}) == 5
