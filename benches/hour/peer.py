"""An hour of PyTorch on the images that `soup train --preset hour` learns from: recipes of others with timm's networks, and ours.

    peer.py RECIPE --train PACK --test PACK [--minutes 60] [--threads 2] [--csv FILE]

Recipes: founders-256 and founders-331 (EfficientNet-B0 with the founders' head, mirrors and turns, Adam, steps of the
rate), winner (one channel, quarter turns, small affine, cutout, AdamW, cosine; EfficientNet-B0 in place of V2-S, which
makes a third of the images in the time), ours (`ours.py`: the network, the loss of boxes, Muon and the filters at four turns
of preset `hour`). These learn from labels; ours also from where each letter stands, as the program does:

    soup compose --glyphs GLYPHS --count 50000 --seed 5 --out set          # packed: soup pack --images set --labels set/answer.csv
    soup compose --glyphs GLYPHS --count 100000 --seed 6 --out dense 'compose.letters=[22,26]' compose.repeat=true
    peer.py ours --train PACK --boxes set/boxes.csv --dense PACK --dense-boxes dense/boxes.csv --test PACK

The first two thirds of the time go to dense images, whose boxes alone teach; without --dense all of it to the images of --train.
The clock covers all of it: reading, augmentation, compilation, training. It stands while the process is stopped.
Prints and appends to FILE: recipe, images, seconds, accuracy at one half, mAP.
"""

import argparse
import csv
import json
import math
import pathlib
import threading
import time

import numpy as np
import sklearn.metrics
import timm
import torch
from torchvision.transforms import v2

import ours

class Clock:
    """Seconds in which this process ran: time in which it was stopped does not count, as for `soup train`."""

    TICK, LONGEST = 0.1, 2.0

    def __init__(self):
        self.seconds, self.last = 0.0, time.monotonic()
        self.lock = threading.Lock()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            time.sleep(self.TICK)
            self()

    def __call__(self):
        with self.lock:
            now = time.monotonic()
            gap, self.last = now - self.last, now
            self.seconds += gap if gap < self.LONGEST else 0.0
            return self.seconds


IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def pack(path):
    folder = pathlib.Path(path)
    manifest = json.loads((folder / "manifest.json").read_text())
    labels = np.array([[int(c) for c in image["labels"]] for image in manifest["pictures"]], np.float32)
    return np.load(next(folder.glob("*.npy")), mmap_mode="r"), torch.from_numpy(labels)


class Founders(torch.nn.Module):
    """timm's network with its 1000 classes, the activation, a linear layer."""

    def __init__(self, labels):
        super().__init__()
        self.backbone = timm.create_model("efficientnet_b0")
        self.labels = torch.nn.Linear(1000, labels)

    def forward(self, x):
        return self.labels(torch.relu(self.backbone(x)))


class Quarter(torch.nn.Module):
    """A random quarter turn an image."""

    def forward(self, x):
        return torch.rot90(x, int(torch.randint(4, ())), (-2, -1))


class Cutout(torch.nn.Module):
    """A square of zeros of a quarter of the side, in half of the images."""

    def forward(self, x):
        side = x.shape[-1] // 4
        if torch.rand(()) < 0.5:
            y, z = (int(torch.randint(x.shape[-1] - side, ())) for _ in range(2))
            x = x.clone()
            x[..., y : y + side, z : z + side] = 0
        return x


def founders(side, labels):
    scale = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(*IMAGENET)]
    see = [v2.Lambda(lambda x: x.expand(3, -1, -1)), v2.Resize(side, antialias=True)]
    learn = [v2.RandomHorizontalFlip(0.6), v2.RandomVerticalFlip(0.6), v2.RandomRotation(40)]
    net = Founders(labels)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    return net, optimizer, lambda done: 0.75 ** math.floor(5 * done), v2.Compose(see + learn + scale), v2.Compose(see + scale), 8


def winner(labels):
    scale = [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.25])]
    learn = [Quarter(), v2.RandomAffine(15, (0.05, 0.05), (0.9, 1.1)), Cutout()]
    net = timm.create_model("efficientnet_b0", num_classes=labels, in_chans=1)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)
    return net, optimizer, lambda done: (1 + math.cos(math.pi * done)) / 2, v2.Compose(learn + scale), v2.Compose(scale), 32


class Boxed:
    """Composed images with the boxes of their letters."""

    def __init__(self, path, boxes):
        self.images, self.labels = pack(path)
        manifest = json.loads((pathlib.Path(path) / "manifest.json").read_text())
        self.boxes = ours.read_boxes(boxes, [image["id"] for image in manifest["pictures"]], manifest["label_names"])
        self.order = []

    def draw(self, batch):
        if len(self.order) < batch:
            self.order = torch.randperm(len(self.labels)).tolist()
        rows, self.order = self.order[:batch], self.order[batch:]
        return read_bands(self.images, rows), self.labels[rows], [self.boxes[row] for row in rows]


