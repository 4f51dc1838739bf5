"""An array whose header claims to be four gigabytes long."""

import struct

from forge import save

COMMAND = "ensemble a.npy a.npy --out b.csv"
SAYS = "header is cut short"
MOST_MIB = 64


def make(folder):
    save(folder / "a.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{")
    save(folder / "a.ids.json", '{"ids": ["1"], "labels": ["A", "B"]}')
    save(folder / "labels.csv", "id,A,B\n1,0,1\n")
