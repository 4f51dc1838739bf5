"""`soup serve` and LitServe with ONNX Runtime beside each other, under wrk.

python compare.py SOUP MODEL.soup MODEL.onnx IMAGE.png RESULTS.md [TURNS [SECONDS [CONNECTIONS]]]

Both files come from one run (`soup export`). Both sides get the same bytes: a form with one image. First both answer
the image and the probabilities are compared. Then ours and theirs take turns, theirs once without batches and once
with batches of 8, and medians are taken: other programs on the machine meet both alike.
"""

import contextlib
import datetime
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

THREADS = 2
OURS, PORT = "soup serve", 8095
HERE = pathlib.Path(__file__).parent


def form(image):
    head = b'--line\r\nContent-Disposition: form-data; name="image"; filename="p.png"\r\nContent-Type: image/png\r\n\r\n'
    return head + image + b"\r\n--line--\r\n"


KIND = "multipart/form-data; boundary=line"


def ask(body):
    headers = {"Content-Type": KIND}
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}/predict", body, headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


@contextlib.contextmanager
def running(command, body):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", PORT), timeout=5).close()
        sys.exit(f"something else listens on port {PORT}")
    # A group of its own: the peer's processes outlive the one that started them.
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        for _ in range(1200):
            with contextlib.suppress(OSError):
                ask(body)
                break
            assert process.poll() is None, f"{command[0]} ended"
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    time.sleep(1)


def load(script, seconds, connections):
    command = ["wrk", "--threads", "1", "--connections", connections, "--duration", f"{seconds}s", "--timeout", "30s"]
    command += ["--latency", "--script", script, f"http://127.0.0.1:{PORT}/predict"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    units = {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}

    def percentile(share):
        number, unit = re.search(rf"{share}%\s+([\d.]+)(us|ms|s|m)", said).groups()
        return float(number) * units[unit]

    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"Socket errors: (.*)", said)
    return {
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]),
        "p50": percentile(50),
        "p99": percentile(99),
        "failed": int(failed[1]) if failed else 0,
        "broken": broken[1] if broken else "",
    }


def main(program, soup, onnx, image, results, turns="5", seconds="20", connections="64"):
    body = form(pathlib.Path(image).read_bytes())
    peer = [sys.executable, str(HERE / "litserve_peer.py"), onnx, str(PORT)]
    sides = {
        OURS: [program, "serve", soup, "--port", str(PORT), "--threads", str(THREADS), "--quiet"],
        "LitServe, single": [*peer, "1", str(THREADS)],
        "LitServe, batches of 8": [*peer, "8", str(THREADS)],
    }
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "body").write_bytes(body)
        script = pathlib.Path(folder) / "wrk.lua"
        script.write_text(
            f'wrk.method = "POST"\nlocal file = io.open("{folder}/body", "rb")\nwrk.body = file:read("*a")\n'
            f'wrk.headers["Content-Type"] = "{KIND}"\n'
        )
        found = {name: [] for name in sides}
        for turn in range(int(turns)):
            # Every other turn begins at the other end.
            for name in list(sides)[:: 1 if turn % 2 == 0 else -1]:
                with running(sides[name], body):
                    answers[name] = ask(body)
                    assert ("pictures" in answers[name]) == (name == OURS), f"{name} is not what answers"
                    load(str(script), 3, connections)
                    found[name].append(load(str(script), seconds, connections))
                    print(turn, name, found[name][-1], flush=True)
    ours = [answer["probability"] for answer in answers[OURS]["pictures"][0]["answers"]]
    for name, answer in answers.items():
        if name != OURS:
            apart = max(abs(a - b) for a, b in zip(ours, answer["probabilities"], strict=True))
            assert apart < 0.02, f"{name} answers otherwise: {apart}"
            print(f"{name}: probabilities at most {apart:.5f} from ours")
    middle = {
        name: {key: statistics.median(one[key] for one in all) for key in ("rate", "p50", "p99")}
        for name, all in found.items()
    }
    best = max((name for name in middle if name != OURS), key=lambda name: middle[name]["rate"])
    lines = [
        "| side | images/s | p50 | p99 | refused or broken |",
        "|---|---|---|---|---|",
    ]
    for name, of in middle.items():
        bad = sum(one["failed"] for one in found[name])
        words = "; ".join(filter(None, (one["broken"] for one in found[name])))
        lines.append(f"| {name} | {of['rate']:.1f} | {of['p50']:.0f} ms | {of['p99']:.0f} ms | {bad} {words} |")
    ratio = middle[OURS]["rate"] / middle[best]["rate"]
    command = "python " + " ".join([pathlib.Path(sys.argv[0]).name, *(pathlib.Path(a).name for a in sys.argv[1:])])
    rates = {name: [round(one["rate"], 1) for one in all] for name, all in found.items()}
    text = [
        f"# soup serve beside LitServe, {datetime.date.today()}",
        "",
        f"`{command}`: {connections} connections, {turns} turns of {seconds} s each, {THREADS} threads a side, medians.",
        "",
        *lines,
        "",
        f"Ours answers {ratio:.2f} times as many as the best mode of the peer ({best}).",
        "",
        f"Images a second in each turn: {rates}.",
        "",
    ]
    pathlib.Path(results).write_text("\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main(*sys.argv[1:])
