"""Small pictures, and things that only look like some."""

import struct
import zlib


def _chunk(name: bytes, body: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + crc


def png(width: int = 2, height: int = 2, *, padding: int = 0) -> bytes:
    """A PNG; ``padding`` bytes of text make it larger."""
    rows = b"".join(b"\0" + b"\x40\x80\xc0" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"tEXt", b"k\0" + b"x" * padding)]
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in parts)


def png_that_says(width: int, height: int) -> bytes:
    """A PNG whose head names a size that its body does not have."""
    whole = png()
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return whole[:8] + header + whole[33:]


def jpeg(width: int = 2, height: int = 2, *, marker: int = 0xC0, padding: int = 0) -> bytes:
    """A JPEG as far as its segments tell; ``marker`` is that of its frame."""
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    segments = [(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"), *((0xFE, b"x" * 60_000),) * padding]
    segments += [(0xDB, b"\0" * 65), (marker, frame), (0xC4, b"\0" * 17), (0xDA, b"\1\1\0\0?\0")]
    head = b"".join(b"\xff" + bytes([m]) + struct.pack(">H", len(b) + 2) + b for m, b in segments)
    return b"\xff\xd8" + head + b"\x12\xff\x00\x34" + b"\xff\xd9"


def gif(width: int = 1, height: int = 1) -> bytes:
    """A GIF of one transparent point."""
    size = struct.pack("<HH", width, height)
    return (
        b"GIF89a" + size + b"\x80\0\0\xff\xff\xff\0\0\0!\xf9\4\1\0\0\0\0,"
        b"\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
    )  # fmt: skip


# Both a GIF and a script: what a browser makes of it depends on what it is told.
POLYGLOT = gif().removesuffix(b";") + b"!\xfe\x14/*<script>alert(1)</\0*/=1;"

NONE = {
    "nothing": b"",
    "html": b"<!DOCTYPE html><html><script>alert(1)</script></html>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "xml before svg": b'<?xml version="1.0"?><svg/>',
    "bmp": b"BM" + b"\0" * 60,
    "webp": b"RIFF\x24\0\0\0WEBPVP8 " + b"\0" * 20,
    "tiff": b"II*\0" + b"\0" * 40,
    "ico": b"\0\0\1\0\1\0" + b"\0" * 40,
    "pdf": b"%PDF-1.7\n%%EOF",
    "film": b"\0\0\0\x18ftypmp42" + b"\0" * 40,
    "zip": b"PK\3\4" + b"\0" * 40,
    "json": b'{"video_url":"http://example.com/film.mp4"}',
    "a blank before": b" " + png(),
    "only a jpeg's first bytes": b"\xff\xd8\xff",
    "a jpeg's first bytes before html": b"\xff\xd8\xff\xe0<html><script>alert(1)</script>",
    "half a jpeg": jpeg()[:-3],
    "a jpeg without a frame": b"\xff\xd8\xff\xda\0\x08\1\1\0\0?\0\x12\xff\xd9",
    "a jpeg of no width": jpeg(0, 5),
    "a jpeg of no height": jpeg(5, 0),
    "a jpeg that unfolds": jpeg(65_000, 65_000),
    "a jpeg of a lying segment": b"\xff\xd8\xff\xe0\xff\xff" + b"\0" * 40 + b"\xff\xd9",
    "a jpeg of an empty segment": b"\xff\xd8\xff\xe0\0\0" + jpeg()[4:],
    "only a png's first bytes": b"\x89PNG\r\n\x1a\n",
    "half a png": png()[:-6],
    "a png without points": png().replace(b"IDAT", b"iDAT"),
    "a png that begins with another chunk": png()[:8] + png()[33:],
    "a png of no width": png_that_says(0, 1),
    "a png that unfolds": png_that_says(31_000, 31_000),
    "a png of an endless width": png_that_says(2**31 - 1, 1),
    "only a gif's first bytes": b"GIF89a",
    "a gif of another year": b"GIF88a" + gif()[6:],
    "half a gif": gif()[:-2],
    "a gif of no height": gif(1, 0),
    "a gif's first bytes before html": b"GIF89a<script>alert(1)</script>",
    "a gif without a picture": gif().replace(b",", b"+"),
}
