"""A GIF of forty bytes whose canvas has 4,295 million pixels, and one whose canvas has 120 million."""
import struct

from forge import save

COMMAND = "pack --images images --out pack"
SAYS = "the header claims 65535 x 65535 pixels"
MOST_MIB = 64


def make(folder):
    for name, side in (("a", 65535), ("b", 11000)):
        head = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
        save(folder / f"images/{name}.gif", head + b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0;")
