"""A WebP of some dozen bytes, all of one colour without a bit a pixel, that claims 121 million pixels and then 268 million."""
import struct

from forge import save

COMMAND = "pack --images images --out pack"
SAYS = "the header claims 16383 x 16383 pixels"
MOST_MIB = 64


def make(folder):
    for name, side in (("a", 11000), ("b", 16383)):
        data = b"\x2f" + struct.pack("<I", (side - 1) | (side - 1) << 14) + b"\x88\x88\x08" + b"\0" * 20
        chunk = b"VP8L" + struct.pack("<I", len(data)) + data
        save(folder / f"images/{name}.webp", b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk)
