#!/usr/bin/env python3
"""Two requests at once are answered by two processes in the time of one."""

import http.client
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

PORT = 8090
URL = "http://127.0.0.1:%d/" % PORT
HANDLER_SECONDS = 10


def ask():
    """A connection whose request is in the handler of a worker."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    connection.request("GET", "/", headers={"Connection": "close"})
    deadline = time.monotonic() + 30
    while not is_read(connection.sock.getsockname()[1]):
        assert time.monotonic() < deadline, "no worker takes the request"
        time.sleep(0.01)
    return connection


def is_read(client_port):
    """Has a worker accepted the client's connection and read what it sent?

    A worker that has read the request is in its handler, which lets nothing else happen there.
    """
    with open("/proc/net/tcp") as table:
        for row in [line.split() for line in table.readlines()[1:]]:
            local, remote = (int(address.split(":")[1], 16) for address in row[1:3])
            if (local, remote) == (PORT, client_port):
                unread = int(row[4].split(":")[1], 16)
                inode = int(row[9])  # 0: in the backlog
                return inode != 0 and unread == 0
    return False


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
        start = time.monotonic()
        connections = [ask(), ask()]
        answers = [connection.getresponse().read().decode() for connection in connections]
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
