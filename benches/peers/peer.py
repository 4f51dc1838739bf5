"""What the peers' sides of every work have in common: the network, the images and how turns are answered."""

import json
import pathlib
import signal
import sys
import time

import numpy as np

CHANNELS = 3
# Ctrl-C ends compare.py, which says so; nobody needs a trace of each peer.
signal.signal(signal.SIGINT, signal.SIG_DFL)


def create(model, labels):
    """timm's model; nothing is dropped, so that both sides compute the same."""
    import timm

    return timm.create_model(model, num_classes=labels, in_chans=CHANNELS, drop_rate=0.0, drop_path_rate=0.0)


def load(model, labels, folder):
    import safetensors.torch

    net = create(model, labels)
    net.load_state_dict(safetensors.torch.load_file(folder / "weights.safetensors"))
    return net


def images(folder, batch, side):
    """The batch as batch x channels x rows x columns, a view of the file's channels-last one."""
    values = np.fromfile(folder / "images.f32", np.float32).reshape(batch, side, side, CHANNELS)
    return values.transpose(0, 3, 1, 2)


def peak_bytes():
    """The most memory that this process ever had at once; None where the system does not say."""
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None


def answer_turns(call):
    """For each number that comes on standard input, calls so many times and prints the seconds of each and the peak of memory."""
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        print(json.dumps({"seconds": seconds, "peak_bytes": peak_bytes()}), flush=True)
