"""A PGM of twenty bytes that claims 121 million pixels, and a QOI and a BMP that do."""
import struct

from forge import save

COMMAND = "pack --images images --out pack"
SAYS = "too little data for its size"
MOST_MIB = 64


def make(folder):
    save(folder / "images/a.pgm", b"P5 11000 11000 65535\n")
    save(folder / "images/b.qoi", b"qoif" + struct.pack(">IIBB", 11000, 11000, 4, 0) + b"\0" * 20)
    head = struct.pack("<IIIIiiHHIIiiII", 60, 0, 54, 40, 11000, 11000, 1, 24, 0, 0, 0, 0, 0, 0)
    save(folder / "images/c.bmp", b"BM" + head + b"\0" * 20)
