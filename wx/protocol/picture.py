"""What kind of picture some bytes are: told by the bytes alone, and only what a browser draws and
never runs."""

# A picture of a few bytes may unfold into any size; these are twice what phones take.
SIDE = 32_000  # pixels
PIXELS = 200_000_000
_SEGMENTS = 2_000  # of a JPEG's head, each of which costs a turn
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
# The segments of a JPEG that tell its size: all "start of frame", which 0xC4, 0xC8, 0xCC are not.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, b"\xff\xd9"


def kind_of(body: bytes) -> str:
    """The kind of a picture: "jpeg", "png" or "gif".

    "" is for anything else: another format, a picture that was cut off, one without a size, or one
    too large to unfold. What may stand behind a picture's end is not looked at: whoever shows it
    names the kind.
    """
    if body.startswith(b"\xff\xd8\xff"):
        return "jpeg" if _is_jpeg(body) else ""
    if body.startswith(_PNG):
        return "png" if _is_png(body) else ""
    if body.startswith((b"GIF87a", b"GIF89a")):
        return "gif" if _is_gif(body) else ""
    return ""


def _is_jpeg(body: bytes) -> bool:
    place, sized = 2, False
    for _ in range(_SEGMENTS):
        if body[place : place + 2] == b"\xff\xff":  # a marker may stand behind several of these
            place += 1
            continue
        if place + 4 > len(body) or body[place] != 0xFF:
            return False
        marker, length = body[place + 1], int.from_bytes(body[place + 2 : place + 4])
        if marker < 0xC0 or length < 2 or place + 2 + length > len(body):
            return False
        if marker in _FRAMES:
            height = int.from_bytes(body[place + 5 : place + 7])
            sized = _fits(int.from_bytes(body[place + 7 : place + 9]), height)
            if length < 8 or not sized:
                return False
        place += 2 + length
        if marker == _START_OF_SCAN:
            # Inside the scan a 0xFF never has 0xD9 behind it, so this is the end and no chance.
            return sized and body.find(_END_OF_IMAGE, place) >= 0
    return False


def _is_png(body: bytes) -> bool:
    if body[8:16] != b"\x00\x00\x00\rIHDR":
        return False
    sized = _fits(int.from_bytes(body[16:20]), int.from_bytes(body[20:24]))
    return sized and body.find(b"IDAT", 33) >= 0 and body.find(_PNG_END, 33) >= 0


def _is_gif(body: bytes) -> bool:
    sized = _fits(int.from_bytes(body[6:8], "little"), int.from_bytes(body[8:10], "little"))
    # At least one picture (its separator is a comma), and the semicolon that ends the file.
    return sized and body.find(b",", 13) >= 0 and body.rstrip(b"\0").endswith(b";")


def _fits(width: int, height: int) -> bool:
    return 0 < width <= SIDE and 0 < height <= SIDE and width * height <= PIXELS
