"""A PNG of a hundred bytes whose header claims 2^27 pixels of a palette, which become three bytes each."""

import zlib

from forge import chunk, png, save

COMMAND = "pack --images images --out pack"
SAYS = "too little data for its size"
MOST_MIB = 64


def make(folder):
    image = png(1 << 14, 1 << 13, zlib.compress(b"\0"), color=3, depth=1, extra=chunk(b"PLTE", bytes(6)))
    save(folder / "images/a.png", image)
