#!/usr/bin/env python3
"""What a message of an echo server touches: instructions, and pages between two system calls.

    bazel run --config=opt //tests/load/echo:trace
    bazel run --config=opt //tests/load/echo:trace -- --alone

Each server runs under valgrind's lackey, which writes down every instruction and access, beside a client
that has eight messages under way on as many connections, or one (--alone). Printed is the median of the
turns (from one epoll_wait to the next) in which all of them were answered, for a message. A page that is
touched between two system calls counts once, and again after the next call, for a processor that forgets
its translations of addresses there looks it up again. The time under the tool is no measure: a message takes
milliseconds, so that timers weigh more than they do.
"""

import argparse
import collections
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import echo  # noqa: E402

FOLDER = os.path.abspath("tests/load/echo")  # of the runfiles, where the programs are
PATIENCE = 120.0
MESSAGE = b"m" * 64
ROUNDS = 40
SYSTEM_CALL = re.compile(rb"SYSCALL\[\d+,\d+\]\( *\d+\) (?:sys_)?(\w+)")

Turn = collections.namedtuple("Turn", "instructions pages lines answers")


def drive(pid, port, connections):
    """Sends ROUNDS times a message on each connection and reads them back.

    The server stands still meanwhile, so that one epoll_wait finds all of them.
    """
    clients = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(connections)]
    for _ in range(ROUNDS):
        os.kill(pid, signal.SIGSTOP)
        for client in clients:
            client.sendall(MESSAGE)
        os.kill(pid, signal.SIGCONT)
        for client in clients:
            data = b""
            while len(data) < len(MESSAGE):
                piece = client.recv(len(MESSAGE) - len(data))
                if not piece:
                    sys.exit("the server closed a connection")
                data += piece
    for client in clients:
        client.close()


def turns(log):
    """The turns of the loop that a trace has in it."""
    instructions, pages, answers = 0, 0, 0
    between, code = set(), set()
    for line in log:
        call = SYSTEM_CALL.search(line)
        if call:
            pages += len(between)
            between.clear()
            name = call[1]
            if name in (b"sendto", b"sendmsg", b"write", b"writev"):
                answers += 1
            elif name.startswith(b"epoll_wait") or name.startswith(b"epoll_pwait"):
                yield Turn(instructions, pages, len(code), answers)
                instructions, pages, answers = 0, 0, 0
                code.clear()
            continue
        kind = line[:2]
        if kind not in (b"I ", b" L", b" S", b" M"):
            continue
        address = int(line[3:line.index(b",")], 16)
        between.add(address >> 12)
        if kind == b"I ":
            instructions += 1
            code.add(address >> 6)


def trace(name, connections):
    """Of a message: instructions, pages, and lines of code of a turn."""
    program, *arguments = echo.SERVERS[name]
    with tempfile.NamedTemporaryFile(prefix="squall-trace") as log:
        process = subprocess.Popen(
            ["valgrind", "--tool=lackey", "--trace-mem=yes", "--trace-syscalls=yes", "--basic-counts=no",
             "--log-file=" + log.name, os.path.join(FOLDER, program)] + arguments,
            stdout=subprocess.PIPE, text=True)
        try:
            drive(process.pid, int(process.stdout.readline()), connections)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        with open(log.name, "rb") as lines:
            whole = [turn for turn in turns(lines) if turn.answers == connections]
    if len(whole) < ROUNDS // 4:
        sys.exit("%s answered all at once in %d turns only" % (name, len(whole)))
    whole = whole[len(whole) // 4:]  # warm
    return [statistics.median(turn.instructions for turn in whole) / connections,
            statistics.median(turn.pages for turn in whole) / connections,
            statistics.median(turn.lines for turn in whole)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--alone", action="store_true", help="one message under way, not eight")
    parser.add_argument("--servers", default=",".join(echo.SERVERS))
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("this needs valgrind")
    print("| server | instructions | pages | lines of code in a turn |\n|---|---|---|---|")
    for name in options.servers.split(","):
        print("| %s | %.0f | %.1f | %.0f |" % (name, *trace(name, 1 if options.alone else 8)), flush=True)


if __name__ == "__main__":
    main()
