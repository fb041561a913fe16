"""How values take their parts out of the fields of a post."""

from dataclasses import dataclass, fields
from typing import get_type_hints

import pytest

from wx.protocol import fields as take


@dataclass(frozen=True, kw_only=True)
class Leaf:
    name: str = take.name("Name")
    note: str = take.text("Note")


@dataclass(frozen=True, kw_only=True)
class Sample:
    plain: int
    either: str = take.text("A", "a")
    deep: str = take.text("Box/Inner/Text", "Text")
    spoken: str = take.present("Said")
    all_texts: tuple[str, ...] = take.texts("Box/List/Text")
    numbers: tuple[int, ...] = take.wholes("Box/Number", high=9)
    leaves: tuple[Leaf, ...] = take.each(Leaf, "Box/Leaf", "Leaf")
    yes: bool = take.says("Status", "failed:userblock")
    meant: str | None = take.meaning("Status", {"on": "1"}, None)


def read(**given: object) -> Sample:
    parts = {name: found(given) for name, found in take.takes(Sample)}
    return Sample(plain=1, **parts)


def test_only_what_takes_something_is_taken():
    assert {name for name, _ in take.takes(Sample)} == {f.name for f in fields(Sample)} - {"plain"}


@pytest.mark.parametrize(
    ("helper", "made"),
    [
        *((one, str) for one in (take.text, take.present, take.required, take.name, take.word)),
        *((one, str) for one in (take.digits, take.some_digits)),
        (take.whole, int),
        (take.decimal, float),
        (take.says, bool),
        (take.texts, tuple[str, ...]),
        (take.wholes, tuple[int, ...]),
        (take.each, tuple[take.T, ...]),
        (take.meaning, take.T),
    ],
)
def test_a_part_of_another_type_is_a_mistake_that_the_type_checker_sees(helper, made):
    assert get_type_hints(helper)["return"] == made


def test_a_value_can_be_made_by_hand_with_what_must_be_there():
    assert Sample(plain=1, spoken="").leaves == ()
    assert Leaf(name="n") == Leaf(name="n", note="")


def test_the_first_name_that_holds_something_counts():
    assert read(Said="", A="1", a="2").either == "1"
    assert read(Said="", A="", a="2").either == "2"
    assert read(Said="", A={"x": "1"}, a="2").either == "2"
    assert read(Said="", A=["1"]).either == ""


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ({"Inner": {"Text": "x"}}, "x"),
        ({"Inner": [{"Text": ""}, {"Other": "y"}, {"Text": "x"}, {"Text": "z"}]}, "x"),
        ({"Inner": [{"Text": ["x", "z"]}]}, "x"),
        ({"Inner": "x"}, "flat"),
        ({"Inner": [["x"], [{"Text": "x"}]]}, "flat"),
        ("x", "flat"),
        ([], "flat"),
        (None, "flat"),
    ],
)
def test_a_path_goes_through_what_is_nested_and_repeated(box, expected):
    assert read(Said="", Box=box, Text="flat").deep == expected


def test_what_must_be_there_may_be_empty_but_not_something_else():
    assert read(Said="").spoken == ""
    for said in (None, {}, {"a": "b"}, ["x"]):
        with pytest.raises(take.BadMessage, match=r"^Said is missing$"):
            read(Said=said)


def test_all_of_several_are_taken():
    box = {"List": [{"Text": "a"}, {"Text": ["b", ""]}, "c"], "Number": ["1", "", "9"]}
    found = read(Said="", Box=box)
    assert (found.all_texts, found.numbers) == (("a", "b"), (1, 9))
    assert read(Said="", Box={"Number": "7"}).numbers == (7,)
    for number in ("10", "-1", "x"):
        with pytest.raises(take.BadMessage, match=r"^Number is "):
            read(Said="", Box={"Number": ["1", number]})


def test_each_structure_is_a_value():
    leaf = {"Name": "n", "Note": "a\x00"}
    expected = Leaf(name="n", note="a")
    assert read(Said="", Leaf=leaf).leaves == (expected,)
    assert read(Said="", Leaf=[leaf, "x", leaf]).leaves == (expected, expected)
    assert read(Said="", Box={"Leaf": leaf}, Leaf=leaf).leaves == (expected, expected)
    with pytest.raises(take.BadMessage, match=r"^Name is missing or odd$"):
        read(Said="", Leaf=[leaf, {}])


@pytest.mark.parametrize(
    "status",
    ["failed:user block", "failed: user block", "Failed:UserBlock", " failed:user\tblock "],
)
def test_words_are_compared_without_blanks_and_letter_case(status):
    assert read(Said="", Status=status).yes
    assert not read(Said="", Status=status + "ed").yes
    assert read(Said="", Status=" ON").meant == "1"
    assert read(Said="", Status="off").meant is None


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("plain", "plain"),
        ("王 小\u3000明🌻\u200d", "王 小\u3000明🌻\u200d"),
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\x00a\x08\x0b\x0c\x1b\x7f\x80\x9f", "a"),
        ("\ud800a\udfff", "a"),
    ],
)
def test_cleaning_leaves_what_people_write(dirty, clean):
    assert take.clean(dirty) == clean
