"""A good little PNG with a note that unpacks to half a gigabyte."""

import random
import zlib

from forge import chunk, png, save, zeros

COMMAND = "pack --images images --out pack"
EXIT = 0
SAYS = ""
MOST_MIB = 96


def make(folder):
    note = chunk(b"zTXt", b"note\0\0" + zeros(1 << 29))
    rows = b"".join(b"\0" + random.Random(1).randbytes(16) for _ in range(32))
    # Sixteen grey levels: not the plain form, so that the library reads it.
    save(folder / "images/a.png", png(32, 32, zlib.compress(rows), depth=4, extra=note))
