"""The key that `unique` makes of a payload: XXH3-128 in hexadecimal, the same in every
language of Ganger. Pure, and held to the C library's by tests/golden/unique.txt."""
from __future__ import annotations

import struct

_SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
_M32, _M64 = (1 << 32) - 1, (1 << 64) - 1
_P32_1, _P32_2, _P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
_MIX_1, _MIX_2 = 0x165667919E3779F9, 0x9FB21C651E98DF25
_STRIPE, _STRIPES, _BLOCK = 64, 16, 1024
_LAST_START, _MERGE_START = 121, 11  # Offsets in the secret.


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _u64(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _words(data: bytes, at: int, count: int) -> tuple[int, ...]:
    return struct.unpack_from(f"<{count}Q", data, at)


def _flip(at: int) -> int:
    return _u64(_SECRET, at) ^ _u64(_SECRET, at + 8)


def _swap64(value: int) -> int:
    return int.from_bytes(value.to_bytes(8, "little"), "big")


def _fold(a: int, b: int) -> int:
    product = a * b
    return (product & _M64) ^ (product >> 64)


def _avalanche(value: int) -> int:
    value ^= value >> 37
    value = value * _MIX_1 & _M64
    return value ^ value >> 32


def _old_avalanche(value: int) -> int:
    value ^= value >> 33
    value = value * _P2 & _M64
    value ^= value >> 29
    value = value * _P3 & _M64
    return value ^ value >> 32


# Each gives the low and the high half.


def _to_3(data: bytes) -> tuple[int, int]:
    if not data:
        return _old_avalanche(_flip(64)), _old_avalanche(_flip(80))
    size = len(data)
    low = data[0] << 16 | data[size >> 1] << 24 | data[-1] | size << 8
    high = int.from_bytes(low.to_bytes(4, "little"), "big")
    high = (high << 13 | high >> 19) & _M32
    flips = [_u32(_SECRET, at) ^ _u32(_SECRET, at + 4) for at in (0, 8)]
    return _old_avalanche(low ^ flips[0]), _old_avalanche(high ^ flips[1])


def _to_8(data: bytes) -> tuple[int, int]:
    size = len(data)
    value = _u32(data, 0) + (_u32(data, size - 4) << 32) ^ _flip(16)
    product = value * (_P1 + (size << 2))
    low, high = product & _M64, product >> 64
    high = high + (low << 1) & _M64
    low ^= high >> 3
    low ^= low >> 35
    low = low * _MIX_2 & _M64
    return low ^ low >> 28, _avalanche(high)


def _to_16(data: bytes) -> tuple[int, int]:
    size = len(data)
    first, last = _u64(data, 0), _u64(data, size - 8)
    product = (first ^ last ^ _flip(32)) * _P1
    low, high = product & _M64, product >> 64
    low = low + ((size - 1) << 54) & _M64
    last ^= _flip(48)
    high = high + last + (last & _M32) * (_P32_2 - 1) & _M64
    low ^= _swap64(high)
    product = low * _P2
    return _avalanche(product & _M64), _avalanche((product >> 64) + high * _P2 & _M64)


def _mix(low: int, high: int, data: bytes, one: int, two: int, at: int) -> tuple[int, int]:
    a, b = _words(data, one, 2)
    c, d = _words(data, two, 2)
    s = _words(_SECRET, at, 4)
    low = (low + _fold(a ^ s[0], b ^ s[1]) & _M64) ^ (c + d & _M64)
    high = (high + _fold(c ^ s[2], d ^ s[3]) & _M64) ^ (a + b & _M64)
    return low, high


def _to_240(data: bytes) -> tuple[int, int]:
    size = len(data)
    low, high = size * _P1 & _M64, 0
    if size <= 128:
        for n in range((size - 1) // 32, -1, -1):
            low, high = _mix(low, high, data, 16 * n, size - 16 * (n + 1), 32 * n)
    else:
        for n in range(4):
            low, high = _mix(low, high, data, 32 * n, 32 * n + 16, 32 * n)
        low, high = _avalanche(low), _avalanche(high)
        for n in range(4, size // 32):
            low, high = _mix(low, high, data, 32 * n, 32 * n + 16, 3 + 32 * (n - 4))
        low, high = _mix(low, high, data, size - 16, size - 32, 103)
    mixed = low * _P1 + high * _P4 + size * _P2
    return _avalanche(low + high & _M64), -_avalanche(mixed & _M64) & _M64


def _gather(sums: list[int], data: bytes, at: int, stripes: int,
            secret: tuple[int, ...]) -> None:
    """Add stripes to the eight sums; where the order does not matter, many at once."""
    words = _words(data, at, 8 * stripes)
    keys = [word ^ one for word, one in zip(words, secret)]
    products = [(key & _M32) * (key >> 32) for key in keys]
    for lane in range(8):
        sums[lane] += sum(products[lane::8]) + sum(words[lane ^ 1 :: 8])
        sums[lane] &= _M64


_STRIPE_SECRETS = tuple(word for n in range(_STRIPES) for word in _words(_SECRET, 8 * n, 8))


def _merge(sums: list[int], at: int, start: int) -> int:
    secret = _words(_SECRET, at, 8)
    for n in range(0, 8, 2):
        start += _fold(sums[n] ^ secret[n], sums[n + 1] ^ secret[n + 1])
    return _avalanche(start & _M64)


def _long(data: bytes) -> tuple[int, int]:
    size = len(data)
    sums = [_P32_3, _P1, _P2, _P3, _P4, _P32_2, _P5, _P32_1]
    scramble = _words(_SECRET, len(_SECRET) - _STRIPE, 8)
    blocks = (size - 1) // _BLOCK
    for n in range(blocks):
        _gather(sums, data, n * _BLOCK, _STRIPES, _STRIPE_SECRETS)
        for lane, one in enumerate(scramble):
            value = sums[lane]
            sums[lane] = (value ^ value >> 47 ^ one) * _P32_1 & _M64
    left = (size - 1 - blocks * _BLOCK) // _STRIPE
    _gather(sums, data, blocks * _BLOCK, left, _STRIPE_SECRETS)
    _gather(sums, data, size - _STRIPE, 1, _words(_SECRET, _LAST_START, 8))
    return (
        _merge(sums, _MERGE_START, size * _P1 & _M64),
        _merge(sums, len(_SECRET) - _STRIPE - _MERGE_START, ~(size * _P2) & _M64),
    )


def unique_key(payload: bytes) -> str:
    """The key of a payload, 32 hexadecimal digits; about 20 ms for a MiB."""
    size = len(payload)
    if size <= 3:
        low, high = _to_3(payload)
    elif size <= 8:
        low, high = _to_8(payload)
    elif size <= 16:
        low, high = _to_16(payload)
    elif size <= 240:
        low, high = _to_240(payload)
    else:
        low, high = _long(payload)
    return f"{high:016x}{low:016x}"
