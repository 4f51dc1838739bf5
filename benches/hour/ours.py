"""Our own recipe in PyTorch: the network of preset `hour` (`soup_base` with label maps and context), the loss of boxes, and
filters at four turns. `check_ours.py` compares each with the program."""

import csv
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

STEM = (24, 48)
STAGES = ((1, 48, 1), (2, 96, 2), (3, 128, 1))
EDGES = (0, 100, 200, 255)
PRIOR, SHARPNESS = 0.01, 4.0


class Filters(nn.Module):
    """A convolution whose weight is a matrix, a row an output channel, as Muon takes it."""

    def __init__(self, inputs, outputs, side, stride=1, bias=False, turn=(True, True)):
        super().__init__()
        self.shape, self.stride, self.turn = (outputs, inputs, side, side), stride, turn
        self.weight = nn.Parameter(torch.randn(outputs, inputs * side * side) * math.sqrt(2 / (outputs * side * side)))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x):
        weight = self.weight.view(self.shape).contiguous(memory_format=torch.channels_last)
        return functional.conv2d(x, weight, self.bias, self.stride, self.shape[2] // 2)


class Normalised(nn.Module):
    def __init__(self, inputs, outputs, side, stride=1, first=False):
        super().__init__()
        self.conv = Filters(inputs, outputs, side, stride, turn=(True, not first))
        self.norm = nn.BatchNorm2d(outputs, eps=1e-5, momentum=0.01)

    def forward(self, x):
        return self.norm(self.conv(x))


class Block(nn.ModuleDict):
    def __init__(self, inputs, outputs, stride):
        super().__init__({"1": Normalised(inputs, outputs, 3, stride), "2": Normalised(outputs, outputs, 3)})
        if stride != 1 or inputs != outputs:
            self["shortcut"] = Normalised(inputs, outputs, 1, stride)
        else:
            nn.init.zeros_(self["2"].norm.weight)

    def forward(self, x):
        y = self["2"](torch.relu(self["1"](x)))
        return torch.relu(y + (self["shortcut"](x) if "shortcut" in self else x))


class Soup(nn.Module):
    """Bands of grey levels in; label maps (images x labels x rows x columns) and logits out. Parameters have the names of
    `model.safetensors`."""

    def __init__(self, labels):
        super().__init__()
        self.stem = nn.Sequential(Normalised(len(EDGES), STEM[0], 3, 2, first=True), Normalised(STEM[0], STEM[1], 3, 2))
        stages, inputs = [], STEM[1]
        for blocks, channels, stride in STAGES:
            stages.append(nn.Sequential(*[
                Block(inputs if i == 0 else channels, channels, stride if i == 0 else 1) for i in range(blocks)]))
            inputs = channels
        self.stages = nn.Sequential(*stages)
        self.label_map = Filters(inputs, labels, 1, bias=True, turn=(False, True))
        self.context = nn.Linear(labels, labels)
        cold = math.log(PRIOR / (1 - PRIOR))
        nn.init.uniform_(self.label_map.weight, -inputs**-0.5, inputs**-0.5)
        nn.init.constant_(self.label_map.bias, cold)
        nn.init.eye_(self.context.weight)
        nn.init.constant_(self.context.bias, -cold / 2)
        self.tie()

    def forward(self, x):
        for layer in self.stem:
            x = torch.relu(layer(x))
        maps = self.label_map(self.stages(x))
        flat = maps.flatten(2)
        peaks = (torch.logsumexp(SHARPNESS * flat, 2) - math.log(flat.shape[2])) / SHARPNESS
        return maps, self.context(peaks)

    def load(self, tensors):
        """Takes the arrays of `model.safetensors`."""
        own = self.state_dict()
        self.load_state_dict({
            name: tensors[name].reshape(own[name].shape) if name in tensors else own[name] for name in own})
        missing = {name for name in own if name not in tensors and not name.endswith("num_batches_tracked")}
        assert not missing and set(tensors) <= set(own), (missing, set(tensors) - set(own))

    @torch.no_grad()
    def tie(self):
        """Every turn of a filter is its first one, turned; of a feature's batch norm the four turns share the mean."""
        for values, filters in self._turning():
            parts = [values]
            for _ in range(3):
                parts.append(turned(parts[-1], filters.turn))
            if filters.turn[0]:
                first = values.unflatten(0, (-1, 4))[:, 0]
                for turn in range(4):
                    # The turn that carries the first filter to this place.
                    values.unflatten(0, (-1, 4))[:, turn] = turn_of(first, turn, filters.turn[1])
            else:
                values.copy_(sum(parts) / 4)
        for norm in self._norms():
            for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                values.copy_(values.view(-1, 4).mean(1, keepdim=True).expand(-1, 4).flatten())

    @torch.no_grad()
    def average_gradients(self):
        """The part of the gradients that keeps filters turns of one another."""
        for values, filters in self._turning(lambda parameter: parameter.grad):
            parts = [values.clone()]
            for _ in range(3):
                parts.append(turned(parts[-1], filters.turn))
            values.copy_(sum(parts) / 4)
        for norm in self._norms():
            for grad in (norm.weight.grad, norm.bias.grad):
                grad.copy_(grad.view(-1, 4).mean(1, keepdim=True).expand(-1, 4).flatten())

    def _turning(self, of=lambda parameter: parameter.data):
        for module in self.modules():
            if isinstance(module, Filters):
                yield of(module.weight).view(module.shape), module

    def _norms(self):
        return [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]


def roll(x, dim):
    """Every channel where its next turn stands."""
    return x.unflatten(dim, (-1, 4)).roll(1, dim + 1).flatten(dim, dim + 1)


def turned(filters, turn):
    """A filter bank of the image turned by a quarter."""
    out = torch.rot90(filters, -1, (2, 3))
    for dim in (0, 1):
        out = roll(out, dim) if turn[dim] else out
    return out


def turn_of(first, turn, inputs_turn):
    out = torch.rot90(first, -turn, (2, 3))
    for _ in range(turn if inputs_turn else 0):
        out = roll(out, 1)
    return out


def bands(pixels):
    """Grey images (uint8, images x rows x columns) as a channel a band, from -1 to 1."""
    band = torch.bucketize(pixels.contiguous(), torch.tensor(EDGES[1:], dtype=torch.uint8), right=True)
    hot = functional.one_hot(band, len(EDGES)).permute(0, 3, 1, 2)
    return hot.to(torch.float32).sub_(0.5).div_(0.5)


def cells(low, high, side, count, core=0.5):
    """The cells whose centre lies in the middle part of a box, at least the one that holds its centre."""
    scale = count / side
    centre, half = (low + high) / 2 * scale, (high - low) / 2 * core * scale
    first = max(math.ceil(centre - half - 0.5), 0)
    last = min(math.floor(centre + half + 0.5), count)
    middle = min(int(centre), count - 1)
    return slice(first, last) if first < last else slice(middle, middle + 1)


def targets(boxes, labels, rows, columns, height, width, core=0.5):
    """What the cells of the maps should say; `boxes` holds rows of label, x0, y0, x1, y1 an image."""
    out = torch.zeros(len(boxes), labels, rows, columns)
    for image, own in zip(out, boxes):
        for label, x0, y0, x1, y1 in own:
            image[label, cells(y0, y1, height, rows, core), cells(x0, x1, width, columns, core)] = 1
    return out


def box_loss(maps, wanted, weight=1.0, positive_weight=3.0, choice=1.0):
    """The map loss of `losses/boxes.rs` with the weights of preset `hour`."""
    loss = functional.binary_cross_entropy_with_logits(
        maps, wanted, reduction="sum", pos_weight=maps.new_tensor(positive_weight))
    hot = wanted.sum(1) > 0
    which = wanted.movedim(1, -1)[hot]
    share = which / which.sum(1, keepdim=True)
    loss = loss + choice * functional.cross_entropy(maps.movedim(1, -1)[hot], share, reduction="sum")
    return weight * loss / wanted.sum().clamp(min=1)


def read_boxes(path, ids, label_names):
    """The rows of `boxes.csv` by image, in the order of `ids`."""
    place = {name: at for at, name in enumerate(label_names)}
    found = {image: [] for image in ids}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            found[row["index"]].append([place[row["label"]], *(int(row[key]) for key in ("x0", "y0", "x1", "y1"))])
    return [np.array(found[image]).reshape(-1, 5) for image in ids]


class Optimizer:
    """Muon for filters, AdamW for the rest, at the same rate; no decay but of weights."""

    def __init__(self, net, rate=1.5e-2):
        filters = [module.weight for module in net.modules() if isinstance(module, Filters)]
        rest = [p for p in net.parameters() if all(p is not f for f in filters)]
        decay = [{"params": [p for p in rest if p.ndim > 1], "weight_decay": 0.01},
                 {"params": [p for p in rest if p.ndim == 1], "weight_decay": 0.0}]
        self.net = net
        self.parts = [torch.optim.Muon(filters, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
                      torch.optim.AdamW(decay, lr=rate)]
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def zero_grad(self, set_to_none=True):
        self.net.zero_grad(set_to_none=set_to_none)

    def step(self):
        self.net.average_gradients()
        for part in self.parts:
            part.step()
        self.net.tie()


def decay(done, warmup=0.01):
    """A short warm-up, then half a cosine, over the share of the time."""
    if done < warmup:
        return max(done / warmup, 1e-3)
    return (1 + math.cos(math.pi * (done - warmup) / (1 - warmup))) / 2
