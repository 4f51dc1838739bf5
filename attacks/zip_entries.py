"""An archive of a hundred bytes whose directory claims 2^32 entries."""

import struct

from forge import end, save

COMMAND = "pack --images images.zip --out pack"
SAYS = "not a whole zip archive"
MOST_MIB = 64


def make(folder):
    zip64 = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, 1 << 32, 1 << 32, 46 << 32, 0)
    zip64 += struct.pack("<IIQI", 0x07064B50, 0, 0, 1)
    save(folder / "images.zip", zip64 + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF))