def read_bands(images, rows):
    return ours.bands(torch.from_numpy(np.stack([images[row] for row in rows])).view(-1, 256, 256))


DENSE_SHARE, BATCH = 0.67, 8


def train_ours(given, clock):
    """Our recipe; returns as `train_others`."""
    plain = Boxed(given.train, given.boxes)
    dense = Boxed(given.dense, given.dense_boxes) if given.dense else None
    net = ours.Soup(plain.labels.shape[1]).to(memory_format=torch.channels_last)
    optimizer, forward = ours.Optimizer(net), torch.compile(net)
    criterion = torch.nn.BCEWithLogitsLoss()
    rate, seen, budget = optimizer.param_groups[0]["lr"], 0, 60 * given.minutes
    while (done := clock() / budget) < 1:
        dense_now = dense is not None and done < DENSE_SHARE
        images, labels, boxes = (dense if dense_now else plain).draw(BATCH)
        for group in optimizer.param_groups:
            group["lr"] = rate * ours.decay(done)
        optimizer.zero_grad()
        maps, logits = forward(images.to(memory_format=torch.channels_last))
        loss = ours.box_loss(maps, ours.targets(boxes, *maps.shape[1:], *images.shape[2:]))
        # Nearly every label is in a dense image: they would teach to say yes.
        loss = loss if dense_now else loss + criterion(logits, labels)
        loss.backward()
        optimizer.step()
        seen += BATCH
        if seen % (50 * BATCH) == 0:
            print(f"{100 * done:.1f} %, {seen} images, loss {loss.item():.4f}", flush=True)
    return net, seen, lambda images, rows: net(read_bands(images, rows))[1]


def train_others(given, clock):
    """A recipe of others, by labels alone; returns the network, how many images it saw, and what gives logits for rows."""
    images, labels = pack(given.train)
    if given.recipe == "winner":
        made = winner(labels.shape[1])
    else:
        made = founders(int(given.recipe.split("-")[1]), labels.shape[1])
    net, optimizer, decay, learn, see, batch = made
    net = net.to(memory_format=torch.channels_last)
    forward = torch.compile(net)
    criterion = torch.nn.BCEWithLogitsLoss()

    def read(images, rows, transform):
        images = [transform(torch.from_numpy(np.array(images[row])).reshape(1, 256, 256)) for row in rows]
        return torch.stack(images).to(memory_format=torch.channels_last)

    rate, seen, budget = optimizer.param_groups[0]["lr"], 0, 60 * given.minutes
    order = []
    while (done := clock() / budget) < 1:
        if len(order) < batch:
            order = torch.randperm(len(labels)).tolist()
        rows, order = order[:batch], order[batch:]
        for group in optimizer.param_groups:
            group["lr"] = rate * decay(done)
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(forward(read(images, rows, learn)), labels[rows])
        loss.backward()
        optimizer.step()
        seen += batch
        if seen % (200 * batch) == 0:
            print(f"{100 * done:.1f} %, {seen} images, loss {loss.item():.4f}", flush=True)
    return net, seen, lambda images, rows: net(read(images, rows, see))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("recipe", choices=["founders-256", "founders-331", "winner", "ours"])
    arguments.add_argument("--train", required=True)
    arguments.add_argument("--test", required=True)
    arguments.add_argument("--boxes", help="boxes.csv of --train, for ours")
    arguments.add_argument("--dense", help="pack of dense images, for ours")
    arguments.add_argument("--dense-boxes", help="boxes.csv of --dense")
    arguments.add_argument("--minutes", type=float, default=60)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--csv", type=pathlib.Path)
    given = arguments.parse_args()
    if given.recipe == "ours" and not given.boxes or given.dense and not given.dense_boxes:
        arguments.error("ours needs --boxes, and --dense needs --dense-boxes: boxes.csv of soup compose")
    clock = Clock()
    torch.manual_seed(42)
    torch.set_num_threads(given.threads)
    train = train_ours if given.recipe == "ours" else train_others
    net, seen, answer = train(given, clock)
    seconds = clock()

    net.eval()
    images, labels = pack(given.test)
    parts = range(0, len(labels), 32)
    with torch.inference_mode():
        logits = torch.cat([answer(images, range(at, min(at + 32, len(labels)))) for at in parts])
    accuracy = ((logits > 0) == (labels > 0.5)).float().mean().item()
    precision = sklearn.metrics.average_precision_score(labels.numpy(), logits.numpy(), average="macro")
    row = [given.recipe, seen, f"{seconds:.0f}", f"{accuracy:.4f}", f"{precision:.4f}"]
    print(*row)
    if given.csv:
        with given.csv.open("a", newline="") as file:
            csv.writer(file).writerow(row)


if __name__ == "__main__":
    main()
