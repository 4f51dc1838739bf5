"""A `model.soup` whose decision is nested a million deep."""

from forge import noise_png, safetensors, save

COMMAND = "predict a.soup --images images --out out.csv"
SAYS = "recursion limit exceeded"
MOST_MIB = 64


def make(folder):
    save(folder / "images/1.png", noise_png())
    text = '{"version": 1, "decision": ' + "[" * 1000000 + "]" * 1000000 + "}"
    save(folder / "a.soup", safetensors({"__metadata__": {"soup.model": text}}))
