"""The processes that do the work, ours and the peers', and the check that they compute the same."""

import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
# In which the engine computes; peer_step.rs and peer_infer.rs name them in peer/mod.rs.
PRECISIONS = ["f32", "bf16"]
# Without these glibc gives every large tensor back to the kernel after each use, and PyTorch spends its time on page
# faults.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "8589934592",
    "MALLOC_TRIM_THRESHOLD_": "34359738368",
    "MALLOC_TOP_PAD_": "268435456",
}
# Largest root mean square of the differences of the logits from PyTorch's eager float32, relative to the standard
# deviation of the logits. PyTorch's own modes were seen up to 5e-5 apart in float32 and 0.075 in bf16.
LOGITS, HALF_LOGITS = 5e-4, 0.1
# Largest differences of the losses. Of the first step, relative to the loss. Of the two after it, which check gradients,
# Adam and all, relative to how far the loss has fallen by then: one that does not learn is 1 apart, however little
# others learn in two steps. These grow apart by rounding, as Adam's first step is a sign: 2e-3 and 0.04 were seen.
LOSSES, HALF_LOSSES = (1e-5, 1e-2), (1e-2, 0.1)


class Side:
    """A process that takes steps or answers batches on demand."""

    def __init__(self, name, command, environment, losses):
        self.name = name
        self.ours = name.startswith("ours")
        self.half = "16" in name
        self.values = []
        self.refused = None
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | environment
        )
        first = self.answer()
        self.start_seconds = time.perf_counter() - begun
        self.plan_seconds = [first["plan_seconds"]] if "plan_seconds" in first else []
        self.logits = first["logits"]
        self.losses = [first["loss"]] + [self.answer()["loss"] for _ in range(losses - 1)] if losses else []

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"error: {self.name} ended with status {self.process.wait()}; what it said is above")
        return json.loads(line)

    def turn(self, count):
        """Calls so many times; the seconds of each and the peak of memory."""
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Team:
    """How the sides of one work are started."""

    def __init__(self, work, arguments, folder):
        self.work, self.arguments, self.folder = work, arguments, folder
        script = HERE / ("peer_infer.py" if work.infers else "peer_step.py")
        self.peer = [sys.executable, str(script)]
        self.ours = str(pathlib.Path(arguments.ours) / ("peer_infer" if work.infers else "peer_step"))
        wanted = PRECISIONS if arguments.precision == "best" else [arguments.precision]
        self.names = [f"ours {precision}" for precision in wanted] + arguments.modes_of(work)
        if subprocess.run([*self.peer, "make", *work.words(folder)]).returncode:
            sys.exit(f"error: {script.name} could not make {work.name}; what it said is above")

    def start(self, name):
        threads = str(self.arguments.threads)
        words = [*self.work.words(self.folder), threads]
        losses = 0 if self.work.infers else 3
        if name.startswith("ours "):
            return Side(name, [self.ours, *words, name.removeprefix("ours ")], {}, losses)
        # The least memory is what glibc leaves without them.
        environment = {} if self.work.kind == "memory" else KEEP_MEMORY
        runtime = [self.work.runtime] if self.work.infers else []
        return Side(name, [*self.peer, "run", *words, *runtime, name], environment | {"OMP_NUM_THREADS": threads}, losses)

    def expected(self, sides):
        """Logits and losses of PyTorch's eager float32."""
        if self.work.infers:
            import numpy

            return numpy.fromfile(pathlib.Path(self.folder) / "logits.f32", numpy.float32).tolist(), []
        eager = next(side for side in sides if side.name == "eager")
        return eager.logits, eager.losses


def apart(values, expected):
    """Root mean square of the differences, relative to the standard deviation of what is expected."""
    if len(values) != len(expected) or None in values:
        return math.nan
    square = statistics.fmean((a - b) ** 2 for a, b in zip(values, expected))
    return math.sqrt(square) / statistics.pstdev(expected)


def loss_apart(loss, expected, scale):
    return math.nan if loss is None or scale == 0 else abs((loss - expected) / scale)


def check(sides, expected):
    """Refuses sides that compute something else. Ends the run where ours does so in float32, or where nothing is left."""
    logits, losses = expected
    for side in sides:
        side.apart = {"logits": apart(side.logits, logits)}
        bounds = {"logits": HALF_LOGITS if side.half else LOGITS}
        if losses:
            scales = [losses[0], *(loss - losses[0] for loss in losses[1:])]
            relative = [loss_apart(*both) for both in zip(side.losses, losses, scales)]
            side.apart |= {"first loss": relative[0], "later losses": math.nan if any(map(math.isnan, relative[1:])) else max(relative[1:])}
            bounds |= dict(zip(["first loss", "later losses"], HALF_LOSSES if side.half else LOSSES))
        # Not "greater": nothing is greater than NaN or less.
        wrong = [f"{what} {side.apart[what]:.1e} apart, bound {bound:.0e}" for what, bound in bounds.items() if not side.apart[what] <= bound]
        text = ", ".join(f"{what} {value:.1e}" for what, value in side.apart.items())
        print(f"  {side.name:14} apart from PyTorch's eager float32: {text}", file=sys.stderr)
        if wrong:
            side.refused = "; ".join(wrong)
            print(f"  {side.name:14} refused, not timed: {side.refused}", file=sys.stderr)
            if side.ours and not side.half:
                sys.exit(f"error: {side.name} and PyTorch do not compute the same; nothing was timed")
    for who, ours in (("ours", True), ("the peer", False)):
        if all(side.refused for side in sides if side.ours == ours):
            sys.exit(f"error: no mode of {who} computes what PyTorch's eager float32 does; nothing was timed")
