"""A pickle of a hundred million empty tuples, each a byte."""

COMMAND = "train --preset quick --out run data.compose_share=1 model.name=soup_nano model.weights=many.pth"
SAYS = "it has more than 1048576 values"
MOST_MIB = 256


def make(folder):
    (folder / "many.pth").write_bytes(b"\x80\x02" + b")" * 100_000_000)
