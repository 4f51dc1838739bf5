"""PyTorch's side of a training step: makes the work, or runs steps on demand.

    peer_step.py make MODEL SIDE BATCH LABELS DIR
    peer_step.py run MODEL SIDE BATCH LABELS DIR THREADS MODE

`make` writes fresh weights of timm's model, a batch of images and its labels into DIR. `run` loads them, takes three
steps and prints the loss of each and the logits of the first; then it answers turns, which peer.py says. The other side,
crates/soup-train/examples/peer_step.rs, speaks the same way.
"""

import json
import pathlib
import sys

import numpy as np
import safetensors.torch
import torch

import peer

CHECKED = 3


def make(model, side, batch, labels, folder):
    torch.manual_seed(1)
    safetensors.torch.save_file(peer.create(model, labels).state_dict(), folder / "weights.safetensors")
    random = np.random.default_rng(1)
    random.standard_normal((batch, side, side, peer.CHANNELS), np.float32).tofile(folder / "images.f32")
    random.integers(0, 2, (batch, labels)).astype(np.float32).tofile(folder / "labels.f32")


def thin_out_before(convolution):
    """The same convolution with a step of 1, on every second pixel."""

    def every_second(_, inputs):
        return (inputs[0][..., ::2, ::2].contiguous(memory_format=torch.channels_last),)

    convolution.stride = (1, 1)
    convolution.register_forward_pre_hook(every_second)


def run(model, side, batch, labels, folder, threads, mode):
    torch.set_num_threads(threads)
    net = peer.load(model, labels, folder).to(memory_format=torch.channels_last).train()
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d) and (module.kernel_size, module.stride) == ((1, 1), (2, 2)):
            # RepVGG's stem: on an AMD EPYC (Zen 5) PyTorch 2.15 corrupts its heap in this convolution's
            # channels-last backward and dies.
            if module.in_channels == peer.CHANNELS:
                thin_out_before(module)
    images = torch.from_numpy(peer.images(folder, batch, side)).to(memory_format=torch.channels_last)
    targets = torch.from_numpy(np.fromfile(folder / "labels.f32", np.float32).reshape(batch, labels))
    adam = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    criterion = torch.nn.BCEWithLogitsLoss()
    forward = torch.compile(net) if "compile" in mode else net

    def step():
        adam.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in mode):
            logits = forward(images)
        loss = criterion(logits.float(), targets)
        loss.backward()
        adam.step()
        return loss.item(), logits

    for index in range(CHECKED):
        loss, logits = step()
        said = {"logits": logits.detach().float().flatten().tolist()} if index == 0 else {}
        print(json.dumps({"loss": loss} | said), flush=True)
    peer.answer_turns(step)


if __name__ == "__main__":
    verb, model, side, batch, labels, folder, *rest = sys.argv[1:]
    work = (model, int(side), int(batch), int(labels), pathlib.Path(folder))
    if verb == "make":
        make(*work)
    else:
        run(*work, int(rest[0]), rest[1])
