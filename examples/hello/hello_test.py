#!/usr/bin/env python3
"""Two requests at once are answered by two processes in the time of one."""

import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

URL = "http://127.0.0.1:8090/"
HANDLER_SECONDS = 10


def get(answers):
    with urllib.request.urlopen(URL, timeout=60) as response:
        answers.append(response.read().decode())


def wait_until_it_listens(server):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert server.poll() is None, "hello ended with status %s" % server.returncode
        try:
            # HEAD of a path that is not routed does not reach the handler.
            urllib.request.urlopen(urllib.request.Request(URL + "none", method="HEAD"), timeout=5)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("hello does not listen on port 8090")


def main():
    server = subprocess.Popen([sys.argv[1]])
    try:
        wait_until_it_listens(server)
        answers = []
        clients = [threading.Thread(target=get, args=(answers,)) for _ in range(2)]
        start = time.monotonic()
        for client in clients:
            client.start()
            time.sleep(0.5)  # the first request is in its worker before the second comes
        for client in clients:
            client.join()
        seconds = time.monotonic() - start
        print("pids %s after %.1f s" % (answers, seconds))
        assert len(set(answers)) == 2, "both requests were answered by one process: %s" % answers
        assert HANDLER_SECONDS <= seconds < 2 * HANDLER_SECONDS, "%.1f s" % seconds
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0, "status %s after SIGTERM" % server.returncode
    finally:
        if server.poll() is None:
            server.kill()


if __name__ == "__main__":
    main()
