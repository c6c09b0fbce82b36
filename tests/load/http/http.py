#!/usr/bin/env python3
"""What a request costs: squall beside a bare epoll loop and Debian's servers, wrk as the client.

    bazel run --config=opt //tests/load/http -- --rounds=7

Each server has one worker on the first processor, wrk runs on the second one. Servers take turns, round
after round, so that a noisy machine is unfair to all of them. What counts is the processor time of the
server's processes per request, and its multiple of the bare loop's in the same round; medians. The rate is
what one worker answers in a second. A peer that is not installed is left out, and said so.
"""

import argparse
import contextlib
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import configurations  # noqa: E402

PATIENCE = 20.0
NOBODY = 65534

SERVERS = ["epoll", "squall", "nginx", "h2o", "lighttpd", "haproxy", "node"]

PIPELINE = """
init = function(args)
  local requests = {}
  for i = 1, 16 do requests[i] = wrk.format("GET", "/") end
  all = table.concat(requests)
end
request = function() return all end
"""

# As a browser sends them, with long cookies: 3.9 KB in all.
HEADERS = """
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
wrk.headers["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
wrk.headers["Accept-Encoding"] = "gzip, deflate, br"
wrk.headers["Accept-Language"] = "en-US,en;q=0.9"
wrk.headers["Authorization"] = "Bearer " .. string.rep("abcdefgh", 80)
wrk.headers["Cookie"] = "sid=" .. string.rep("0123456789abcdef", 120) .. "; theme=dark"
for i = 1, 8 do wrk.headers["X-Long-" .. i] = string.rep("v", 100) end
for i = 1, 12 do wrk.headers["X-Short-" .. i] = "v" .. i end
"""

POST = """
wrk.method = "POST"
wrk.body = string.rep("p", 1024)
wrk.headers["Content-Type"] = "application/octet-stream"
"""

# Name: what it is, wrk's arguments, its script, the target.
WORKLOADS = {
    "plain": ("keep-alive, 64 connections", ["-c64"], "", "/"),
    "one": ("keep-alive, one connection", ["-c1"], "", "/"),
    "pipe16": ("16 requests pipelined", ["-c64"], PIPELINE, "/"),
    "headers": ("3.9 KB of request fields", ["-c64"], HEADERS, "/"),
    "post1k": ("POST of 1 KB", ["-c64"], POST, "/post"),
    "close": ("a connection per request", ["-c64", "-H", "Connection: close"], "", "/"),
    "1k": ("answer of 1 KB", ["-c64"], "", "/1k"),
    "100k": ("answer of 100 KB", ["-c64"], "", "/100k"),
    "file": ("100 KB from a file", ["-c64"], "", "/static/100k"),
}


def family(pid):
    """A process and all below it."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in os.listdir("/proc/%d/task" % parent):
                with open("/proc/%d/task/%s/children" % (parent, task), encoding="ascii") as children:
                    found += [int(child) for child in children.read().split()]
    return found


def processor_seconds(pids):
    total = 0
    for pid in pids:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/schedstat" % (pid, task), encoding="ascii") as stat:
                total += int(stat.read().split()[0])
    return total / 1e9


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server(name):
    folder = tempfile.mkdtemp(prefix="squall-http-")
    port = free_port()
    command = configurations.command(name, folder, port)
    if name in ("squall", "epoll"):
        # A copy, for bazel's folder may be closed to nobody.
        command[0] = shutil.copy(command[0], folder)
    user = {}
    if os.geteuid() == 0:
        for place, _, files in os.walk(folder):
            for entry in [place] + [os.path.join(place, file) for file in files]:
                os.chown(entry, NOBODY, NOBODY)
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": ()}

    def prepare():
        os.sched_setaffinity(0, {0})
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(20000, hard), hard))
    log_name = os.path.join(folder, "output")
    with open(log_name, "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log,
                                   stdin=subprocess.DEVNULL, preexec_fn=prepare, **user)
    try:
        deadline = time.monotonic() + PATIENCE
        # The bare loop takes its first request for the model of all, so nothing is asked.
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                with open(log_name, encoding="utf-8") as output:
                    sys.exit("%s does not start:\n%s" % (name, output.read()))
            time.sleep(0.02)
        yield process.pid, port
    finally:
        pids = family(process.pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def wrk(port, workload, seconds, scripts):
    """Answers, and answers per second."""
    _, arguments, _, target = WORKLOADS[workload]
    script = os.path.join(scripts, workload + ".lua")
    command = (["taskset", "-c", "1", "wrk", "-t1", "-d%ds" % seconds, "--timeout", "10s"] + arguments +
               (["-s", script] if os.path.exists(script) else []) +
               ["http://127.0.0.1:%d%s" % (port, target)])
    output = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False).stdout
    requests = re.search(r"(\d+) requests in", output)
    for trouble in ("Non-2xx", "Socket errors"):
        found = re.search(trouble + ".*", output)
        if found:
            sys.exit("%s: %s" % (workload, found.group()))
    if not requests or int(requests.group(1)) == 0:
        sys.exit("%s: no answer:\n%s" % (workload, output))
    return int(requests.group(1)), float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))


def measure(workload, names, options, scripts):
    costs = {name: [] for name in names}
    rates = {name: [] for name in names}
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(server(name)) for name in names}
        for name in names:
            wrk(running[name][1], workload, 1, scripts)
        for round_ in range(options.rounds):
            for name in names if round_ % 2 == 0 else reversed(names):
                pid, port = running[name]
                pids = family(pid)
                before = processor_seconds(pids)
                answers, rate = wrk(port, workload, options.seconds, scripts)
                costs[name].append((processor_seconds(pids) - before) / answers * 1e6)
                rates[name].append(rate)
    return {name: (statistics.median(costs[name]),
                   statistics.median(mine / bare for mine, bare in zip(costs[name], costs["epoll"])),
                   statistics.median(rates[name])) for name in names}


def main():
    parser = argparse.ArgumentParser(description="What a request costs, in processor time of the server.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--servers", default=",".join(SERVERS), help="the bare loop is always there")
    options = parser.parse_args()
    for kind, chosen, known in [("workload", options.workloads, WORKLOADS), ("server", options.servers, SERVERS)]:
        for name in chosen.split(","):
            if name not in known:
                sys.exit("there is no %s %r; there are %s" % (kind, name, ", ".join(known)))
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt install wrk")
    names = ["epoll"] + [name for name in options.servers.split(",") if name != "epoll"]
    for name in list(names):
        if name in configurations.PACKAGES and configurations.program(name) is None:
            print("%s is left out: apt install %s" % (name, configurations.PACKAGES[name]))
            names.remove(name)
    with tempfile.TemporaryDirectory(prefix="squall-wrk-") as scripts:
        for workload, (_, _, script, _) in WORKLOADS.items():
            if script:
                with open(os.path.join(scripts, workload + ".lua"), "w", encoding="ascii") as file:
                    file.write(script)
        for workload in options.workloads.split(","):
            able = [name for name in names if workload not in configurations.CANNOT.get(name, ())]
            print("\n%s\n  %-10s %12s %8s %14s" % (WORKLOADS[workload][0], "", "µs a request", "x epoll",
                                                 "requests/s"))
            results = measure(workload, able, options, scripts)
            for name, (cost, ratio, rate) in sorted(results.items(), key=lambda item: item[1][1]):
                print("  %-10s %12.2f %8.2f %14.0f" % (name, cost, ratio, rate), flush=True)


if __name__ == "__main__":
    main()
