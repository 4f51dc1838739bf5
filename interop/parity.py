"""Other runtimes against soup: trains a tiny run for every kind of network, head and transform, exports it, and
compares probabilities on 200 images that it draws itself.

    cargo build --release
    cargo build --release --manifest-path interop/tract/Cargo.toml     # optional
    python interop/parity.py target/release/soup [--tract interop/tract/target/release/run-onnx] [--only PATTERN]
    python interop/parity.py target/release/soup --only 'label_map gem' --without openvino,timm    # ONNX Runtime alone

Prints a table (Markdown) of the largest differences and ends with an error where one is above 1e-4, where
onnx.checker complains, or where the probabilities hardly differ between images, which would make agreement cheap.
"""

import argparse
import importlib.metadata
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from PIL import Image

LIMIT = 1e-4
LEAST_SPREAD = 0.02
IMAGES = 200
HEIGHT, WIDTH = 48, 64
LABELS = ["bright", "across", "down", "dots"]
NORMALIZE = "{kind='normalize', mean=[0.5], std=[0.25]}"
IMAGENET = "{kind='to_rgb'}, {kind='normalize', preset='imagenet'}"

# Title, settings, transforms. What is not said: soup_nano, linear head, grey images of 64x48.
CASES = [
    *[
        # A thousand classes in between learn more slowly.
        (f"{name} {head}", [f"model.name={name}", f"model.head={head}", f"train.epochs={6 if head == 'founders' else 3}"], IMAGENET)
        for name in ["efficientnet_b0", "efficientnetv2_rw_t", "tf_efficientnet_lite0", "tf_efficientnetv2_b0", "repvgg_a0", "resnet18", "resnet50", "soup_micro"]
        for head in ["linear", "founders", "label_map"]
    ],
    ("efficientnet_b1 linear", ["model.name=efficientnet_b1"], NORMALIZE),
    ("repvgg_a1 linear", ["model.name=repvgg_a1", "train.epochs=6"], IMAGENET),
    *[
        (f"{name} context", [f"model.name={name}", "model.head=label_map", "model.context=true"], NORMALIZE)
        for name in ["soup_tiny", "soup_small", "soup_base", "soup_large"]
    ],
    ("label_map gem", ["model.head=label_map", "model.pool=gem"], NORMALIZE),
    ("label_map max", ["model.head=label_map", "model.pool=max"], NORMALIZE),
    ("residual_attention", ["model.head=residual_attention", "model.attention_heads=4"], NORMALIZE),
    ("label_query", ["model.head=label_query", "model.attention_heads=2"], NORMALIZE),
    ("label_map mean", ["model.head=label_map", "model.sharpness=0"], NORMALIZE),
    ("label_map maximum", ["model.head=label_map", "model.sharpness=inf"], NORMALIZE),
    *[(f"activation {a}", [f"model.activation={a}"], NORMALIZE) for a in ["silu", "gelu", "mish", "hardswish", "relu6"]],
    ("resize up", [], "{kind='resize', size=83}, " + IMAGENET),
    ("resize down", [], "{kind='resize', size=[40, 36]}, " + NORMALIZE),
    ("resize down one side", [], "{kind='resize', size=[100, 36]}, " + NORMALIZE),
    ("resize without antialias", [], "{kind='resize', size=[40, 36], antialias=false}, " + NORMALIZE),
    ("resize nearest", [], "{kind='resize', size=[40, 70], interpolation='nearest'}, " + NORMALIZE),
    ("crop and frames", [], "{kind='center_crop', size=[40, 90]}, {kind='pad', padding=[1, 2, 3, 4], fill=9}, "
     "{kind='pad', padding=3, padding_mode='reflect'}, " + NORMALIZE),
    ("stretch", [], "{kind='stretch', low=20, high=200.5}, " + NORMALIZE),
    ("quantize", [], "{kind='quantize', edges=[0, 100, 200, 255]}"),
    ("colour", ["colour"], "{kind='resize', size=56}, {kind='normalize', preset='imagenet'}"),
    ("colour to grey", ["colour"], "{kind='to_grey'}, " + NORMALIZE),
    ("two folds", ["folds"], NORMALIZE),
    ("two folds label_map", ["folds", "model.head=label_map"], NORMALIZE),
]


