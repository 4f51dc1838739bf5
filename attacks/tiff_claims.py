"""A TIFF of some hundred bytes that claims 121 million pixels of real numbers in one strip."""
import struct

from forge import save

COMMAND = "pack --images images --out pack"
SAYS = "too little data for its size"
MOST_MIB = 64


def make(folder):
    entries = [(256, 4, 11000), (257, 4, 11000), (258, 3, 64), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1),
               (278, 4, 11000), (279, 4, 968_000_000), (339, 3, 3)]
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    save(folder / "images/a.tif", b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + b"\0" * 200)
