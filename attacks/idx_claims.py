"""Letters whose header claims 2^32 images of 2^32 by 2^32 pixels: a product of 2^96."""

import struct

from forge import save

COMMAND = "compose --count 1 --out out --glyphs idx:a,b --seed 1"
SAYS = "more than there can be"
MOST_MIB = 64


def make(folder):
    save(folder / "a", struct.pack(">IIII", 0x803, 2**32 - 1, 2**32 - 1, 2**32 - 1))
    save(folder / "b", struct.pack(">II", 0x801, 2**32 - 1))
