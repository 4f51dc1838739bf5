"""Runs a command in a terminal of a given size and checks that no line of it wraps.

    python interop/terminal.py [--columns 60] [--rows 24] [--after SECONDS --svg FILE] -- soup train ...

Prints the last screen. With --svg the screen of that moment is drawn to a file, as it stands in the README. Needs pyte.
"""

import argparse
import fcntl
import html
import os
import pathlib
import pty
import select
import struct
import sys
import termios
import time

import pyte


class Screen(pyte.HistoryScreen):
    """A screen that keeps the lines which were longer than it is wide."""

    def __init__(self, *size):
        super().__init__(*size, history=10_000)
        self.wrapped = []

    def draw(self, data):
        for char in data:
            if self.cursor.x == self.columns:
                self.wrapped.append(self.display[self.cursor.y])
            super().draw(char)


def run(command, columns, rows, watch):
    """The screen at the end of the command, and its exit code; `watch` sees the screen as it changes."""
    process, terminal = pty.fork()
    if process == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    screen = Screen(columns, rows)
    stream = pyte.ByteStream(screen)
    while True:
        ready, _, _ = select.select([terminal], [], [], 0.2)
        if ready:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                break
            if not data:
                break
            stream.feed(data)
        watch(screen)
    return screen, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def lines(screen):
    """All lines, those that have left the screen too."""
    gone = ["".join(line[at].data for at in range(screen.columns)) for line in screen.history.top]
    return [line.rstrip() for line in gone + list(screen.display)]


def svg(screen, title):
    """The screen as a picture."""
    shown = [line.rstrip() for line in screen.display]
    while shown and not shown[-1]:
        shown.pop()
    width, line = 8.4, 20
    size = (round(screen.columns * width) + 32, (len(shown) + 2) * line + 24)
    rows = [
        f'<text x="16" y="{line * (number + 2) + 12}" xml:space="preserve">{html.escape(text)}</text>'
        for number, text in enumerate([f"$ {title}", *shown])
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" viewBox="0 0 {size[0]} {size[1]}" '
        'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="14" fill="#d7dae0">\n'
        f'<rect width="{size[0]}" height="{size[1]}" rx="8" fill="#1d2026"/>\n' + "\n".join(rows) + "\n</svg>\n"
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--columns", type=int, default=60)
    arguments.add_argument("--rows", type=int, default=24)
    arguments.add_argument("--after", type=float, default=0, help="seconds to the drawing")
    arguments.add_argument("--svg", type=pathlib.Path)
    arguments.add_argument("--title", help="the command in the drawing")
    arguments.add_argument("command", nargs="+")
    given = arguments.parse_args()
    begun, drawn = time.monotonic(), False

    def watch(screen):
        nonlocal drawn
        if given.svg and not drawn and time.monotonic() - begun > given.after:
            drawn = True
            given.svg.write_text(svg(screen, given.title or " ".join(given.command)))

    screen, code = run(given.command, given.columns, given.rows, watch)
    print("\n".join(lines(screen)).rstrip())
    if code:
        sys.exit(f"error: {given.command[0]} ended with {code}")
    if screen.wrapped:
        sys.exit(f"error: longer than {given.columns} columns:\n" + "\n".join(screen.wrapped))


if __name__ == "__main__":
    main()
