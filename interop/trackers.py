"""TensorBoard and MLflow show the figures of metrics.csv: read back by their own clients.

    python interop/trackers.py target/release/soup

Trains two folds of a tiny run, brings it to event files and to a real `mlflow server`, compares every figure of
every epoch, trains a third fold, brings it again, and checks that no epoch is there twice. Needs the packages
`tensorboard` and `mlflow`.
"""

import csv
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

COLUMNS = {
    "train/loss": "train_loss", "train/accuracy": "train_accuracy", "valid/loss": "valid_loss",
    "valid/accuracy": "valid_accuracy", "valid/exact_match": "valid_exact_match", "valid/mAP": "valid_mAP",
    "rate": "rate", "step": "step", "seconds": "seconds", "images_per_second": "images_per_second",
    "memory_mib": "memory_mib",
}


def soup(*arguments):
    return subprocess.run([SOUP, *arguments], check=True, capture_output=True, text=True).stdout


def rows(run):
    with open(run / "metrics.csv") as file:
        return list(csv.DictReader(file))


def figures(run):
    """(fold, tag) -> {epoch: value}, of what is a number."""
    all_of = {}
    for row in rows(run):
        for tag, column in COLUMNS.items():
            if row[column] != "":
                all_of.setdefault((int(row["fold"]), tag), {})[int(row["epoch"])] = float(row[column])
    return all_of


def compare(where, ours, theirs, digits):
    assert ours.keys() == theirs.keys(), (where, ours.keys() ^ theirs.keys())
    count = 0
    for key, values in ours.items():
        steps = Counter(step for step, _ in theirs[key])
        assert steps == Counter(values.keys()), (where, key, steps)
        for step, value in theirs[key]:
            assert math.isclose(value, values[step], rel_tol=digits, abs_tol=1e-12), (where, key, step, value, values[step])
            count += 1
    print(f"{where}: {count} figures of {len(ours)} curves are those of metrics.csv, each once")


def tensorboard(run, board):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for folder in sorted((board / run.name).iterdir()):
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        events.Reload()
        for tag in events.Tags()["scalars"]:
            scalars = events.Scalars(tag)
            assert all(scalar.wall_time > 1.7e9 for scalar in scalars), tag
            found[int(folder.name.removeprefix("fold")), tag] = [(s.step, s.value) for s in scalars]
    # TensorBoard's scalars are single precision.
    compare("TensorBoard", figures(run), found, 1e-6)


def mlflow(run, url):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(url)
    experiment = client.get_experiment_by_name("soup")
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 1 and runs[0].info.run_name == run.name, runs
    found = {}
    for key in runs[0].data.metrics:
        fold, tag = key.split("/", 1)
        history = client.get_metric_history(runs[0].info.run_id, key)
        found[int(fold.removeprefix("fold")), tag] = [(m.step, m.value) for m in history]
    compare("MLflow", figures(run), found, 1e-15)
    assert runs[0].data.params["train.epochs"] == "3" and runs[0].info.status == "FINISHED", runs[0]


def server(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
               "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder)]
    log = open(folder / "server.log", "w")
    process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    for _ in range(240):
        try:
            urllib.request.urlopen(f"{url}/health", timeout=2)
            return process, url
        except OSError:
            assert process.poll() is None, (folder / "server.log").read_text()
            time.sleep(0.5)
    raise SystemExit("mlflow server does not answer: " + (folder / "server.log").read_text())


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        run, board = folder / "first", folder / "board"
        soup("compose", "--count", "48", "--seed", "3", "--out", str(folder / "set"), "compose.width=64",
             "compose.height=64", "compose.side=[12,30]", "compose.letters=[2,5]", "compose.distractor_share=0")

        def train(folds):
            soup("train", "--preset", "quick", "--data", str(folder / "set"), "--out", str(run), "--fold", folds,
                 "folds.k=3", "train.epochs=3", "train.batch=8", "boxes.weight=0", "data.compose_share=0")

        process, url = server(folder)
        try:
            for folds in ("0,1", "2"):
                train(folds)
                for _ in range(2):
                    print(soup("track", str(run), "--tensorboard", str(board), "--mlflow", url), end="")
                tensorboard(run, board)
                mlflow(run, url)
        finally:
            os.killpg(process.pid, 15)
            process.wait()


SOUP = str(Path(sys.argv[1]).resolve())
main()
