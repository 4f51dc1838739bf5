"""Whether `ours.py` is what the program does: the box loss against its fixture, symmetry, and logits against a run.

    check_ours.py --soup SOUP            # trains a run of preset hour for one tiny epoch in a folder of its own

Prints the largest differences and fails where one is more than rounding.
"""

import argparse
import csv
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import torch
from safetensors.torch import load_file

import ours

FIXTURES = pathlib.Path(__file__).parents[2] / "crates/soup-train/tests/fixtures"


def box_loss():
    """Value and gradient of every case of the loss's own fixture."""
    fixture = json.loads((FIXTURES / "boxes.json").read_text())
    rows, columns, labels = fixture["size"]
    height, width = fixture["picture"]
    known = [at for at, boxes in enumerate(fixture["boxes"]) if boxes is not None]
    worst = 0.0
    for case in fixture["cases"]:
        config = case["config"]
        logits = torch.tensor(fixture["logits"], dtype=torch.float64).view(-1, rows, columns, labels).requires_grad_()
        boxes = [fixture["boxes"][at] for at in known]
        wanted = ours.targets(boxes, labels, rows, columns, height, width, config.get("core", 0.5))
        loss = ours.box_loss(logits[known].movedim(3, 1), wanted.double(), config["weight"],
                             config.get("positive_weight", 1.0), config.get("choice", 0.0))
        loss.backward()
        gradient = (logits.grad.flatten() - torch.tensor(case["gradient"])).abs().max().item()
        worst = max(worst, abs(loss.item() / case["loss"] - 1), gradient)
    # The fixture was made of single-precision logits and lists them to four digits.
    assert worst < 1e-7, worst
    return worst


def symmetry():
    """An image turned by a quarter has the same logits and turned maps, before training and after steps."""
    torch.manual_seed(1)
    net = ours.Soup(26)
    optimizer = ours.Optimizer(net)
    # Even sides less one: convolutions of stride two then see a turned image's cells where they were.
    pixels = torch.randint(256, (2, 97, 97), dtype=torch.uint8)
    worst = 0.0
    for _ in range(3):
        net.eval()
        with torch.no_grad():
            maps, logits = net(ours.bands(pixels))
            turned_maps, turned = net(ours.bands(torch.rot90(pixels, -1, (1, 2))))
        worst = max(worst, (logits - turned).abs().max().item(),
                    (torch.rot90(maps, -1, (2, 3)) - turned_maps).abs().max().item())
        net.train()
        maps, logits = net(ours.bands(pixels))
        (maps.square().mean() + logits.square().mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert worst < 1e-3, worst
    return worst


def logits(soup):
    """The weights of a run in both: the probabilities of the same images."""
    with tempfile.TemporaryDirectory() as folder:
        run, images, out = (str(pathlib.Path(folder) / name) for name in ("run", "pictures", "out.csv"))
        call = lambda *words: subprocess.run([soup, *words, "-q"], check=True, stdout=subprocess.DEVNULL)
        call("train", "--preset", "hour", "--out", run, "train.minutes=0", "train.epochs=1", "data.composed=64", "data.composed_valid=16",
             "schedule.warmup_epochs=0", "model.precision=f32")
        call("compose", "--count", "8", "--seed", "9", "--out", images)
        call("pack", "--images", images, "--labels", images + "/answer.csv", "--out", folder + "/pack")
        call("predict", run, "--images", folder + "/pack", "--out", out)
        with open(out, newline="") as file:
            theirs = np.array([[float(cell) for cell in row[1:]] for row in list(csv.reader(file))[1:]])
        pixels = torch.from_numpy(np.load(folder + "/pack/pictures.npy"))
        net = ours.Soup(26).eval()
        net.load(load_file(run + "/fold0/model.safetensors"))
    with torch.no_grad():
        own = net(ours.bands(pixels.view(-1, 256, 256)))[1].double().sigmoid().numpy()
    worst = np.abs(own - theirs).max()
    assert worst < 1e-4, worst
    return worst


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--soup", required=True)
    given = arguments.parse_args()
    print(f"box loss and gradient: {box_loss():.2e}")
    print(f"quarter turns: {symmetry():.2e}")
    print(f"probabilities of a run: {logits(given.soup):.2e}")


if __name__ == "__main__":
    main()
