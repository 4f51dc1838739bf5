"""Runs both sides of every work in turns; called by `run`, which see."""

import argparse
import csv
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LABELS = 26
# name: network, side, batch
WORKS = {
    "train-b0-256-b8": ("efficientnet_b0", 256, 8),
    "train-repvgg-a0-256-b8": ("repvgg_a0", 256, 8),
}
MODES = ["eager", "bf16", "compile", "compile-bf16"]
# Without these glibc gives every large tensor back to the kernel after each use, and PyTorch spends its time on page
# faults.
MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": "8589934592",
    "MALLOC_TRIM_THRESHOLD_": "34359738368",
    "MALLOC_TOP_PAD_": "268435456",
}
# Largest relative difference of the losses from those of PyTorch's eager float32: the first step checks the forward
# half, the two after it gradients, Adam and all. These grow apart by rounding: Adam's first step is a sign.
FIRST_LOSS, LATER_LOSS = 1e-5, 1e-3
COLUMNS = ["work", "ours", "peer", "peer_mode", "ratio"]


class Side:
    """A process that takes training steps on demand."""

    def __init__(self, name, command, environment):
        self.name = name
        self.speeds = []
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | environment
        )

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"error: {self.name} ended with status {self.process.wait()}; what it said is above")
        return json.loads(line)

    def steps(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return self.answer()["seconds"]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def difference(losses, expected):
    return [abs(a - b) / abs(b) for a, b in zip(losses, expected)]


def check(losses):
    """Refuses to time sides that compute different things."""
    expected = losses["eager"]
    for name, values in losses.items():
        apart = difference(values, expected)
        text = ", ".join(f"{value:.6f}" for value in values)
        print(f"  {name:12} losses of the first steps {text}; from eager {apart[0]:.1e}, {max(apart[1:]):.1e}", file=sys.stderr)
        if "bf16" in name:
            continue
        if not (apart[0] <= FIRST_LOSS and max(apart[1:]) <= LATER_LOSS):
            sys.exit(f"error: {name} and PyTorch do not compute the same; nothing was timed")


def measure(work, arguments):
    model, side, batch = WORKS[work]
    with tempfile.TemporaryDirectory() as folder:
        words = [model, str(side), str(batch), str(LABELS), folder]
        peer = [sys.executable, str(HERE / "peer_step.py")]
        subprocess.run([*peer, "make", *words], check=True)
        threads = str(arguments.threads)
        ours = Side("ours", [arguments.ours, *words, threads], {})
        sides, losses = [ours], {"ours": ours.answer()["losses"]}
        for mode in arguments.modes:
            environment = MALLOC | {"OMP_NUM_THREADS": threads}
            sides.append(Side(mode, [*peer, "run", *words, threads, mode], environment))
            # One starts after the other: compiling wants all cores.
            losses[mode] = sides[-1].answer()["losses"]
        check(losses)
        for side in sides:
            side.steps(2)
        for repeat in range(arguments.repeats):
            # Another order each time, so that nobody always comes after the same one.
            start = repeat % len(sides)
            for side in sides[start:] + sides[:start]:
                # The threads of the one before spin for a moment before they sleep.
                time.sleep(0.3)
                seconds = side.steps(arguments.steps)
                side.speeds.append(batch * len(seconds) / sum(seconds))
        for side in sides:
            side.end()
    speeds = {side.name: side.speeds for side in sides}
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    for name, values in speeds.items():
        spread = f"{min(values):.1f} to {max(values):.1f}"
        print(f"  {name:12} {medians[name]:7.2f} images/s ({spread})", file=sys.stderr)
    mode = max(arguments.modes, key=medians.get)
    row = [work, f"{medians['ours']:.2f}", f"{medians[mode]:.2f}", mode, f"{medians['ours'] / medians[mode]:.3f}"]
    return row, {"work": work, "images_per_second": speeds, "losses": losses}


def machine():
    name = platform.processor() or platform.machine()
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    return {"processor": name, "cores": os.cpu_count(), "system": platform.platform()}


def versions():
    def said(*command):
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()

    packages = ["torch", "timm", "safetensors", "numpy"]
    return {
        "alphabet-soup": said("git", "describe", "--always", "--dirty"),
        "rustc": said("rustc", "--version"),
        "python": platform.python_version(),
    } | {package: importlib.metadata.version(package) for package in packages}


def parse():
    parser = argparse.ArgumentParser(
        prog="benches/peers/run",
        description="Training steps a second of alphabet-soup and of PyTorch, in turns: forward, loss, backward, "
        "batch-norm statistics, Adam. Prints one row a work against PyTorch's fastest mode, in images/s; a ratio above 1 "
        "means that alphabet-soup is faster.",
    )

    def names(known):
        def split(text):
            wanted = text.split(",")
            for name in wanted:
                if name not in known:
                    raise argparse.ArgumentTypeError(f"unknown: {name}; known are {', '.join(known)}")
            return wanted

        return split

    def count(text):
        if not text.isdecimal() or int(text) == 0:
            raise argparse.ArgumentTypeError(f"{text} is not a number from 1")
        return int(text)

    parser.add_argument("--only", metavar="NAME,...", type=names(WORKS), default=list(WORKS), help=f"works: {', '.join(WORKS)}")
    parser.add_argument("--modes", metavar="MODE,...", type=names(MODES), default=MODES, help=f"of PyTorch: {', '.join(MODES)}; eager is always run")
    parser.add_argument("--repeats", metavar="N", type=count, default=9, help="turns of each side (default 9); medians are taken over them")
    parser.add_argument("--steps", metavar="N", type=count, default=5, help="steps in a turn (default 5)")
    parser.add_argument("--threads", metavar="N", type=count, default=2, help="of each side (default 2)")
    parser.add_argument("--csv", metavar="FILE", help="write the rows there, and everything measured into benches/results/")
    parser.add_argument("--ours", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if "eager" not in arguments.modes:
        arguments.modes = ["eager", *arguments.modes]
    return arguments


def main():
    arguments = parse()
    begun = datetime.datetime.now().astimezone()
    if arguments.csv:
        # Before the measurement: a place that cannot be written must not cost one.
        os.makedirs(os.path.dirname(os.path.abspath(arguments.csv)), exist_ok=True)
    rows, details = [], []
    for work in arguments.only:
        print(work, file=sys.stderr)
        row, detail = measure(work, arguments)
        rows.append(row)
        details.append(detail)
    csv.writer(sys.stdout, lineterminator="\n").writerows([COLUMNS, *rows])
    if arguments.csv:
        with open(arguments.csv, "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
        record = {
            "date": begun.isoformat(timespec="seconds"),
            "command": " ".join(["benches/peers/run", *sys.argv[3:]]),
            "machine": machine(),
            "versions": versions(),
            "threads": arguments.threads,
            "steps_in_a_turn": arguments.steps,
            "rows": [dict(zip(COLUMNS, row)) for row in rows],
            "works": details,
        }
        results = HERE.parent / "results"
        results.mkdir(exist_ok=True)
        path = results / f"{begun:%Y-%m-%d-%H%M}-peers.json"
        path.write_text(json.dumps(record, indent=1) + "\n")
        print(f"written: {arguments.csv}, {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
