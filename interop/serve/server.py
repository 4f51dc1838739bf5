"""A `soup serve`, or `soup watch`, of our own, for as long as a block lasts."""

import contextlib
import json
import re
import signal
import subprocess
import threading


class Server:
    def __init__(self, process):
        self.process = process
        self.log = []
        self.address = None
        self._heard = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        if not self._heard.wait(60):
            process.kill()
            raise SystemExit("error: the server did not start:\n" + "\n".join(self.log))

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line.rstrip())
            found = re.search(r"http://(\S+?:\d+)", line)
            if found and not self.address:
                self.address = found[1]
                self._heard.set()
        self._heard.set()

    @property
    def url(self):
        return f"http://{self.address}"

    def memory(self):
        """Megabytes that are resident."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


@contextlib.contextmanager
def serving(program, named, *arguments, verb="serve"):
    command = [program, verb, *named, "--port", "0", "--json", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    server = Server(process)
    try:
        yield server
        assert process.poll() is None, "the server died:\n" + "\n".join(server.log[-20:])
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read()
        assert process.wait(60) == 0, f"exit code {process.returncode}"
        server.totals = json.loads(said)
    finally:
        if process.poll() is None:
            process.kill()
    faults = [line for line in server.log if "panicked" in line or " ERROR " in line]
    assert not faults, "\n".join(faults)
