#!/usr/bin/env python3
"""Faults that need rights which the sandbox of a test does not give: processes that cannot be forked,
and memory that runs out in a control group. What cannot be done here is skipped, with the reason."""

import contextlib
import os
import resource
import signal
import time
import unittest

import harness
import pool_checks

NOBODY = 65534
MEBIBYTES = 256
MEMORY = "/sys/fs/cgroup/memory"


def own_cgroup(controller):
    """The folder of this process's control group (v1); None where there is none to write to."""
    with open("/proc/self/cgroup") as groups:
        for line in groups:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if controller in controllers.split(","):
                folder = "/sys/fs/cgroup/" + controller + path
                return folder if os.access(folder, os.W_OK) else None
    return None


def as_user(user, action):
    """Calls `action` as that user; False when it cannot be had. None: as this one."""
    if user is None:
        action()
        return True
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            action()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


class ForkFails(unittest.TestCase):
    def test_more_processes_than_the_user_may_have(self):
        user, flags = None, []
        if os.getuid() == 0:
            # Root is not limited. In a user namespace without other users it stays root.
            user, flags = NOBODY, ["--run_as=%d" % NOBODY]
            if not as_user(user, lambda: None):
                self.skipTest("root here cannot become another user, and is not limited itself")
        with harness.Server(*flags, binary="SQUALL_FAULTY_SERVER", workers=3, own_group=True,
                            owner=user) as server:
            baseline = pool_checks.Baseline(server)
            with harness.Load(server, "--think=10ms", connections=4, reconnect=True) as load:
                load.wait_for_enough()
                before = resource.getrlimit(resource.RLIMIT_NPROC)  # the server's, too

                def limit(soft):
                    # The user's own right; that of root's over others is not given everywhere.
                    self.assertTrue(as_user(user, lambda: resource.prlimit(
                        server.pid, resource.RLIMIT_NPROC, (soft, before[1]))))
                limit(1)
                os.kill(server.admin.workers()[0]["pid"], signal.SIGKILL)
                state = harness.wait_until(
                    lambda: server.admin.pool()
                    if int(server.admin.pool()["spawnFailures"]) >= 3 else None, "forks fail")
                self.assertEqual(state["readyWorkers"], 2)
                self.assertTrue(state["reconciling"])
                self.assertIn("cannot start worker 0: fork", server.log_text())
                limit(before[0])
                began = time.monotonic()
                pool_checks.wait_for_rest(baseline)
                seconds = time.monotonic() - began
                counted = load.finish()
            self.assertLessEqual(counted["failures"], 4, counted)
            self.assertEqual(counted["refused"] + counted["timeout"], 0, counted)
            pool_checks.report("fork fails (EAGAIN)", "replaced, once it is over", seconds, 10.0,
                               "%s starts failed, %d of %d requests lost" %
                               (state["spawnFailures"], counted["failures"], counted["requests"]))
            baseline.check()


class OutOfMemory(unittest.TestCase):
    @contextlib.contextmanager
    def group(self):
        parent = own_cgroup("memory")
        if parent is None:
            self.skipTest("no memory control group (v1) that can be written to")
        folder = os.path.join(parent, "squall_test_%d" % os.getpid())
        os.mkdir(folder)
        try:
            for name in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"):
                with contextlib.suppress(FileNotFoundError), \
                        open(os.path.join(folder, name), "w") as limit:
                    limit.write(str(MEBIBYTES << 20))
            yield folder
        finally:
            harness.wait_until(lambda: not self.members(folder), "the group is empty")
            os.rmdir(folder)

    @staticmethod
    def members(folder):
        with open(os.path.join(folder, "cgroup.procs")) as members:
            return members.read().split()

    def test_the_worker_that_takes_too_much_is_the_victim(self):
        with self.group() as folder:
            enter = ["sh", "-c", 'echo $$ > "$0" && exec "$@"', os.path.join(folder, "cgroup.procs")]
            with harness.Server("--oom_score_adj=500", binary="SQUALL_FAULTY_SERVER", workers=3,
                                own_group=True, launcher=enter) as server:
                baseline = pool_checks.Baseline(server)
                before = server.admin.workers()
                with harness.Load(server, "--think=10ms", connections=4, reconnect=True) as load:
                    load.wait_for_enough()
                    with contextlib.suppress(OSError, harness.http.client.HTTPException):
                        server.get("/allocate?mebibytes=%d" % (2 * MEBIBYTES))
                        self.fail("there was memory enough")
                    died = time.time()
                    pool_checks.wait_for_rest(baseline)
                    counted = load.finish()
                after = server.admin.workers()
                victims = [slot for slot in after if after[slot]["pid"] != before[slot]["pid"]]
                self.assertEqual(len(victims), 1, after)
                self.assertLessEqual(counted["failures"], 4, counted)
                victim = after[victims[0]]
                self.assertEqual(victim["lastExit"]["signal"], signal.SIGKILL)
                self.assertEqual(victim["lastExit"]["cause"], "DEATH_CAUSE_OUT_OF_MEMORY")
                pool_checks.report("OOM kill", "told apart and replaced",
                                   max(0.0, pool_checks.seconds_of(victim["readyTime"]) - died), 0.2,
                                   "%d of %d requests lost" %
                                   (counted["failures"], counted["requests"]))
                baseline.check()


class NoAddressSpace(unittest.TestCase):
    def test_a_handler_without_memory_costs_its_request_alone(self):
        if harness.SLOWNESS > 1:
            self.skipTest("programs with sanitizers need an address space without limits")
        with harness.Server(binary="SQUALL_FAULTY_SERVER", workers=1, own_group=True) as server:
            baseline = pool_checks.Baseline(server)
            worker = server.first_workers[0]
            before = resource.prlimit(worker, resource.RLIMIT_AS)
            with open("/proc/%d/statm" % worker) as statm:
                size = int(statm.read().split()[0]) * resource.getpagesize()
            resource.prlimit(worker, resource.RLIMIT_AS, (size + (64 << 20), before[1]))
            began = time.monotonic()
            # An exception of a handler's is its request's error; what it kept is its own business.
            self.assertEqual(server.get("/allocate?mebibytes=1000")[0], 500)
            seconds = time.monotonic() - began
            self.assertEqual(int(server.get()[1]), worker)
            resource.prlimit(worker, resource.RLIMIT_AS, before)
            pool_checks.report("no address space left (RLIMIT_AS)", "answered 500", seconds, 0.2,
                               "the worker lives")
            baseline.check()


if __name__ == "__main__":
    unittest.main(verbosity=2)
