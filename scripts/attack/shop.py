"""What the attacks share: where the shop is, what other clients see of it meanwhile, and what it costs the shop.

Only Python's standard library. Attackers come from 127.0.0.1, other clients from 127.0.0.2.
"""

import argparse
import http.client
import socket
import struct
import sys
import threading
import time
import urllib.request

# Other clients give up after this many seconds, as people do.
PATIENCE = 3.0
# The share of their requests that may fail before the shop counts as taken down.
MAX_FAILED = 0.05
# What an attack may cost: descriptors that stay open, bytes, series. A status that a route did not have before is a histogram of
# 16 series; a label that strangers choose is thousands.
MAX_DESCRIPTORS, MAX_MEMORY, MAX_SERIES = 64, 128 * 1024 * 1024, 100

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8


def arguments(description, **options):
    """Reads the command line; each option is a number with a default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("gateway", help="HOST:PORT of the gateway")
    parser.add_argument("admin", help="HOST:PORT of its admin listener")
    for name, (default, text) in options.items():
        parser.add_argument(f"--{name}", type=float, default=default, help=f"{text} (default {default})")
    args = parser.parse_args()
    args.gateway, args.admin = address(args.gateway), address(args.admin)
    return args


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def connect(to, source="127.0.0.1", receive_buffer=None):
    """A TCP connection from `source`."""
    it = socket.socket()
    it.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if receive_buffer:
        it.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    it.settimeout(5)
    it.bind((source, 0))
    it.connect(to)
    return it


def frame(kind, flags=0, stream=0, payload=b""):
    """A frame of HTTP/2 (RFC 9113, section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def preface(window=65535):
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, payload=struct.pack(">HI", 4, window))


def field(name, value):
    """A header field that is not indexed, in plain text (RFC 7541, section 6.2.2)."""
    return b"\x00" + length(name) + name + length(value) + value


def length(text):
    if len(text) < 127:
        return bytes([len(text)])
    rest, coded = len(text) - 127, b"\x7f"
    while rest >= 128:
        coded += bytes([rest % 128 + 128])
        rest //= 128
    return coded + bytes([rest])


def head(stream, path, method=b"GET", fields=()):
    """A request without a body."""
    block = field(b":method", method) + field(b":scheme", b"http") + field(b":path", path)
    block += field(b":authority", b"shop")
    for name, value in fields:
        block += field(name, value)
    return frame(HEADERS, 5, stream, block)


def frames(buffer):
    """Takes whole frames out of a bytearray."""
    while len(buffer) >= 9:
        size = int.from_bytes(buffer[:3], "big")
        if len(buffer) < 9 + size:
            return
        kind, flags, stream = struct.unpack(">BBI", buffer[3:9])
        payload = bytes(buffer[9 : 9 + size])
        del buffer[: 9 + size]
        yield kind, flags, stream, payload


class Others:
    """Other clients: one that keeps its connection, and one that connects anew for each request."""

    def __init__(self, gateway):
        self.gateway, self.over = gateway, threading.Event()
        self.latencies, self.failures = [], []
        self.threads = [threading.Thread(target=self.run, args=(kept,), daemon=True) for kept in (True, False)]

    def __enter__(self):
        for it in self.threads:
            it.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for it in self.threads:
            it.join()

    def run(self, kept):
        http_ = None
        number = 0
        while not self.over.is_set():
            number += 1
            start = time.monotonic()
            try:
                if http_ is None:
                    http_ = http.client.HTTPConnection(*self.gateway, timeout=PATIENCE, source_address=("127.0.0.2", 0))
                http_.request("GET", f"/products/p-{number % 100 + 1:06}")
                answer = http_.getresponse()
                answer.read()
                if answer.status != 200:
                    raise OSError(f"status {answer.status}")
                self.latencies.append(time.monotonic() - start)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(str(error) or type(error).__name__)
                if http_:
                    http_.close()
                http_ = None
            if http_ and not kept:
                http_.close()
                http_ = None
            self.over.wait(0.1)

    def says(self):
        took = sorted(self.latencies)
        at = lambda share: f"{took[int(share * (len(took) - 1))] * 1000:.1f}" if took else "-"
        lines = [
            f"other clients      {len(took) + len(self.failures)} requests, {len(self.failures)} failed; "
            f"p50 {at(0.5)} ms, p95 {at(0.95)} ms, longest {at(1)} ms"
        ]
        for it in sorted(set(self.failures))[:5]:
            lines.append(f"                   {self.failures.count(it)} x {it}")
        return "\n".join(lines)

    def failed(self):
        count = len(self.latencies) + len(self.failures)
        return len(self.failures) / count if count else 1.0


