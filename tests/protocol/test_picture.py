"""What is a picture, by its bytes alone."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors.pictures import NONE, POLYGLOT, gif, jpeg, png, png_that_says
from wx.protocol.picture import PIXELS, SIDE, kind_of

SAMPLES = sorted((Path(__file__).parents[2] / "static" / "simulator").glob("picture-*.jpg"))


def test_the_three_kinds_are_known_by_their_bytes():
    assert kind_of(png()) == "png"
    assert kind_of(jpeg()) == "jpeg"
    assert kind_of(gif()) == "gif"
    assert kind_of(gif().replace(b"GIF89a", b"GIF87a")) == "gif"
    assert kind_of(gif() + b"\0\0\0") == "gif"


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_real_pictures_are_pictures(path):
    assert kind_of(path.read_bytes()) == "jpeg"
    assert kind_of(path.read_bytes()[: path.stat().st_size // 2]) == "", "the half is none"


@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCF])
def test_each_way_to_code_a_jpeg_is_one(marker):
    assert kind_of(jpeg(marker=marker)) == "jpeg"


@pytest.mark.parametrize("marker", [0xC4, 0xC8, 0xCC, 0xDB])
def test_what_is_no_frame_tells_no_size(marker):
    assert kind_of(jpeg(marker=marker)) == ""


def test_a_marker_may_stand_behind_several_bytes_of_filling():
    whole = jpeg()
    assert kind_of(whole[:2] + b"\xff\xff\xff" + whole[2:]) == "jpeg"


@pytest.mark.parametrize("body", NONE.values(), ids=NONE)
def test_everything_else_is_none(body):
    assert kind_of(body) == ""


@pytest.mark.parametrize(
    ("width", "height", "fits"),
    [
        *((1, 1, True), (SIDE, 1, True), (SIDE + 1, 1, False), (1, SIDE + 1, False)),
        *((20_000, PIXELS // 20_000, True), (20_000, PIXELS // 20_000 + 1, False)),
    ],
)
def test_a_picture_unfolds_to_a_bounded_size(width, height, fits):
    assert bool(kind_of(png_that_says(width, height))) is fits
    assert bool(kind_of(jpeg(width, height))) is fits
    assert bool(kind_of(gif(width, height))) is fits


def test_what_is_also_something_else_is_called_by_its_first_bytes():
    assert kind_of(POLYGLOT) == "gif"
    assert kind_of(png() + b"<script>alert(1)</script>") == "png"


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xd8" + b"\xff" * 10_000_000,
        b"\xff\xd8" + b"\xff\xe0\x00\x02" * 2_500_000,
        b"\x89PNG\r\n\x1a\n" + b"\0" * 10_000_000,
        b"GIF89a\1\0\1\0" + b"\0" * 10_000_000,
    ],
    ids=["filling", "segments", "png", "gif"],
)
def test_ten_megabytes_that_want_to_be_walked_are_not(body):
    began = time.process_time()
    assert kind_of(body) == ""
    assert time.process_time() - began < 0.5


@given(st.binary(max_size=200), st.sampled_from([png(), jpeg(), gif()]), st.integers(0, 60))
def test_nothing_makes_it_raise(noise, whole, place):
    kind_of(noise)
    kind_of(whole[:place] + noise)
    kind_of(whole[:place] + noise + whole[place + len(noise) :])
