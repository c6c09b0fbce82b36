#!/usr/bin/env python3
"""Chromium, Go's net/http and Java's HttpClient against the fixture server.

    bazel run //tests/clients [-- chromium go java]

All that are installed, or those that are named. Debian has them as `chromium`, `golang-go` and
`default-jdk-headless`, some hundred megabytes, so they are not among what squall's tests need: whatever
is missing is said to be skipped. It ends with 1 when something fails, and when nothing ran.
"""

import http.server
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import zlib

from relay import Relay

PACKAGES = {"chromium": "chromium", "go": "golang-go", "java": "default-jdk-headless"}
HERE = os.path.dirname(os.path.realpath(__file__))
PATIENCE = 120


def png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    lines = b"".join(b"\0" + bytes((x * 4, y * 8, 128)[i] for x in range(width) for i in range(3))
                     for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def wav(seconds):
    samples = bytes(44100 * 2 * seconds)
    return (b"RIFF" + struct.pack("<I", 36 + len(samples)) + b"WAVEfmt " +
            struct.pack("<IHHIIHH", 16, 1, 1, 44100, 88200, 2, 16) + b"data" +
            struct.pack("<I", len(samples)) + samples)


class Fixture:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="squall-clients-")
        static = os.path.join(self.folder.name, "static")
        os.mkdir(static)
        for name in ("page.html", "page.js"):
            shutil.copy(os.path.join(HERE, name), static)
        for name, data in (("image.png", png(64, 32)), ("audio.wav", wav(60))):
            with open(os.path.join(static, name), "wb") as file:
                file.write(data)
        self.process = subprocess.Popen(
            [os.path.abspath(os.environ["SQUALL_FIXTURE_SERVER"]), "--port=0", "--static_root=" + self.folder.name,
             '--options={"compress_response": true, "max_body_size": 4194304}'],
            stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.close()
        status = self.process.wait(PATIENCE)
        self.folder.cleanup()
        if status != 0:
            raise AssertionError("the server ended with %d" % status)


class Report:
    """Waits for the page's report."""

    def __init__(self):
        self.text = None
        self.came = threading.Event()
        report = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                report.text = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(204)
                self.end_headers()
                report.came.set()

            def log_message(self, *arguments):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d/" % self.server.server_port


def expect(what, condition, seen):
    if not condition:
        raise AssertionError("%s: %s" % (what, seen))
    print("  " + what)


def run_chromium(fixture):
    relay, report = Relay(fixture.port), Report()
    with tempfile.TemporaryDirectory(prefix="squall-chromium-", ignore_cleanup_errors=True) as profile:
        url = "http://127.0.0.1:%d/static/page.html?report=%s" % (relay.port, report.url)
        with open(os.path.join(profile, "log"), "w+", encoding="utf-8") as log:
            browser = subprocess.Popen(
                ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 "--no-first-run", "--autoplay-policy=no-user-gesture-required", "--mute-audio",
                 "--disable-background-networking", "--user-data-dir=" + profile, "--remote-debugging-port=0", url],
                stdout=log, stderr=log, start_new_session=True)
            try:
                if not report.came.wait(PATIENCE):
                    log.seek(0)
                    raise AssertionError("no report\n" + log.read()[-4000:])
            finally:
                os.killpg(browser.pid, signal.SIGKILL)
                browser.wait()
    results = json.loads(report.text)
    for name, result in results.items():
        print("  %s: %s" % (name, result))
    bad = [name for name, result in results.items() if result != "ok"]
    requests = relay.requests()
    heads = [head for connection in requests for head in connection]
    answers = b"".join(bytes(answer) for answer in relay.answered)
    expect("connections are kept: %d requests on %d" % (len(heads), len(requests)),
           len(heads) > 5 * len(requests), "")
    expect("several connections at once", len(requests) >= 4, len(requests))
    expect("the source of events came back with Last-Event-ID",
           any("Last-Event-ID: 3" in head for head in heads), "")
    expect("media were asked for by ranges", any("Range: bytes=" in head for head in heads), "")
    statuses = set(re.findall(rb"HTTP/1\.1 (\d{3})", answers))
    expect("and answered so", b"206" in statuses, statuses)
    expect("a cached file was asked for with its ETag", b"304" in statuses, statuses)
    expect("nothing was refused as malformed", b"400" not in statuses, statuses)
    relay.close()
    if bad:
        raise AssertionError("failed: " + ", ".join(bad))


def run_program(fixture, command):
    url = "http://127.0.0.1:%d" % fixture.port
    with tempfile.TemporaryDirectory(prefix="squall-clients-") as cache:
        environment = dict(os.environ, GOCACHE=cache, GO111MODULE="off", GOTOOLCHAIN="local")
        result = subprocess.run(command + [url], env=environment, text=True, capture_output=True, timeout=PATIENCE,
                                check=False)
    steps = []
    for line in result.stdout.splitlines():
        if line not in steps:
            steps.append(line)
    print("  " + ", ".join(steps))
    if result.returncode != 0:
        raise AssertionError("ended with %d\n%s" % (result.returncode, result.stderr[-4000:]))


RUNS = {
    "chromium": run_chromium,
    "go": lambda fixture: run_program(fixture, ["go", "run", os.path.join(HERE, "client.go")]),
    "java": lambda fixture: run_program(
        fixture, ["java", "-Dfile.encoding=UTF-8", os.path.join(HERE, "Client.java")]),
}


def main():
    ran, failed = 0, 0
    for name in sys.argv[1:] or RUNS:
        if shutil.which(name) is None:
            print("%s: skipped, it is not installed: apt install %s" % (name, PACKAGES[name]))
            continue
        print(name + ":")
        ran += 1
        fixture = Fixture()
        try:
            RUNS[name](fixture)
        except (AssertionError, subprocess.SubprocessError) as error:
            failed += 1
            print("%s: FAILED: %s" % (name, error))
        finally:
            fixture.close()
    print("%d ran, %d failed" % (ran, failed))
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
