"""What is measured: the works by name, and the peers with their modes."""

import dataclasses
import fnmatch

LABELS = 26
MODELS = {"b0": "efficientnet_b0", "b3": "efficientnet_b3", "repvgg-a0": "repvgg_a0"}
TORCH = ["eager", "bf16", "compile", "compile-bf16"]
# Images that inference answers for one step of `--steps`: a single image is too short a time to be compared.
IMAGES = 32


@dataclasses.dataclass(frozen=True)
class Work:
    """One line of the result: a network at a resolution and batch, and the peer that does the same."""

    kind: str  # train, infer, memory or start
    model: str
    side: int
    batch: int
    runtime: str  # torch, ort or openvino

    @property
    def name(self):
        task = self.kind if self.kind in ("train", "infer") else f"{self.kind}-train"
        peer = f"-{self.runtime}" if self.infers else ""
        return f"{task}-{self.model}-{self.side}-b{self.batch}{peer}"

    @property
    def unit(self):
        """Of the columns `ours` and `peer`."""
        if self.kind == "infer" and self.batch == 1:
            return "ms"
        return {"memory": "MiB", "start": "s"}.get(self.kind, "images/s")

    @property
    def infers(self):
        return self.kind == "infer"

    @property
    def modes(self):
        """Of the peer; the fastest of them, or the leanest, is the one that counts."""
        if self.kind == "start":
            return ["eager"]
        if self.runtime == "ort":
            return ["f32", "f16"]
        if self.runtime == "openvino":
            # A single image cannot be split between streams.
            return ["f32", "bf16"] if self.batch == 1 else ["f32", "bf16", "f32-streams", "bf16-streams"]
        return TORCH

    def calls(self, steps):
        """Steps or batches that a turn of `steps` takes."""
        return steps * max(IMAGES // self.batch, 1) if self.infers else steps

    def words(self, folder):
        """The work as both sides are told it."""
        return [MODELS[self.model], str(self.side), str(self.batch), str(LABELS), str(folder)]

    def best(self, medians):
        """The name with the best median."""
        choose = max if self.unit == "images/s" else min
        return choose(medians, key=medians.get)

    def ratio(self, ours, peer):
        """Above 1: ours is better."""
        return ours / peer if self.unit == "images/s" else peer / ours


def works():
    trained = [("b0", 256, 8), ("b0", 256, 32), ("b3", 331, 8), ("repvgg-a0", 256, 8), ("repvgg-a0", 256, 32)]
    found = [Work("train", *shape, "torch") for shape in trained]
    for model in ("b0", "repvgg-a0"):
        for batch in (1, 32):
            found += [Work("infer", model, 256, batch, runtime) for runtime in ("ort", "openvino")]
        found.append(Work("infer", model, 256, 32, "torch"))
    found.append(Work("memory", "b0", 256, 32, "torch"))
    found.append(Work("start", "b0", 256, 8, "torch"))
    return {work.name: work for work in found}


def select(patterns):
    """Works whose names match any of the patterns, in the order of the table; raises ValueError for one that matches none."""
    known = works()
    for pattern in patterns:
        if not fnmatch.filter(known, pattern):
            raise ValueError(f"no work is called {pattern}; known are {', '.join(known)}")
    return [work for name, work in known.items() if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
