"""Codes as SVG, drawn off the event loop."""

import asyncio
import re
from functools import lru_cache

QUIET_ZONE = 4  # modules of white that a reader needs around a code


async def svg(text: str) -> str:
    """A code that holds ``text``, as an SVG picture of 2 to 3 kB."""
    return await asyncio.to_thread(_draw, text)


@lru_cache(maxsize=512)
def _draw(text: str) -> str:
    import qrcode  # half the memory of a page that nobody may ask for

    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, border=QUIET_ZONE)
    code.add_data(text)
    rows = code.get_matrix()
    size = len(rows)
    path = "".join(_line(row, y) for y, row in enumerate(rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}"'
        ' shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{size}v{size}H0z"/><path stroke="#000" d="{path}"/></svg>'
    )


def _line(row: list[bool], y: int) -> str:
    """One row as strokes, one for each run of dark modules: the first by its place, the others by
    the gap before them. A fifth of the size of the library's own picture."""
    strokes, end = "", 0
    for run in re.finditer("1+", "".join("1" if dark else "0" for dark in row)):
        strokes += f"m{run.start() - end} 0" if strokes else f"M{run.start()} {y}.5"
        strokes += f"h{run.end() - run.start()}"
        end = run.end()
    return strokes
