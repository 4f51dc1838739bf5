"""A tensor of 2^38 values that are one value of a storage, again and again."""

import struct

COMMAND = "train --preset quick --out run data.compose_share=1 model.name=soup_nano model.weights=view.pth"
SAYS = "reaches beyond its 1 values"
MOST_MIB = 64


def text(word):
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def make(folder):
    magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
    protocol = b"\x80\x02M\xe9\x03."
    system = b"\x80\x02}" + text("little_endian") + b"\x88s."
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x01NtQ"
    side = b"J" + struct.pack("<i", 1 << 19)
    view = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00" + side + side + b"\x86K\x00K\x00\x86\x89NtR"
    content = b"\x80\x02}" + text("stem.weight") + view + b"s."
    keys = b"\x80\x02]" + text("0") + b"a."
    values = struct.pack("<qf", 1, 1.0)
    (folder / "view.pth").write_bytes(magic + protocol + system + content + keys + values)
