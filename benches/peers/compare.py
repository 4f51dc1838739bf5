"""Runs both sides of every work in turns; called by `run`, which see."""

import argparse
import datetime
import os
import statistics
import sys
import tempfile
import time

import report
import sides
import works

MODES = sorted({mode for work in works.works().values() for mode in work.modes})


def take_turns(work, team, arguments):
    """Speeds or times of a call; every side is asked in every round."""
    running = [team.start(name) for name in team.names]
    sides.check(running, team.expected(running))
    timed = [side for side in running if not side.refused]
    calls = work.calls(arguments.steps)
    for side in timed:
        side.turn(calls)
    for repeat in range(arguments.repeats):
        # Another order each time, so that nobody always comes after the same one.
        start = repeat % len(timed)
        for side in timed[start:] + timed[:start]:
            # The threads of the one before spin for a moment before they sleep.
            time.sleep(0.3)
            seconds = side.turn(calls)["seconds"]
            if work.unit == "ms":
                side.values.append(1e3 * statistics.median(seconds))
            else:
                side.values.append(work.batch * len(seconds) / sum(seconds))
    for side in running:
        side.end()
    return running


def start_afresh(work, team, arguments):
    """What only a new process shows: peak memory, or seconds from its start to the end of the first step."""
    finished = {}
    for _ in range(1 if work.kind == "memory" else arguments.repeats):
        running = []
        # One at a time: together they may not fit, and they would slow each other down.
        for name in team.names:
            side = team.start(name)
            peak = side.turn(1)["peak_bytes"] if work.kind == "memory" else None
            side.end()
            if work.kind == "memory" and peak is None:
                sys.exit("error: this system does not tell a process its peak memory (VmHWM in /proc/self/status)")
            side.value = side.start_seconds if work.kind == "start" else peak / 2**20
            running.append(side)
        sides.check(running, team.expected(running))
        for side in running:
            first = finished.setdefault(side.name, side)
            first.refused = first.refused or side.refused
            first.values.append(side.value)
            if side is not first:
                first.plan_seconds += side.plan_seconds
    return list(finished.values())


def measure(work, arguments):
    with tempfile.TemporaryDirectory() as folder:
        team = sides.Team(work, arguments, folder)
        run = take_turns if work.kind in ("train", "infer") else start_afresh
        measured = run(work, team, arguments)
    return report.row(work, measured)


def parse():
    parser = argparse.ArgumentParser(
        prog="benches/peers/run",
        description="alphabet-soup and its peers on the same work, in turns. Prints one row a work against the peer's best "
        "mode; a ratio above 1 means that alphabet-soup is better. The columns `ours` and `peer` are images/s for train-* "
        "(forward, loss, backward, batch-norm statistics, Adam) and for infer-*-b32-*, milliseconds of a call for "
        "infer-*-b1-*, MiB of peak resident memory for memory-*, and seconds from the start of the process to the end of "
        "the first step for start-*.",
        epilog="works: " + ", ".join(works.works()),
    )

    def selected(text):
        try:
            return works.select(text.split(","))
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    def modes(text):
        wanted = text.split(",")
        for name in wanted:
            if name not in MODES:
                raise argparse.ArgumentTypeError(f"unknown: {name}; known are {', '.join(MODES)}")
        return wanted

    def count(text):
        if not text.isdecimal() or int(text) == 0:
            raise argparse.ArgumentTypeError(f"{text} is not a number from 1")
        return int(text)

    parser.add_argument("--only", metavar="NAME,...", type=selected, default=list(works.works().values()), help="works; * and ? stand for any letters")
    parser.add_argument("--modes", metavar="MODE,...", type=modes, default=MODES, help=f"of the peers: {', '.join(MODES)}; PyTorch's training steps always run eager, which is what is compared with")
    parser.add_argument("--precision", choices=["f32", "bf16", "best"], default="best", help="of ours (default best: all, of which the best counts)")
    parser.add_argument("--repeats", metavar="N", type=count, default=9, help="turns of each side (default 9); medians are taken over them")
    parser.add_argument("--steps", metavar="N", type=count, default=5, help=f"steps in a turn (default 5); inference answers {works.IMAGES} images for each")
    parser.add_argument("--threads", metavar="N", type=count, default=2, help="of each side (default 2)")
    parser.add_argument("--csv", metavar="FILE", help="write the rows there, and everything measured with a page of it into benches/results/")
    parser.add_argument("--ours", metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    if arguments.precision not in [*sides.PRECISIONS, "best"]:
        parser.error(f"the engine does not compute in {arguments.precision}; it does in {', '.join(sides.PRECISIONS)}")

    def modes_of(work):
        chosen = [mode for mode in work.modes if mode in arguments.modes or (mode == "eager" and not work.infers)]
        if not chosen:
            parser.error(f"{work.name} has none of the modes given; it has {', '.join(work.modes)}")
        return chosen

    arguments.modes_of = modes_of
    for work in arguments.only:
        modes_of(work)
    return arguments


def main():
    arguments = parse()
    begun, load = datetime.datetime.now().astimezone(), os.getloadavg()[0]
    if arguments.csv:
        # Before the measurement: a place that cannot be written must not cost one.
        os.makedirs(os.path.dirname(os.path.abspath(arguments.csv)), exist_ok=True)
    details, status = [], None
    try:
        for work in arguments.only:
            print(work.name, file=sys.stderr)
            details.append(measure(work, arguments))
    except KeyboardInterrupt:
        status = "interrupted"
    except SystemExit as failure:
        status = failure.code
    # What was measured before is kept.
    if details:
        report.print_rows(sys.stdout, details)
    if details and arguments.csv:
        report.write_rows(arguments.csv, details)
        record = report.record(begun, load, arguments, details)
        paths = report.keep(record, begun)
        print(f"written: {arguments.csv}, {', '.join(map(str, paths))}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
