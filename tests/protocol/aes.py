"""AES-256-CBC a second time, in plain Python after FIPS 197: slow, and shares nothing with what it
checks. For tests only; it makes no effort against anybody who measures time."""

ROUNDS = 14


def encrypt(key: bytes, iv: bytes, plain: bytes) -> bytes:
    """``plain``, whole blocks of 16 bytes, encrypted."""
    keys = _round_keys(key)
    blocks, last = [], iv
    for block in _blocks(plain):
        last = _encrypt_block(_xor(block, last), keys)
        blocks.append(last)
    return b"".join(blocks)


def decrypt(key: bytes, iv: bytes, sealed: bytes) -> bytes:
    """What :func:`encrypt` was given."""
    keys = _round_keys(key)
    blocks, last = [], iv
    for block in _blocks(sealed):
        blocks.append(_xor(_decrypt_block(block, keys), last))
        last = block
    return b"".join(blocks)


def _encrypt_block(block: bytes, keys: list[bytes]) -> bytes:
    state = _xor(block, keys[0])
    for number in range(1, ROUNDS + 1):
        state = bytes(SBOX[byte] for byte in state)
        # A block is a square filled column by column: row r moves r columns to the left.
        state = bytes(state[(place + 4 * (place % 4)) % 16] for place in range(16))
        if number < ROUNDS:
            state = _mix(state, (2, 3, 1, 1))
        state = _xor(state, keys[number])
    return state


def _decrypt_block(block: bytes, keys: list[bytes]) -> bytes:
    state = block
    for number in range(ROUNDS, 0, -1):
        state = _xor(state, keys[number])
        if number < ROUNDS:
            state = _mix(state, (14, 11, 13, 9))
        state = bytes(state[(place - 4 * (place % 4)) % 16] for place in range(16))
        state = bytes(INVERSE[byte] for byte in state)
    return _xor(state, keys[0])


def _mix(state: bytes, row: tuple[int, ...]) -> bytes:
    """Each column times the matrix whose first row is ``row`` and whose others are it, turned."""
    mixed = bytearray()
    for column in _blocks(state, size=4):
        for turn in range(4):
            byte = 0
            for place in range(4):
                byte ^= _times(column[place], row[(place - turn) % 4])
            mixed.append(byte)
    return bytes(mixed)


def _round_keys(key: bytes) -> list[bytes]:
    assert len(key) == 32
    words = _blocks(key, size=4)
    power = 1
    for number in range(8, 4 * (ROUNDS + 1)):
        word = words[-1]
        if number % 8 == 0:
            word = bytes(SBOX[byte] for byte in word[1:] + word[:1])
            word = bytes([word[0] ^ power]) + word[1:]
            power = _times(power, 2)
        elif number % 8 == 4:
            word = bytes(SBOX[byte] for byte in word)
        words.append(_xor(words[number - 8], word))
    return _blocks(b"".join(words))


def _times(one: int, other: int) -> int:
    """The product in the field of 256 elements."""
    product = 0
    while other:
        if other & 1:
            product ^= one
        one = one << 1 ^ (0x11B if one & 0x80 else 0)
        other >>= 1
    return product


def _substitutes() -> list[int]:
    """The S-box: the inverse in the field, then five turned copies of it and a constant added."""
    table = []
    for byte in range(256):
        inverse = next((other for other in range(256) if _times(byte, other) == 1), 0)
        doubled = inverse | inverse << 8
        turned = 0x63
        for turn in range(4, 9):
            turned ^= doubled >> turn & 0xFF
        table.append(turned)
    return table


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _blocks(data: bytes, *, size: int = 16) -> list[bytes]:
    assert len(data) % size == 0
    return [data[start : start + size] for start in range(0, len(data), size)]


SBOX = _substitutes()
INVERSE = [SBOX.index(byte) for byte in range(256)]
