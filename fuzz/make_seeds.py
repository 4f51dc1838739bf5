"""Writes seeds/: small good files, from which the targets begin.

python make_seeds.py SOUP        # Pillow; SOUP makes the pack
"""

import gzip
import io
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

from PIL import Image

SEEDS = pathlib.Path(__file__).parent / "seeds"


def write(name, data):
    path = SEEDS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def two(first, second):
    return struct.pack("<H", len(first)) + first + second


def image(mode, size=(7, 5)):
    channels = len(Image.new(mode, (1, 1)).getbands())
    data = bytes((7 * at * at + at) % 256 for at in range(size[0] * size[1] * channels))
    return Image.frombytes(mode, size, data)


def encoded(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def images():
    for mode in ("L", "LA", "RGB", "RGBA"):
        write(f"image/{mode.lower()}.png", encoded(image(mode), format="PNG"))
    write("image/palette.png", encoded(image("L").convert("P"), format="PNG", transparency=3))
    write("image/bit.png", encoded(image("L").convert("1"), format="PNG"))
    deep = Image.frombytes("I;16", (3, 2), bytes(range(12)))
    write("image/deep.png", encoded(deep, format="PNG"))
    for mode in ("L", "RGB", "CMYK"):
        write(f"image/{mode.lower()}.jpg", encoded(image(mode, (17, 9)), format="JPEG", quality=30))
    write("image/progressive.jpg", encoded(image("RGB", (17, 9)), format="JPEG", progressive=True))
    restarts = encoded(image("RGB", (33, 9)), format="JPEG", restart_marker_blocks=1, subsampling="4:2:0")
    write("image/restarts.jpg", restarts)
    # The small files of every other format, which the tests compare with Pillow.
    formats = pathlib.Path(__file__).parent.parent / "crates/soup-data/tests/fixtures/formats"
    for path in sorted(formats.iterdir()):
        if path.suffix != ".npy":
            write(f"image/{path.name}", path.read_bytes())


def packs(soup):
    for mode in ("L", "RGB"):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "images").mkdir()
            for number in range(2):
                (folder / f"images/{number}.png").write_bytes(encoded(image(mode, (3 + number, 2)).resize((3, 2)), format="PNG"))
            (folder / "labels.csv").write_text("id,a,b\n0,0,1\n1,1,1\n")
            command = [soup, "pack", "--images", "images", "--labels", "labels.csv", "--out", "pack", "--quiet"]
            subprocess.run(command, cwd=folder, check=True)
            manifest = (folder / "pack/manifest.json").read_bytes()
            array = (folder / "pack/pictures.npy").read_bytes()
            write(f"pack/{mode.lower()}", two(manifest, array))


def idx():
    images = struct.pack(">4I", 0x803, 2, 3, 2) + bytes(range(0, 240, 20))
    labels = struct.pack(">2I", 0x801, 2) + bytes([1, 26])
    write("idx/plain", two(images, labels))
    write("idx/gzip", two(gzip.compress(images, mtime=0), gzip.compress(labels, mtime=0)))


def tables():
    labels = b"id,a,b\n1,0,1\n2,1,1\n"
    predictions = b"id,a,b\r\n1,0.25,1\r\n2,1e-3,.5\r\n"
    sample = b'id,a,b\n"1",0,0\n2,0,0\n'
    glyphs = b"id,digit,letter,0,1,2,3\n1,5,A,0,9,200,3\n2,1,Z,0,0,0,255\n"
    for kind, data in (("l", labels), ("p", predictions), ("a", labels), ("s", sample), ("g", glyphs)):
        write(f"tables/{kind}", kind.encode() + data)
        write(f"tables/{kind}-gzip", kind.encode() + gzip.compress(data, mtime=0))


def labels():
    coco = (
        b'{"images": [{"id": 1, "file_name": "1.png", "width": 7, "height": 5}], "categories": [{"id": 1, "name": "a"}],'
        b'"annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 2]}]}'
    )
    voc = (
        b"<annotation><filename>1.png</filename><size><width>7</width><height>5</height></size><object><name>a</name>"
        b"<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>3</ymax></bndbox></object></annotation>"
    )
    labelme = (
        b'{"imagePath": "1.png", "imageWidth": 7, "imageHeight": 5, "flags": {"x": true}, "shapes": [{"label": "a",'
        b'"points": [[1, 1], [4, 3]], "shape_type": "rectangle"}]}'
    )
    seeds = {
        "c": coco,
        "v": voc,
        "y": b"0 0.5 0.5 0.2 0.4\n1 0.1 0.1 0.4 0.1 0.3 0.9\n",
        "n": b"train: x\nnc: 2\nnames: ['a', \"b\"]\nmore:\n  0: [1, {c: d}]\n",
        "m": labelme,
        "j": b'[{"image": "1.png", "labels": ["a", "b"]}]',
        "l": b'{"image": "1.png", "labels": {"a": 1, "b": null}}\n',
        "t": b"file,tags\n1.png,\"['a', 'b c']\"\n",
        "b": b"filename,width,height,class,xmin,ymin,xmax,ymax\n1.png,7,5,a,1,1,4,3\n",
    }
    for kind, data in seeds.items():
        write(f"labels/{kind}", kind.encode() + data)


def weights():
    """Those of the reader's tests, and a safetensors file of the same network."""
    fixtures = pathlib.Path(__file__).parent.parent / "crates/soup-graph/tests/fixtures/pretrained"
    for name in ("zip.pth", "pickles.pth", "newer.pth", "views.pth", "wrapped.pth", "order.pth", "initialisers.onnx"):
        write(f"weights/{name}", (fixtures / name).read_bytes())
    shapes = {"stem.weight": [4, 3, 3, 3], "fc.weight": [10, 4], "fc.bias": [10]}
    shapes |= {f"bn.{name}": [4] for name in ("weight", "bias", "running_mean", "running_var")}
    header, data = {}, b""
    for name, shape in shapes.items():
        size = 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + size]}
        data += bytes(size)
    text = json.dumps(header).encode()
    write("weights/zeros.safetensors", struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    images()
    packs(str(pathlib.Path(sys.argv[1]).resolve()))
    idx()
    tables()
    labels()
    weights()
