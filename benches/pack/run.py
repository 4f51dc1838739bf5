#!/usr/bin/env python3
"""The pack against cv2.imread + np.save, on one core, alternately.

    cargo build --release -p soup-data --example pack
    python3 benches/pack/run.py DATA_DIR [--python PYTHON_WITH_OPENCV] [--runs 5] [--core 1]

DATA_DIR is a folder as `soup compose` writes it: images/NNNNN.png and answer.csv. Both run warm (one
run of each before the first that counts); both results must hold the same pixels. Prints each run,
medians, their ratio and the peak memory of both.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile

root = pathlib.Path(__file__).resolve().parents[2]
target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
parser = argparse.ArgumentParser()
parser.add_argument("data", type=pathlib.Path)
parser.add_argument("--python", default="python3")
parser.add_argument("--runs", type=int, default=5)
parser.add_argument("--core", default="1")
parser.add_argument("--binary", type=pathlib.Path, default=target / "release/examples/pack")
arguments = parser.parse_args()


def measure(command):
    """Images, seconds of work as the program says, seconds of processor, peak memory in MB."""
    child = subprocess.Popen(["taskset", "-c", arguments.core, *map(str, command)], stdout=subprocess.PIPE, text=True)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"{command[0]} failed")
    images, seconds = output.split()
    return int(images), float(seconds), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


with tempfile.TemporaryDirectory(dir=arguments.data.parent) as scratch:
    scratch = pathlib.Path(scratch)
    pack, array = scratch / "x.pack", scratch / "x.npy"
    runs = {"soup": [], "cv2": []}
    for turn in range(arguments.runs + 1):
        for name, command in [("soup", [arguments.binary, arguments.data, pack]),
                              ("cv2", [arguments.python, pathlib.Path(__file__).with_name("peer.py"), arguments.data, array])]:
            result = measure(command)
            if turn:
                runs[name].append(result)
                print(f"run {turn} {name:4} {result[0] / result[1]:7.0f} images/s  {result[1]:6.2f} s  cpu {result[2]:6.2f} s  peak {result[3]:6.0f} MB", flush=True)
        if turn == 0:
            subprocess.run([arguments.python, "-c", "import numpy as np, sys; a, b = (np.load(p, mmap_mode='r') for p in sys.argv[1:]); "
                            "assert a.shape == b.shape and a.dtype == b.dtype and (a == b).all()", pack / "pictures.npy", array], check=True)
        shutil.rmtree(pack)
        array.unlink()
rate = {name: statistics.median(images / seconds for images, seconds, _, _ in results) for name, results in runs.items()}
work = {name: statistics.median(seconds for _, _, seconds, _ in results) for name, results in runs.items()}
peak = {name: max(memory for _, _, _, memory in results) for name, results in runs.items()}
print(f"median: soup {rate['soup']:.0f} images/s a core, cv2.imread + np.save {rate['cv2']:.0f}; ratio {rate['soup'] / rate['cv2']:.2f}; "
      f"processor time {work['soup']:.2f} s against {work['cv2']:.2f} s (that of the peer with its imports), ratio {work['cv2'] / work['soup']:.2f}; "
      f"peak memory {peak['soup']:.0f} MB against {peak['cv2']:.0f} MB")
