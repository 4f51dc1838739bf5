"""Clients that read and write slowly, for minutes: is everybody else answered, and does memory stay flat?

python soak.py SOUP MODEL [SECONDS [CONNECTIONS [RESULTS.md]]]

Of the connections a quarter read slowly (large answers, with maps where the model has some), a quarter write slowly (heads
and bodies, byte by byte), and the rest ask as good clients do and wait between requests. A client that is let go
connects again after a moment. Beside them the health of the server is asked for ten times a second on new connections:
each answer must come within a second. Memory is read every second: the last quarter of the time may be 10 % and 16 MiB
above the second quarter at most. All of it over loopback, with nothing but Python's own library; it ends by itself.
"""

import random
import re
import resource
import socket
import statistics
import sys
import threading
import time
import urllib.request
import struct
import zlib

from server import serving

HEALTH_LIMIT = 1.0
GROWTH, SLACK_MIB = 1.10, 16
# 1,000 connections for five minutes took 608.
MOST_MIB = 768


def png(side, seed):
    """A grey image of noise."""
    noise = random.Random(seed)
    rows = b"".join(b"\0" + noise.randbytes(side) for _ in range(side))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def form(images):
    parts = [
        b'--XX\r\nContent-Disposition: form-data; name="image"; filename="%d.png"\r\n\r\n%s\r\n' % (number, image)
        for number, image in enumerate(images)
    ]
    return b"".join(parts) + b"--XX--\r\n"


def request(path, body, kind):
    head = f"POST {path} HTTP/1.1\r\nHost: soak\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Client:
    """One connection after the other, driven by one loop for all clients."""

    def __init__(self, kind, port, questions, draws):
        self.kind, self.port, self.questions, self.draws = kind, port, questions, draws
        self.socket, self.again = None, draws.uniform(0, 5)
        self.connections = self.answers = self.ended = 0

    def open(self, now):
        self.socket = socket.socket()
        if self.kind == "slow reader":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", self.port))
        self.connections += 1
        large, small = self.questions
        self.to_send = large if self.kind == "slow reader" else small
        self.asked = False
        self.again = now

    def step(self, now):
        """A little work; sets when the next is due."""
        if self.socket is None:
            self.open(now)
        try:
            if not self.asked:
                slow = self.kind == "slow writer"
                piece = self.to_send[: self.draws.randint(1, 40)] if slow else self.to_send
                sent = self.socket.send(piece)
                self.to_send = self.to_send[sent:]
                self.asked = not self.to_send
                self.again = now + (self.draws.uniform(0.5, 3) if slow else 0.05)
                return
            piece = self.socket.recv(512 if self.kind == "slow reader" else 1 << 16)
            if not piece:
                raise ConnectionResetError
            if piece.startswith(b"HTTP/1.1 "):
                self.answers += 1
            if self.kind == "good":
                # The next request on the same connection, after a pause.
                self.to_send, self.asked = self.questions[1], False
                self.again = now + self.draws.uniform(2, 8)
            else:
                self.again = now + self.draws.uniform(0.2, 2)
        except BlockingIOError:
            self.again = now + 0.1
        except OSError:
            self.ended += 1
            self.socket.close()
            self.socket = None
            self.again = now + self.draws.uniform(0.2, 2)


def drive(clients, end):
    while (now := time.monotonic()) < end:
        for client in clients:
            if client.again <= now:
                client.step(now)
        time.sleep(0.01)
    for client in clients:
        if client.socket:
            client.socket.close()


def watch_health(port, end, times):
    address = ("127.0.0.1", port)
    while time.monotonic() < end:
        began = time.monotonic()
        try:
            with socket.create_connection(address, timeout=10) as connection:
                connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: soak\r\nConnection: close\r\n\r\n")
                good = connection.recv(100).startswith(b"HTTP/1.1 200")
        except OSError:
            good = False
        times.append(time.monotonic() - began if good else float("inf"))
        time.sleep(max(0, 0.1 - (time.monotonic() - began)))


def main(program, model, seconds="300", connections="1000", results=None):
    seconds, connections = float(seconds), int(connections)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, connections + 500)), hard))
    with serving(program, [model]) as server:
        port = int(server.address.rpartition(":")[2])
        with_maps = request("/predict?maps=true", form([png(64, 0)]), "multipart/form-data; boundary=XX")
        probe = socket.create_connection(("127.0.0.1", port), timeout=30)
        probe.sendall(with_maps)
        has_maps = probe.recv(100).startswith(b"HTTP/1.1 200")
        probe.close()
        large = form([png(256, seed) for seed in range(8)])
        large = request("/predict?maps=" + str(has_maps).lower(), large, "multipart/form-data; boundary=XX")
        small = request("/predict", png(64, 1), "image/png")
        kinds = ["slow reader", "slow writer", "good", "good"]
        clients = [
            Client(kinds[number % 4], port, (large, small), random.Random(number)) for number in range(connections)
        ]
        end = time.monotonic() + seconds
        health, memory = [], []
        threads = [threading.Thread(target=watch_health, args=(port, end, health))]
        threads += [threading.Thread(target=drive, args=(clients[part::2], end)) for part in range(2)]
        for thread in threads:
            thread.start()
        while time.monotonic() < end:
            memory.append(server.memory())
            time.sleep(1)
        for thread in threads:
            thread.join(30)
        metrics = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    quarter = max(1, len(memory) // 4)
    before, after = max(memory[quarter : 2 * quarter + 1]), max(memory[-quarter:])
    lines = [f"* {connections} connections for {seconds:.0f} s, large answers {'with' if has_maps else 'without'} maps"]
    for kind in dict.fromkeys(kinds):
        mine = [client for client in clients if client.kind == kind]
        counts = [sum(getattr(client, name) for client in mine) for name in ["connections", "answers", "ended"]]
        lines.append(f"* {len(mine)} of kind {kind}: {counts[0]} connections, {counts[1]} answers, {counts[2]} ended")
    ordered = sorted(health)
    lines.append(
        f"* health: {len(health)} asked, median {statistics.median(ordered) * 1e3:.1f} ms, "
        f"99 % {ordered[int(0.99 * (len(ordered) - 1))] * 1e3:.1f} ms, slowest {ordered[-1] * 1e3:.0f} ms"
    )
    steps = [memory[int(part * (len(memory) - 1) / 5)] for part in range(6)]
    lines.append("* memory in MiB, six times: " + ", ".join(f"{step:.0f}" for step in steps) + f"; most {max(memory):.0f}")
    closed = re.findall(r'soup_connections_closed_total\{reason="(\w+)"\} (\d+)', metrics)
    lines.append("* closed by the server: " + ", ".join(f"{count} {reason}" for reason, count in closed))
    print("\n".join(lines), flush=True)
    if results:
        with open(results, "a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    assert ordered[-1] < HEALTH_LIMIT, f"health took {ordered[-1]:.1f} s"
    assert max(memory) <= MOST_MIB, f"memory reached {max(memory):.0f} MiB"
    # It rises while the server meets its first large images; after a minute it has to be flat.
    if seconds >= 60:
        assert after <= GROWTH * before + SLACK_MIB, f"memory grew from {before:.0f} to {after:.0f} MiB"


if __name__ == "__main__":
    main(*sys.argv[1:])
