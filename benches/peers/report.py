"""From what was measured to a row, a record and a page for people.

    report.py RECORD.json ... > PAGE.md

prints the page of one record, or of several that share machine and versions.
"""

import csv
import importlib.metadata
import json
import os
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
COLUMNS = ["work", "ours", "peer", "peer_mode", "ratio"]
PACKAGES = ["torch", "timm", "onnx", "onnxruntime", "openvino", "safetensors", "numpy"]
PEERS = {"torch": "PyTorch", "ort": "ONNX Runtime", "openvino": "OpenVINO"}
TITLES = {
    "train": "Training steps",
    "infer": "Inference",
    "memory": "Peak resident memory of training",
    "start": "From the start of the process to the end of the first step",
}


def shown(value):
    """Three digits at least."""
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def row(work, measured):
    """What is kept of a work; says it to the person who waits."""
    medians = {side.name: statistics.median(side.values) for side in measured if not side.refused}
    for name, median in medians.items():
        values = next(side.values for side in measured if side.name == name)
        print(f"  {name:14} {shown(median):>8} {work.unit} ({shown(min(values))} to {shown(max(values))})", file=sys.stderr)
    ours_mode, peer_mode = (
        work.best({side.name: medians[side.name] for side in measured if side.ours == ours and not side.refused})
        for ours in (True, False)
    )
    ours, peer = medians[ours_mode], medians[peer_mode]
    return {
        "work": work.name,
        "ours": shown(ours),
        "peer": shown(peer),
        "peer_mode": peer_mode,
        "ratio": f"{work.ratio(ours, peer):.3f}",
        "kind": work.kind,
        "runtime": work.runtime,
        "unit": work.unit,
        "ours_mode": ours_mode,
        "sides": {
            side.name: {
                "values": side.values,
                "apart": side.apart,
                **({"losses": side.losses} if side.losses else {}),
                **({"plan_seconds": statistics.median(side.plan_seconds)} if side.plan_seconds else {}),
                **({"refused": side.refused} if side.refused else {}),
            }
            for side in measured
        },
    }


def machine():
    name = platform.processor() or platform.machine()
    information = pathlib.Path("/proc/cpuinfo")
    found = {}
    if information.exists():
        lines = (line.split(":", 1) for line in information.read_text().splitlines() if ":" in line)
        found = {key.strip(): value.strip() for key, value in lines}
    wanted = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    return {
        "processor": found.get("model name", name),
        "family": f"{found.get('cpu family', '?')}/{found.get('model', '?')}",
        "features": [feature for feature in wanted if feature in found.get("flags", "").split()],
        "cores": os.cpu_count(),
        "system": platform.platform(),
    }


def versions():
    def said(*command):
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()

    return {
        "alphabet-soup": said("git", "describe", "--always", "--dirty"),
        "rustc": said("rustc", "--version").removeprefix("rustc "),
        "python": platform.python_version(),
    } | {package: importlib.metadata.version(package) for package in PACKAGES}


def record(begun, load, arguments, details):
    words = sys.argv[1:]
    at = words.index("--ours")
    del words[at : at + 2]
    return {
        "date": begun.isoformat(timespec="seconds"),
        "command": shlex.join(["benches/peers/run", *words]),
        "machine": machine(),
        "versions": versions(),
        "load": load,
        "threads": arguments.threads,
        "repeats": arguments.repeats,
        "steps_in_a_turn": arguments.steps,
        "works": details,
    }


def keep(record, begun):
    """Writes the record, its rows and its page into benches/results/."""
    results = ROOT / "benches" / "results"
    results.mkdir(exist_ok=True)
    stem = results / f"{begun:%Y-%m-%d-%H%M}-peers"
    record_file, rows_file, page_file = [stem.with_suffix(suffix) for suffix in (".json", ".csv", ".md")]
    record_file.write_text(json.dumps(record, indent=1) + "\n")
    write_rows(rows_file, record["works"])
    page_file.write_text(page([record]))
    return [path.relative_to(ROOT) for path in (record_file, rows_file, page_file)]


def write_rows(path, details):
    with open(path, "w", newline="") as file:
        print_rows(file, details)


def print_rows(file, details):
    rows = [[detail[column] for column in COLUMNS] for detail in details]
    csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


def cell(side):
    if "refused" in side:
        return "refused"
    values = side["values"]
    spread = f" ({shown(min(values))}-{shown(max(values))})" if len(values) > 1 else ""
    return shown(statistics.median(values)) + spread


def tables(details):
    """One table for the works with the same sides and unit, in the order of their first."""
    groups = {}
    for detail in details:
        groups.setdefault((detail["kind"], detail["runtime"], detail["unit"], tuple(detail["sides"])), []).append(detail)
    for (kind, runtime, unit, names), members in groups.items():
        peer = f" against {PEERS[runtime]}"
        yield f"## {TITLES[kind]}{peer}, {unit}\n"
        yield "| work | " + " | ".join(names) + " | ours : best |"
        yield "|---|" + "---|" * (len(names) + 1)
        for detail in members:
            cells = [cell(side) for side in detail["sides"].values()]
            yield f"| {detail['work']} | " + " | ".join(cells) + f" | {float(detail['ratio']):.2f} |"
        yield ""
        for detail in members:
            plans = {name: side["plan_seconds"] for name, side in detail["sides"].items() if "plan_seconds" in side}
            if kind == "start" and plans:
                yield "Of ours, to plan and allocate: " + ", ".join(f"{name} {value:.3f} s" for name, value in plans.items()) + ".\n"


def page(records):
    first, details = records[0], [detail for record in records for detail in record["works"]]
    machine, versions = first["machine"], first["versions"]
    lines = [f"# {first['date'][:10]}: against the peers\n"]
    lines += [f"`{record['command']}`  " for record in records]
    lines.append(
        f"\n{machine['cores']} cores of an {machine['processor']} (family/model {machine['family']}, {', '.join(machine['features'])}), "
        f"{first['threads']} threads each, in turns, load average before {first['load']:.1f}. "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + ". Medians (lowest to highest); images/s is better high; ms, MiB and s are better low; a ratio above 1 means that ours is better.\n"
    )
    lines += tables(details)
    worst = {}
    for detail in details:
        for name, side in detail["sides"].items():
            if "refused" not in side:
                kind = "half precision" if "16" in name else "float32"
                worst[kind] = max(worst.get(kind, 0.0), side["apart"]["logits"])
    lines.append(
        "Logits were compared with PyTorch's eager float32 before anything was timed; furthest apart, relative to their spread: "
        + ", ".join(f"{kind} {value:.1e}" for kind, value in sorted(worst.items()))
        + "."
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: report.py RECORD.json ... > PAGE.md")
    records = [json.loads(pathlib.Path(name).read_text()) for name in sys.argv[1:]]
    if any(record[key] != records[0][key] for record in records for key in ("machine", "versions", "threads")):
        sys.exit("error: the records are of different machines, versions or threads; a page holds one")
    sys.stdout.write(page(records))
