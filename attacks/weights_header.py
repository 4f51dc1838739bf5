"""A file of weights whose header claims 2^63 bytes."""

import struct

from forge import noise_png, save

COMMAND = "predict a.soup --images images --out out.csv"
SAYS = "not a whole safetensors file"
MOST_MIB = 64


def make(folder):
    save(folder / "images/1.png", noise_png())
    save(folder / "a.soup", struct.pack("<Q", 1 << 63) + b"{}")
