"""How soon a model answers: from the start of the process, and from the moment that it listens.

python start.py SOUP MODEL IMAGE.png [TURNS]

`soup predict` is timed whole, for one image. `soup serve` is timed from its start to the line that says that it
listens (the model is read and planned), from there to the first answer, and for the answer after it. Medians and the
fastest of the turns. The model's file is in the system's cache, as it is after it was copied there.
"""

import http.client
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def ask(port, body):
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/predict", body, {"Content-Type": "image/png"})
    response = connection.getresponse()
    assert response.status == 200, response.read()
    response.read()
    connection.close()
    return time.perf_counter() - began


def serve(program, model, body):
    began = time.perf_counter()
    command = [program, "serve", model, "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        found = None
        while not found:
            line = process.stderr.readline()
            assert line, "the server ended"
            found = re.search(r"http://\S+?:(\d+)", line)
        loaded = time.perf_counter() - began
        port = int(found[1])
        first, again = ask(port, body), ask(port, body)
        return {
            "serve: start to listening": loaded,
            "serve: listening to first answer": first,
            "serve: the answer after it": again,
            "serve: start to first answer": loaded + first,
        }
    finally:
        process.terminate()
        process.wait(60)


def predict(program, model, image):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "pictures").mkdir()
        shutil.copy(image, folder / "pictures")
        command = [program, "predict", model, "--images", folder / "pictures", "--out", folder / "out.csv", "--quiet"]
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return {"predict: start to end, one image": time.perf_counter() - began}


def main(program, model, image, turns="11"):
    body = pathlib.Path(image).read_bytes()
    found = {}
    for _ in range(int(turns)):
        for name, seconds in {**predict(program, model, image), **serve(program, model, body)}.items():
            found.setdefault(name, []).append(1000 * seconds)
    for name, values in found.items():
        print(f"{name:<36} median {statistics.median(values):7.1f} ms, fastest {min(values):7.1f} ms")
    size = pathlib.Path(shutil.which(program) or program).stat().st_size
    with tempfile.NamedTemporaryFile() as stripped:
        subprocess.run(["strip", "-o", stripped.name, shutil.which(program) or program], check=True)
        small = pathlib.Path(stripped.name).stat().st_size
    print(f"{'program':<36} {size / 1e6:.1f} MB, stripped {small / 1e6:.1f} MB; model {pathlib.Path(model).stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
