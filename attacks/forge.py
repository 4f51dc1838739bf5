"""Little files by hand, with Python's own library."""

import json
import pathlib
import random
import struct
import zlib


def save(path, data):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, compressed, color=0, depth=8, extra=b"", interlace=0):
    """A PNG of these compressed rows, whatever the header says."""
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", compressed) + chunk(b"IEND", b"")


def noise_png(side=32, seed=0):
    """A good grey image."""
    noise = random.Random(seed)
    return png(side, side, zlib.compress(b"".join(b"\0" + noise.randbytes(side) for _ in range(side))))


def zeros(count):
    """So many zeros, compressed as far as deflate can."""
    deflate = zlib.compressobj(9)
    pieces = [deflate.compress(bytes(1 << 20)) for _ in range(count >> 20)]
    return b"".join([*pieces, deflate.compress(bytes(count & ((1 << 20) - 1))), deflate.flush()])


def segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg(width, height, marker=0xC0, data=b"\0" * 64, components=3):
    """A JPEG with good tables whose header claims a size."""
    quantisation = segment(0xDB, b"\0" + b"\1" * 64)
    parts = b"".join(bytes([number + 1, 0x11, 0]) for number in range(components))
    frame = segment(marker, struct.pack(">BHHB", 8, height, width, components) + parts)
    # One code of one bit in each table: a difference of 0, and the end of a block.
    huffman = segment(0xC4, b"\x00" + bytes([1] + [0] * 15) + b"\0") + segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\0")
    scan = b"".join(bytes([number + 1, 0]) for number in range(components))
    scan = segment(0xDA, bytes([components]) + scan + bytes([0, 0 if marker == 0xC2 else 63, 0]))
    return b"\xff\xd8" + quantisation + frame + huffman + scan + data + b"\xff\xd9"


def local(name, stored, method, size, crc):
    head = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, method, 0, 0x21, crc, len(stored), size, len(name), 0)
    return head + name + stored


def central(name, stored, method, size, crc, offset):
    return (
        struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, method, 0, 0x21, crc, stored, size, len(name), 0, 0, 0, 0, 0, offset)
        + name
    )


def end(entries, size, offset):
    return struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, entries, entries, size, offset, 0)


def npy(kind, shape, data=b"", header=None):
    text = header or f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def model(layers, image=(32, 32, 1), labels=("a", "b"), tensors=None, **more):
    """A `model.soup` of these layers."""
    member = {
        "origin": {"network": "toy", "file": "", "fold": 0, "epoch": 1, "valid_accuracy": None},
        "transforms": [{"kind": "to_unit"}],
        "graph": {"layers": layers, "outputs": [len(layers)]},
    }
    header = {
        "version": 1,
        "labels": list(labels),
        "picture": dict(zip(("height", "width", "channels"), image)),
        "members": [member],
        **more,
    }
    notes = {"__metadata__": {"soup.model": json.dumps(header)}}
    return safetensors({**notes, **(tensors or {})})


def convolution(name, channels, source, kernel=3, padding=1, stride=1):
    return {
        "op": "convolution",
        "name": name,
        "channels": channels,
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "groups": 1,
        "bias": False,
        "from": [source],
    }
