"""A `model.soup` that reads images of 2^62 by 4 pixels."""

from forge import convolution, model, noise_png, save

COMMAND = "predict a.soup --images images --out out.csv"
SAYS = "the limits are"
MOST_MIB = 64


def make(folder):
    save(folder / "images/1.png", noise_png())
    save(folder / "a.soup", model([convolution("a", 2, 0)], image=(1 << 62, 4, 1)))