def soup(binary, folder, *arguments):
    command = [binary, *map(str, arguments), "--json", "--quiet"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return json.loads(done.stdout)


def draw(random, has):
    """A noisy image, brighter, with stripes across, stripes down or dots, as `has` says: learned in seconds."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    image = random.uniform(0, 120, (HEIGHT, WIDTH))
    bright, across, down, dots = has
    image += 60 * bright
    image += 50 * across * (rows % 6 < 3)
    image += 50 * down * (columns % 8 < 4)
    image[dots * (rows % 9 < 3) * (columns % 9 < 3) > 0] = 255
    return image.clip(0, 255).astype(np.uint8)


def make_images(binary, folder):
    """Grey images and others in colour: sets `train`, `test`, `train_colour`, `test_colour`."""
    for seed, (name, count) in enumerate([("train", 256), ("test", IMAGES)]):
        random = np.random.default_rng(seed)
        labels = random.integers(0, 2, (count, len(LABELS)))
        rows = [f"{i:05}," + ",".join(map(str, row)) for i, row in enumerate(labels)]
        for colour in ["", "_colour"]:
            place = folder / f"{name}{colour}"
            (place / "images").mkdir(parents=True)
            (place / "answer.csv").write_text("\n".join(["index," + ",".join(LABELS), *rows]) + "\n")
        for i, row in enumerate(labels):
            grey = draw(random, row)
            rgb = np.stack([grey, grey[::-1], grey[:, ::-1] // 2], axis=2)
            Image.fromarray(grey).save(folder / name / "images" / f"{i:05}.png")
            Image.fromarray(rgb).save(folder / f"{name}_colour" / "images" / f"{i:05}.png")
    for name in ["train", "train_colour"]:
        soup(binary, folder, "pack", "--data", name, "--out", f"{name}.pack")


def images(folder):
    """N x height x width x channels bytes, as any image library decodes them."""
    read = [np.asarray(Image.open(path)) for path in sorted((folder / "images").glob("*.png"))]
    batch = np.stack(read)
    return batch if batch.ndim == 4 else batch[..., None]


def run_onnx_runtime(path, batch):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    whole = dict(zip(names, session.run(None, {"pictures": batch})))
    # Any number of images: the first one alone.
    alone = session.run(["probabilities"], {"pictures": batch[:1]})[0]
    assert np.abs(alone - whole["probabilities"][:1]).max() < LIMIT
    return whole


def run_openvino(path, batch):
    import openvino

    core = openvino.Core()
    # OpenVINO takes bf16 by itself where the processor has it.
    compiled = core.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled([batch])["probabilities"]


def run_tract(binary, path, batch):
    folder = path.parent
    batch.tofile(folder / "images.u8")
    sides = [str(side) for side in batch.shape]
    done = subprocess.run([binary, path, folder / "images.u8", *sides, folder / "tract.f32"], capture_output=True, text=True)
    if done.returncode != 0:
        return None, (done.stderr.strip().splitlines() or ["it failed"])[-1]
    return np.fromfile(folder / "tract.f32", dtype=np.float32).reshape(len(batch), -1), ""


def run_timm(name, path, batch, transforms):
    """The exported weights in timm, its input made by hand; nothing where timm has no such network."""
    import timm
    import torch
    from safetensors.torch import load_file

    if not timm.is_model(name):
        return None
    x = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255
    if transforms == IMAGENET:
        x = (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    else:
        x = (x - 0.5) / 0.25
    model = timm.create_model(name, num_classes=len(LABELS), in_chans=x.shape[1])
    model.load_state_dict(load_file(path), strict=True)
    with torch.no_grad():
        return model.eval()(x).sigmoid().numpy()


def check_maps(maps, probabilities, settings):
    """The maps of one network without context: their smooth maximum is the image's probability."""
    maps = maps.astype(np.float64).reshape(*maps.shape[:2], -1)
    maps = maps.clip(1e-30, 1 - 1e-16)
    logits = np.log(maps) - np.log1p(-maps)
    sharpness = next((float(s.split("=")[1]) for s in settings if s.startswith("model.sharpness")), 4.0)
    if "model.pool=max" in settings:
        sharpness = np.inf
    if sharpness == 0:
        peaks = logits.mean(2)
    elif np.isinf(sharpness):
        peaks = logits.max(2)
    else:
        peaks = np.log(np.exp(sharpness * logits).mean(2)) / sharpness
    return np.abs(1 / (1 + np.exp(-peaks)) - probabilities).max()


def check(case, options, folder):
    title, settings, transforms = case
    flags = [word for word in settings if "=" not in word]
    settings = [word for word in settings if "=" in word]
    colour = "_colour" if "colour" in flags else ""
    run = folder / "runs" / title.replace(" ", "_")
    common = ["optimizer.kind=adamw", "train.rate=0.003", "train.batch=8", "folds.k=2"]
    folds = [] if "folds" in flags else ["--fold", 0]
    soup(options.soup, folder, "train", "--data", f"train{colour}.pack", "--out", run, *folds,
         "model.name=soup_nano", "train.epochs=3", *common, *settings, f"transforms=[{transforms}]")
    soup(options.soup, folder, "predict", run, "--images", f"test{colour}", "--out", run / "ours.npy")
    ours = np.load(run / "ours.npy")
    maps = ["--maps"] if any("label_map" in word for word in settings) else []
    path = run / "model.onnx"
    soup(options.soup, folder, "export", run, "--out", path, *maps)
    soup(options.soup, folder, "export", run, "--out", run / "model.soup")
    soup(options.soup, folder, "predict", run / "model.soup", "--images", f"test{colour}", "--out", run / "file.npy")
    assert (run / "file.npy").read_bytes() == (run / "ours.npy").read_bytes(), f"{title}: model.soup answers otherwise"

    onnx.checker.check_model(str(path), full_check=True)
    batch = images(folder / f"test{colour}")
    theirs = run_onnx_runtime(path, batch)
    difference = {"ONNX Runtime": np.abs(theirs["probabilities"] - ours).max()}
    if "openvino" not in options.without:
        difference["OpenVINO"] = np.abs(run_openvino(path, batch) - ours).max()
    notes = ""
    if options.tract:
        got, notes = run_tract(options.tract, path, batch)
        difference["tract"] = np.nan if got is None else np.abs(got - ours).max()
    name = next((word.split("=")[1] for word in settings if word.startswith("model.name=")), "")
    if "linear" in title and "timm" not in options.without:
        soup(options.soup, folder, "export", run, "--out", run / "model.safetensors")
        got = run_timm(name, run / "model.safetensors", batch, transforms)
        if got is not None:
            difference["timm"] = np.abs(got - ours).max()
    learned = ("model.context", "model.pool=gem")
    if maps and not folds == [] and not any(word.startswith(learned) for word in settings):
        difference["maps"] = check_maps(theirs["maps"], ours, settings)
    spread = float(ours.std(0).mean())
    size = path.stat().st_size / 1e6
    return title, difference, spread, size, notes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("soup", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--tract", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--only", default="", help="cases whose title this regular expression finds")
    parser.add_argument("--without", default=[], type=lambda text: text.split(","), metavar="PEER,...", help="openvino, timm: not installed")
    options = parser.parse_args()
    columns = ["ONNX Runtime", "OpenVINO", "tract", "timm", "maps"]
    peers = ["onnx", "onnxruntime", *(peer for peer in ("openvino", "timm") if peer not in options.without)]
    print(", ".join(f"{peer} {importlib.metadata.version(peer)}" for peer in peers) + "\n")
    print("| case | " + " | ".join(columns) + " | spread | ONNX MB |")
    print("|---|" + "---|" * (len(columns) + 2))
    failures = []
    cases = [case for case in CASES if re.search(options.only, case[0])]
    if not cases:
        sys.exit(f"no case is called {options.only}")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        make_images(options.soup, folder)
        for case in cases:
            title, difference, spread, size, notes = check(case, options, folder)
            cells = [f"{difference[c]:.1e}" if c in difference else "" for c in columns]
            print(f"| {title} | " + " | ".join(cells) + f" | {spread:.3f} | {size:.1f} |", flush=True)
            failures += [f"{title}: {c} differs by {d}" for c, d in difference.items() if not d < LIMIT]
            if notes:
                failures.append(f"{title}: tract: {notes}")
            if spread < LEAST_SPREAD:
                failures.append(f"{title}: the probabilities hardly differ ({spread})")
    if failures:
        sys.exit("\n".join(failures))


main()
