"""Tensors of 2^61 values, whose bytes wrap around to a few."""

from forge import noise_png, safetensors, save

COMMAND = "predict a.soup --images images --out out.csv"
SAYS = "not a whole safetensors file"
MOST_MIB = 64


def make(folder):
    save(folder / "images/1.png", noise_png())
    tensor = {"dtype": "F32", "shape": [1 << 61, 2], "data_offsets": [0, 8]}
    save(folder / "a.soup", safetensors({"a": tensor}, bytes(8)))
