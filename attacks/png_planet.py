"""A PNG whose header claims 2^31 by 2^31 pixels."""

import zlib

from forge import png, save

COMMAND = "pack --images images --out pack"
SAYS = "the header claims 2147483647 x 2147483647 pixels"
MOST_MIB = 64


def make(folder):
    save(folder / "images/a.png", png(2**31 - 1, 2**31 - 1, zlib.compress(b"\0" * 100)))
