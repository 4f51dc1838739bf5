"""An interlaced PNG of 16 bits and 8 bytes a pixel in a few bytes."""

import zlib

from forge import png, save

COMMAND = "pack --images images --out pack"
SAYS = "too little data for its size"
MOST_MIB = 64


def make(folder):
    save(folder / "images/a.png", png(8192, 8192, zlib.compress(b"\0" * 100), color=6, depth=16, interlace=1))
