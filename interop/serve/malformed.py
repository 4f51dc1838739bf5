"""Ten thousand requests that make no sense: the server lives, refuses them, and stays small.

python malformed.py SOUP MODEL IMAGE.png [COUNT]

Every request is drawn by its number, so a finding can be asked for again.
"""

import collections
import errno
import io
import json
import pathlib
import random
import socket
import struct
import sys
import threading
import zlib

from PIL import Image

from server import serving


def flip(draw, data):
    """Some bytes changed, cut out or doubled."""
    data = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        if not data:
            break
        place = draw.randrange(len(data))
        kind = draw.randrange(4)
        if kind == 0:
            data[place] = draw.randrange(256)
        elif kind == 1:
            del data[place : place + draw.randint(1, 64)]
        elif kind == 2:
            data[place:place] = data[place : place + draw.randint(1, 64)]
        else:
            data = data[:place]
    return bytes(data)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(draw):
    """A small file that claims, or unpacks to, a huge image."""
    width, height = draw.choice([(65535, 65535), (2**31 - 1, 1), (40000, 40000), (2000, 2000), (256, 256)])
    head = struct.pack(">IIBBBBB", width, height, draw.choice([1, 8, 16]), draw.choice([0, 2, 3, 6]), 0, 0, draw.choice([0, 1]))
    data = zlib.compress(bytes(draw.choice([0, 100, 4_000_000])), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def with_checksums(draw, png):
    """A PNG with a chunk changed under a right checksum: what is inside meets the decoder."""
    out, rest = [png[:8]], png[8:]
    while len(rest) >= 12:
        (length,) = struct.unpack(">I", rest[:4])
        kind, data = rest[4:8], rest[8 : 8 + length]
        if draw.random() < 0.5 and data:
            data = flip(draw, data)
        out.append(chunk(kind, data))
        rest = rest[12 + length :]
    return b"".join(out)


def bodies(png, jpeg, gray, infer):
    """Name, path, headers and body of a request by what is wrong with it."""

    def form(draw, body):
        boundary = "b" * draw.randint(1, 60)
        name = draw.choice(["image", "image", "file", 'im"age', ""])
        whole = (
            f"--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"x\"\r\n\r\n".encode()
            + body + f"\r\n--{boundary}--\r\n".encode()
        )  # fmt: skip
        return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, flip(draw, whole)

    return [
        ("png", lambda draw: ("/predict", {}, flip(draw, draw.choice([png, gray])))),
        ("png inside", lambda draw: ("/predict", {}, with_checksums(draw, draw.choice([png, gray])))),
        ("jpeg", lambda draw: ("/predict?maps=true", {}, flip(draw, jpeg))),
        ("bomb", lambda draw: ("/predict", {}, bomb(draw))),
        ("form", lambda draw: ("/predict", *form(draw, draw.choice([png, jpeg])))),
        ("noise", lambda draw: ("/predict", {}, draw.randbytes(draw.randint(0, 5000)))),
        ("json", lambda draw: (infer, {}, flip(draw, SENSE))),
        ("query", lambda draw: ("/predict?" + "&".join(draw.choices(QUERY, k=draw.randint(0, 3))), {}, gray)),
        ("binary", lambda draw: (infer, {"Inference-Header-Content-Length": str(draw.choice([0, 1, -1, 10**20, len(SENSE)]))}, flip(draw, SENSE))),
        ("path", lambda draw: ("/v2/" + "".join(draw.choices("models/letters%2e..%ff?", k=30)), {}, b"")),
    ]


QUERY = ["model=letters", "model=%ff", "model=", "maps=true", "maps=1", "threshold=0.5", "threshold=1e99", "threshold=-0", "%00=%", "&&", "x=y"]
SENSE = json.dumps(
    {"inputs": [{"name": "pictures", "shape": [1, 2, 2, 1], "datatype": "UINT8", "data": [[1, 2], [3, 4]], "parameters": {}}],
     "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}], "parameters": {}, "id": "x"}
).encode()  # fmt: skip


def raw(draw, gray):
    """Bytes that are hardly a request."""
    whole = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(gray) + gray
    kind = draw.randrange(5)
    if kind == 0:
        return flip(draw, whole[:200])
    if kind == 1:
        return b"GET / HTTP/1.1\r\n" + b"".join(b"x%d: %s\r\n" % (n, b"y" * draw.randint(1, 3000)) for n in range(draw.randint(1, 300))) + b"\r\n"
    if kind == 2:
        return b"GET /" + b"a" * draw.randint(1, 200_000) + b" HTTP/1.1\r\n\r\n"
    if kind == 3:
        return b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + flip(draw, b"5\r\nhello\r\n0\r\n\r\n")
    return whole[: draw.randrange(len(whole))]


def exchange(host, port, data, cut):
    """The status of what came back, or `None` where the server just hung up."""
    with socket.create_connection((host, port), timeout=60) as stream:
        try:
            stream.sendall(data)
            if cut:
                stream.shutdown(socket.SHUT_WR)
            head = b""
            while b"\r\n" not in head:
                piece = stream.recv(1 << 16)
                if not piece:
                    return None
                head += piece
        except (ConnectionResetError, BrokenPipeError):
            return None
        except OSError as error:
            # Our own shutdown, after the server hung up.
            if error.errno != errno.ENOTCONN:
                raise
            return None
        return int(head[9:12])


def main(program, model, image, count="10000"):
    png = pathlib.Path(image).read_bytes()
    color = Image.open(image).convert("RGB")
    files = {}
    for kind, options in (("png", {"optimize": True}), ("jpeg", {"progressive": True})):
        held = io.BytesIO()
        color.save(held, kind, **options)
        files[kind] = held.getvalue()
    infer = f"/v2/models/{pathlib.Path(model).stem}/infer"
    kinds = bodies(files["png"], files["jpeg"], png, infer)
    seen = collections.Counter()
    faults = []

    with serving(program, [model]) as server:
        host, port = server.address.split(":")
        # Clients that send a byte now and then, all the time.
        lazy = [socket.create_connection((host, port)) for _ in range(50)]
        for stream in lazy:
            stream.sendall(b"POST /predict HTTP/1.1\r\nContent-Le")
        # Before the first count buffers and plans are there.
        for _ in range(200):
            exchange(host, port, b"POST /predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(png) + png, False)
        before = server.memory()

        def work(numbers):
            for number in numbers:
                draw = random.Random(number)
                try:
                    if number % 6 == 0:
                        name, status = "raw", exchange(host, port, raw(draw, png), True)
                    else:
                        name, make = kinds[number % len(kinds)]
                        path, headers, body = make(draw)
                        method = "GET" if name == "path" else "POST"
                        lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
                        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                        status = exchange(host, port, head.encode("latin-1") + body, False)
                except OSError as error:
                    faults.append((number, repr(error)))
                    continue
                seen[name, status] += 1
                if status is not None and status >= 500:
                    faults.append((number, name, status))

        memory = []
        half = int(count) // 2
        for begin, end in ((0, half), (half, int(count))):
            threads = [threading.Thread(target=work, args=(range(begin + first, end, 8),)) for first in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            memory.append(server.memory())
        good = exchange(host, port, b"POST /predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(png) + png, False)
        assert good == 200, good
    for (name, status), number in sorted(seen.items(), key=str):
        print(f"{name:12} {status or 'hung up'}: {number}")
    print(f"malformed: {sum(seen.values())} requests; memory {before:.0f} MB before, {memory[0]:.0f} MB after half of them, {memory[1]:.0f} MB after all; faults {faults[:10]}")
    assert not faults
    # What the largest images take is there after half of them.
    assert memory[1] < memory[0] + 16 and memory[1] < before + 128, "memory grows"


if __name__ == "__main__":
    main(*sys.argv[1:])
