"""The code's picture says what the code says."""

import re

import pytest
import qrcode
from hypothesis import given, settings
from hypothesis import strategies as st

from wx.web import qr

LINK = "https://wx.example.com/b/" + "Zz09" * 10 + "abc"


def matrix(text: str) -> list[list[bool]]:
    """The modules as the library has them."""
    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, border=qr.QUIET_ZONE)
    code.add_data(text)
    return [[bool(one) for one in row] for row in code.get_matrix()]


def drawn(picture: str) -> list[list[bool]]:
    """The modules as the picture shows them: each run is a stroke of one module's height."""
    size = int(re.search(r'viewBox="0 0 (\d+) \1"', picture)[1])  # type: ignore[index]
    rows = [[False] * size for _ in range(size)]
    path = re.search(r'stroke="#000" d="([^"]*)"', picture)[1]  # type: ignore[index]
    assert re.fullmatch(r"([Mm]\d+ -?\d+(\.5)?|h\d+)+", path)
    x = y = 0.0
    for pen, numbers in re.findall(r"([Mmh])([^Mmh]*)", path):
        found = [float(number) for number in numbers.split()]
        if pen == "M":
            x, y = found
        elif pen == "m":
            x, y = x + found[0], y + found[1]
        else:
            assert y % 1 == 0.5, "a stroke runs along the middle of its row"
            for column in range(int(x), int(x + found[0])):
                assert not rows[int(y)][column], "drawn twice"
                rows[int(y)][column] = True
            x += found[0]
    return rows


@pytest.mark.gen_test
async def test_the_picture_holds_the_modules_of_the_code_and_little_else() -> None:
    picture = await qr.svg(LINK)
    assert drawn(picture) == matrix(LINK)
    assert len(picture.encode()) <= 4096
    assert 'fill="#fff"' in picture, "a dark page must not show through"


@given(st.text(alphabet="abcXYZ019:/.-", min_size=1, max_size=120))
@settings(max_examples=25, deadline=None)
def test_every_link_is_drawn_as_it_is(link: str) -> None:
    assert drawn(qr._draw(link)) == matrix(link)


def test_there_is_a_quiet_zone_around_the_code() -> None:
    rows = drawn(qr._draw(LINK))
    edge = qr.QUIET_ZONE
    assert edge == 4, "the standard says so"
    assert not any(any(row) for row in [*rows[:edge], *rows[-edge:]])
    assert not any(any(row[:edge]) or any(row[-edge:]) for row in rows)
    assert rows[edge][edge], "and no more than that"
