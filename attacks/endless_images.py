"""Images that are links to a device without an end, and a folder that holds itself."""

from forge import noise_png, save

COMMAND = "pack --images images --out pack"
SAYS = "2 left out: 1 a broken link, 1 unreadable"
EXIT = 0
MOST_MIB = 64


def make(folder):
    save(folder / "images/1.png", noise_png())
    (folder / "images/2.png").symlink_to("/dev/zero")
    (folder / "images/loop").symlink_to(folder / "images")
    (folder / "images/3.png").symlink_to("3.png")
