"""Walks through the attacks: python walk.py SOUP [PREFIX...]; see README.md."""

import importlib
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import threading
import time

BOUND_MIB = 768
SECONDS = 60


def run(program, attack, folder):
    bound = getattr(attack, "MOST_MIB", BOUND_MIB)
    limit = 4 * BOUND_MIB << 20

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    attack.make(folder)
    process = subprocess.Popen(
        [program, *attack.COMMAND.split()],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=limited,
    )
    said = []
    reader = threading.Thread(target=lambda: said.append(process.stderr.read()))
    reader.start()
    late = threading.Timer(getattr(attack, "SECONDS", SECONDS), process.kill)
    late.start()
    began = time.monotonic()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    late.cancel()
    reader.join(10)
    text = b"".join(said).decode(errors="replace")
    faults = []
    wanted = getattr(attack, "EXIT", 3)
    if process.returncode != wanted:
        faults.append(f"ended with {process.returncode}, not {wanted}")
    if attack.SAYS not in " ".join(text.split()):
        faults.append(f"did not say `{attack.SAYS}`")
    if "panicked" in text or "memory allocation" in text:
        faults.append("gave up")
    peak = usage.ru_maxrss / 1024
    if peak > bound:
        faults.append(f"took {peak:.0f} MiB of {bound}")
    return peak, time.monotonic() - began, faults, text


def main(program, *prefixes):
    here = pathlib.Path(__file__).parent
    program = str(pathlib.Path(program).resolve())
    sys.path.insert(0, str(here))
    names = sorted(path.stem for path in here.glob("*.py") if path.stem not in {"walk", "forge"})
    lost = 0
    for name in names:
        if prefixes and not name.startswith(prefixes):
            continue
        attack = importlib.import_module(name)
        with tempfile.TemporaryDirectory() as folder:
            peak, seconds, faults, text = run(program, attack, pathlib.Path(folder))
        first = (attack.__doc__ or name).splitlines()[0]
        print(f"{'LOST' if faults else 'held':<5}{name:<28}{peak:5.0f} MiB {seconds:5.1f} s  {first}", flush=True)
        if faults:
            lost += 1
            print("     " + "; ".join(faults) + "\n     " + text.strip()[-600:].replace("\n", "\n     "), flush=True)
    print(f"{lost} lost" if lost else "all held")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