class Cost:
    """What the gateway has open, holds and counts, as its own /metrics says."""

    def __init__(self, admin):
        url = f"http://{admin[0]}:{admin[1]}/metrics"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=10) as answer:
            lines = [it for it in answer.read().decode().splitlines() if it and it[0] != "#"]
        value = lambda name: next((float(it.split()[1]) for it in lines if it.split()[0] == name), 0.0)
        self.descriptors = int(value("process_open_fds"))
        self.memory = int(value("process_resident_memory_bytes"))
        self.series = len(lines)
        recorded = [it for it in lines if it.startswith("http_server_request_duration_seconds_count")]
        self.cut_off = sum(int(float(it.split()[1])) for it in recorded if 'status_code="499"' in it)
        self.closed = {
            it.split('error_type="')[1].split('"')[0]: int(float(it.split()[1]))
            for it in lines
            if it.startswith("http_server_connections_closed_total")
        }

    def says(self):
        return f"{self.descriptors} descriptors, {self.memory / 1e6:.0f} MB, {self.series} series"


class Watch(threading.Thread):
    """The most of everything while an attack goes on."""

    def __init__(self, admin):
        super().__init__(daemon=True)
        self.admin, self.over = admin, threading.Event()
        self.descriptors = self.memory = 0
        self.start()

    def run(self):
        while not self.over.wait(1):
            try:
                cost = Cost(self.admin)
            except OSError:
                continue
            self.descriptors = max(self.descriptors, cost.descriptors)
            self.memory = max(self.memory, cost.memory)


def verdict(args, attack, settled=25):
    """Carries `attack` out, which returns what it saw and whether that was bad, and says what became of the shop."""
    with Others(args.gateway):
        time.sleep(2)
    before = Cost(args.admin)
    watch = Watch(args.admin)
    with Others(args.gateway) as others:
        seen, bad = attack()
    watch.over.set()
    watch.join()
    # Everything that an attack held must be free again.
    end = time.monotonic() + settled
    while True:
        after = Cost(args.admin)
        if after.descriptors <= before.descriptors + MAX_DESCRIPTORS or time.monotonic() > end:
            break
        time.sleep(1)
    print(f"attack             {seen}")
    print(others.says())
    print(f"gateway before     {before.says()}")
    print(f"        at most    {watch.descriptors} descriptors, {watch.memory / 1e6:.0f} MB")
    print(f"        after      {after.says()}")
    grown = {name: count - before.closed.get(name, 0) for name, count in after.closed.items()}
    print(f"        recorded   {after.cut_off - before.cut_off} requests as cut off (499)")
    print("        closed     " + (", ".join(f"{count} {name}" for name, count in grown.items() if count) or "no connection"))
    problems = list(bad)
    if others.failed() > MAX_FAILED:
        problems.append(f"{others.failed():.0%} of the requests of other clients failed")
    if after.descriptors > before.descriptors + MAX_DESCRIPTORS:
        problems.append("descriptors stay open")
    if watch.memory > before.memory + MAX_MEMORY:
        problems.append(f"memory grew by {(watch.memory - before.memory) / 1e6:.0f} MB")
    if after.series > before.series + MAX_SERIES:
        problems.append(f"{after.series - before.series} new series")
    for it in problems:
        print(f"FAIL               {it}")
    if not problems:
        print("PASS")
    sys.exit(1 if problems else 0)
