"""What holds of a pool when a fault is over, and how well it has stood it.

    server = harness.Server(binary="SQUALL_FAULTY_SERVER", own_group=True)
    baseline = pool_checks.Baseline(server)
    os.kill(worker, signal.SIGKILL)
    pool_checks.report("kill -9", "replaced", seconds, mark=0.2)
    baseline.check()

The pass marks are those a pool is built to; tests allow GENEROUS times as much, for a machine that is
busy with other things.
"""

import datetime
import http.client
import os
import threading

import harness

GENEROUS = 5


def report(fault, outcome, seconds, mark, more=""):
    """Prints one line about a fault; fails when the time is far from its mark."""
    print("%s: %s after %.1f ms (mark %g ms)%s" %
          (fault, outcome, max(seconds, 0) * 1000, mark * 1000, ", " + more if more else ""), flush=True)
    if seconds > mark * GENEROUS * harness.SLOWNESS:
        raise AssertionError("%s: %s only after %.3f s" % (fault, outcome, seconds))


def seconds_of(timestamp):
    """Seconds since 1970 of a time as JSON has it."""
    date, fraction = timestamp.rstrip("Z").split(".") if "." in timestamp else (
        timestamp.rstrip("Z"), "0")
    moment = datetime.datetime.strptime(date, "%Y-%m-%dT%H:%M:%S")
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp() + float("0." + fraction)


def stat_fields(pid):
    """State letter, parent, ... as proc(5) lists them from the third on; None without a process."""
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def children(pid):
    """Pids of the children, zombies among them."""
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            return [int(child) for child in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def zombies(pid):
    """Children that are dead and were not waited for."""
    return [child for child in children(pid) if (stat_fields(child) or "?")[0] == "Z"]


def session(sid):
    """Live processes of a session, whoever their parents are now."""
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    found = []
    for pid in pids:
        fields = stat_fields(pid)
        if fields and fields[0] not in "ZX" and int(fields[3]) == sid:
            found.append(pid)
    return found


def descriptors(pid):
    """Number -> what it is, of the open descriptors of a process."""
    found = {}
    try:
        for number in os.listdir("/proc/%d/fd" % pid):
            try:
                found[int(number)] = os.readlink("/proc/%d/fd/%s" % (pid, number))
            except FileNotFoundError:
                pass
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


class Baseline:
    """A pool at rest, as it is when this is made; check() says whether it is so again.

    The server has to be a session of its own (own_group=True), and all its workers READY.
    """

    # Of the master for each worker: its pidfd and the master's end of its channel.
    PER_WORKER = 2

    def __init__(self, server):
        self.server = server
        pool = server.admin.pool()
        self.workers = pool["desiredWorkers"]
        self.master_descriptors = len(descriptors(server.pid))
        pids = self.worker_pids()
        self.worker_descriptors = len(descriptors(min(pids)))
        self.requests = int(pool["totals"]["requests"])

    def worker_pids(self):
        """Pids of those that are there."""
        return {worker["pid"] for worker in self.server.admin.workers().values()
                if worker.get("pid", 0) != 0}

    def at_rest(self, workers):
        """Are so many workers READY, and nothing else under way?"""
        result = self.server.admin.run("status", "--output=json")
        if result.returncode != 0:
            return None
        pool = harness.json.loads(result.stdout)["pool"]
        others = [kind + "Workers" for kind in ("starting", "draining", "backoff", "failed", "done")]
        return (pool["desiredWorkers"] == pool["readyWorkers"] == workers and
                not any(pool[other] for other in others) and not pool["reconciling"])

    def check(self, workers=None):
        """Everything that must hold after any fault; `workers` unless there are as many as then."""
        if workers is None:
            workers = self.workers
        server = self.server
        harness.wait_until(lambda: self.at_rest(workers), "%d workers, all READY" % workers)

        # Exactly the processes that belong there, none of them dead.
        pids = self.worker_pids()
        assert len(pids) == workers, pids
        harness.wait_until(lambda: set(children(server.pid)) > pids and
                           len(children(server.pid)) == workers + 1,
                           "the master's children are its workers and the control process")
        assert not zombies(server.pid), zombies(server.pid)
        expected = {server.pid, *children(server.pid)}
        assert set(session(server.pid)) == expected, (session(server.pid), expected)
        assert harness.threads(server.pid) == 1

        # Nothing is left open.
        held = self.master_descriptors + self.PER_WORKER * (workers - self.workers)
        harness.wait_until(lambda: len(descriptors(server.pid)) == held,
                           "the master has %d descriptors" % held, 10)
        for pid in pids:
            harness.wait_until(lambda pid=pid: len(descriptors(pid)) == self.worker_descriptors,
                               "worker %d has %d descriptors again" %
                               (pid, self.worker_descriptors), 10)

        # Nothing is forgotten, and it goes on.
        requests = server.admin.requests()
        assert requests >= self.requests, (requests, self.requests)
        self.requests = requests
        assert server.get()[0] == 200
        pool = server.admin.pool()
        other = workers + 1 if workers < pool["maxWorkers"] else workers - 1
        for target in (other, workers):
            result = server.admin.run("resize", str(target), "--wait", "--timeout=30s")
            assert result.returncode == 0, result.stderr
        assert self.at_rest(workers)
        assert server.get()[0] == 200


def wait_for_rest(baseline):
    """Until all workers that there were at first are READY, and nothing is under way."""
    harness.wait_until(lambda: baseline.at_rest(baseline.workers), "the pool is whole")


def check_gone(server):
    """Nobody of a server that has ended is left."""
    harness.wait_until(lambda: not session(server.pid), "no process of the session is left", 10)
    assert not server.accepts()


class InBackground:
    """One request in the background; result() is status and text, or the exception.

    It goes over `connection` when there is one, which is closed afterwards.
    """

    def __init__(self, server, path, connection=None):
        self.outcome = None
        self.thread = threading.Thread(target=self._run, args=(server, path, connection))
        self.thread.start()

    def _run(self, server, path, connection):
        try:
            self.outcome = server.get(path, connection=connection)
        except (OSError, http.client.HTTPException) as error:
            self.outcome = error

    def result(self):
        self.thread.join(harness.PATIENCE)
        return self.outcome
