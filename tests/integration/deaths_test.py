#!/usr/bin/env python3
"""Workers that die in every way, under load: who is replaced, how soon, and what it cost."""

import http.client
import os
import signal
import statistics
import time
import unittest

import harness
import pool_checks

WORKERS = 4
KEPT = 40  # connections of clients that stay,
NEW = 4  # and of those that come anew for each request
REPLACED = 0.2  # seconds until a dead worker's replacement is READY
ROUNDS = 5


def pool(*flags, workers=WORKERS):
    return harness.Server(*flags, binary="SQUALL_FAULTY_SERVER", workers=workers, own_group=True)


def replacement(server, slot, victim):
    """The worker that took the place of `victim`, once it is READY."""
    def replaced():
        worker = server.admin.workers().get(slot, {})
        ready = worker.get("state") == "WORKER_STATE_READY" and worker["pid"] != victim
        return worker if ready else None
    return harness.wait_until(replaced, "slot %d serves again" % slot)


def bring_down(server, path):
    """Asks a worker for what will be its end; returns the time just before."""
    before = time.time()
    try:
        server.get(path)
    except (http.client.RemoteDisconnected, ConnectionResetError):
        return before
    raise AssertionError("%s was answered" % path)


class DeathsUnderLoad(unittest.TestCase):
    def deaths(self, fault, kill, last_exit, flags=(), rounds=ROUNDS, cause=None):
        """Has `kill(server, pid)` end workers one by one.

        It may choose another one than `pid`, and returns the time at which it did it.
        """
        with pool("--backoff_initial=1ms", "--backoff_max=1ms", *flags) as server:
            baseline = pool_checks.Baseline(server)
            times, lost, bound, total = [], 0, 0, 0
            with harness.Load(server, "--think=10ms", connections=KEPT) as kept, \
                    harness.Load(server, "--think=10ms", connections=NEW, reconnect=True) as new:
                kept.wait_for_enough()
                new.wait_for_enough()
                for turn in range(rounds):
                    harness.wait_until(
                        lambda: sum(int(worker["connections"]) for worker in
                                    server.admin.workers().values()) >= KEPT,
                        "all connections are there")
                    before = server.admin.workers()
                    chosen = before[turn % WORKERS]["pid"]
                    killed = kill(server, chosen)
                    # Whichever it was: the one that is gone.
                    slot = harness.wait_until(
                        lambda: [slot for slot, worker in before.items()
                                 if not harness.is_alive(worker["pid"])],
                        "a worker is gone")[0]
                    now = replacement(server, slot, before[slot]["pid"])
                    total, last_total = server.admin.requests(), total
                    self.assertGreater(total, last_total, "what a dead worker served stays counted")
                    times.append(pool_checks.seconds_of(now["readyTime"]) - killed)
                    bound += int(before[slot]["connections"]) + NEW
                    for key, value in last_exit.items():
                        self.assertEqual(now["lastExit"][key], value, now["lastExit"])
                    if cause is not None:
                        self.assertIn(now["lastExit"]["cause"], cause)
                    # The others are who they were.
                    for other, worker in server.admin.workers().items():
                        if other != slot:
                            self.assertEqual(worker["pid"], before[other]["pid"])
                counted = [kept.finish(), new.finish()]
            for one in counted:
                lost += one["failures"]
                # A dead worker's connections are reset or end; nobody else's do, and no new one is
                # refused or left waiting.
                self.assertEqual(one["refused"] + one["timeout"] + one["malformed"] +
                                 one["status"] + one["body"], 0, counted)
            self.assertGreater(sum(one["requests"] for one in counted), 100)
            self.assertLessEqual(lost, bound, counted)
            pool_checks.report(
                fault, "%d times replaced" % rounds, statistics.median(times), REPLACED,
                "worst %.1f ms, %d requests lost (held %d) of %d" %
                (max(times) * 1000, lost, bound, sum(one["requests"] for one in counted)))
            self.assertEqual(int(server.admin.pool()["restarts"]), rounds)
            baseline.check()
            return lost

    def test_kill_9(self):
        def kill(server, pid):
            os.kill(pid, signal.SIGKILL)
            return time.time()
        lost = self.deaths("kill -9", kill, {"signal": signal.SIGKILL, "status": 0})
        # The client does see what is lost: a kept connection cannot move to another worker.
        self.assertGreater(lost, 0)

    def test_exit_3(self):
        self.deaths("exit 3", lambda server, pid: bring_down(server, "/exit?status=3"),
                    {"signal": 0, "status": 3}, cause=["DEATH_CAUSE_EXITED"])

    def test_abort(self):
        self.deaths("abort", lambda server, pid: bring_down(server, "/abort"),
                    {"signal": signal.SIGABRT, "status": 0}, cause=["DEATH_CAUSE_SIGNALED"])


class PoisonPill(unittest.TestCase):
    def poison(self, seconds, *flags):
        """A request each second that kills its worker; the slots that are given up in the end."""
        healthy = 5
        with pool(*flags) as server:
            with harness.Load(server, "--think=5ms", "--timeout=10s", connections=16,
                              reconnect=True) as load:
                load.wait_for_enough()
                first, began = server.admin.requests(), time.monotonic()
                harness.wait_until(lambda: time.monotonic() > began + healthy, "nothing is wrong")
                usual = (server.admin.requests() - first) / (time.monotonic() - began)
                first, began = server.admin.requests(), time.monotonic()
                without = 0.0
                before = began
                for turn in range(seconds):
                    bring_down(server, "/abort")
                    while time.monotonic() < began + turn + 1:
                        ready = server.admin.pool()["readyWorkers"]
                        now = time.monotonic()
                        without += now - before if ready == 0 else 0
                        before = now
                rate = (server.admin.requests() - first) / (time.monotonic() - began)
                counted = load.finish()
            failed = server.admin.pool()["failedWorkers"]
            print("a poisonous request each second%s: %.0f %% of the usual throughput (mark 90 %%), "
                  "no worker for %.1f of %d s, %d slots failed, %d of %d good requests lost, slowest "
                  "%.0f ms" % (" ".join(["", *flags]), 100 * rate / usual, without, seconds, failed,
                               counted["failures"], counted["requests"], counted["max_ms"]),
                  flush=True)
            self.assertGreater(rate, (1 - 0.1 * pool_checks.GENEROUS) * usual)
            self.assertEqual(counted["refused"] + counted["timeout"], 0, counted)
            # Whoever is at the worker that dies is lost, and nobody else.
            self.assertLessEqual(counted["failures"], 16 * seconds)
            self.assertLess(without, 0.1 * pool_checks.GENEROUS * seconds)
            # Asked for again, the slots have a new start.
            for target in (1, WORKERS):
                result = server.admin.run("resize", str(target), "--wait", "--timeout=30s")
                self.assertEqual(result.returncode, 0, result.stderr)
            pool_checks.Baseline(server).check()
            return failed

    def test_a_request_that_kills_its_worker_each_second(self):
        self.assertEqual(self.poison(10), 0)

    def test_it_ends_no_service_where_breakers_open(self):
        # Soon, as they would after a minute by default.
        failed = self.poison(20, "--breaker_deaths=2")
        self.assertTrue(0 < failed < WORKERS, failed)


class ExitZero(unittest.TestCase):
    def test_a_worker_that_is_done_is_not_replaced_until_somebody_asks(self):
        with pool() as server:
            baseline = pool_checks.Baseline(server)
            began = bring_down(server, "/exit?status=0")
            state = harness.wait_until(
                lambda: server.admin.pool() if server.admin.pool()["doneWorkers"] else None,
                "one worker is done")
            seen = time.time() - began
            self.assertEqual(state["readyWorkers"], WORKERS - 1)
            self.assertEqual(state["restarts"], "0")
            for _ in range(20):
                self.assertEqual(server.get()[0], 200)
            result = server.admin.run("resize", str(WORKERS), "--wait", "--timeout=30s")
            self.assertEqual(result.returncode, 0, result.stderr)
            pool_checks.report("exit 0", "done, seen", seen, REPLACED,
                               "not replaced; a resize to the same number replaces it")
            baseline.check()

    def test_when_all_are_done_the_master_ends_well(self):
        with pool(workers=2) as server:
            bring_down(server, "/exit?status=0")
            began = bring_down(server, "/exit?status=0")
            self.assertEqual(server.wait(), 0)
            pool_checks.report("exit 0 of all", "the master exited 0", time.time() - began, 1.0)
            pool_checks.check_gone(server)


class ManyDeaths(unittest.TestCase):
    def test_twenty_at_once(self):
        with pool(workers=20) as server:
            baseline = pool_checks.Baseline(server)
            with harness.Load(server, "--think=10ms", connections=8, reconnect=True) as load:
                load.wait_for_enough()
                before = baseline.worker_pids()
                held = sum(int(worker["connections"]) for worker in server.admin.workers().values())
                # One wake-up of the master is to find them all.
                os.kill(server.pid, signal.SIGSTOP)
                for pid in before:
                    os.kill(pid, signal.SIGKILL)
                harness.wait_until(lambda: len(pool_checks.zombies(server.pid)) == 20,
                                   "all are dead")
                os.kill(server.pid, signal.SIGCONT)
                began = time.time()

                def all_new():
                    workers = server.admin.workers()
                    new = {worker["pid"] for worker in workers.values()
                           if worker["state"] == "WORKER_STATE_READY"} - before
                    return workers if len(new) == 20 else None
                workers = harness.wait_until(all_new, "all serve again")
                counted = load.finish()
            # A connection that nobody had accepted waits for the next worker.
            self.assertEqual(counted["refused"] + counted["timeout"], 0, counted)
            self.assertLessEqual(counted["failures"], held + 8, counted)
            ready = [pool_checks.seconds_of(worker["readyTime"]) - began
                     for worker in workers.values()]
            pool_checks.report("20 deaths at once", "all replaced", max(ready), REPLACED,
                               "%d requests lost of %d" % (counted["failures"], counted["requests"]))
            self.assertEqual(int(server.admin.pool()["restarts"]), 20)
            baseline.check()

    def test_one_slot_after_the_other_each_100_ms(self):
        seconds = 10
        with pool() as server:
            baseline = pool_checks.Baseline(server)
            cpu, began = harness.cpu_seconds(server.pid), time.monotonic()
            forks = 0
            seen = set(baseline.worker_pids())
            while time.monotonic() - began < seconds:
                for pid in pool_checks.children(server.pid):
                    # The control process is not meant.
                    if pid in seen or pid in baseline.worker_pids():
                        forks += pid not in seen
                        seen.add(pid)
                        try:
                            os.kill(pid, signal.SIGKILL)
                        except ProcessLookupError:
                            pass
                time.sleep(0.1)
            used = (harness.cpu_seconds(server.pid) - cpu) / seconds
            ended = time.monotonic()
            harness.wait_until(lambda: baseline.at_rest(WORKERS), "the pool is whole again", 30)
            pool_checks.report("kill -9 of every worker each 100 ms for 10 s",
                               "%d forks, %.1f %% of a CPU in the master; whole" %
                               (forks, used * 100), time.monotonic() - ended, 5.0)
            # Delays of 0, 0.1, 0.2, 0.4 ... s, up to 20 % less: seven or eight deaths of each slot.
            # Only the last one that serves comes back each time, after 0.1 s at most.
            self.assertLessEqual(forks, 7 * WORKERS + seconds / 0.1)
            self.assertLess(used, 0.05 * pool_checks.GENEROUS)
            baseline.check()


class IgnoredTerm(unittest.TestCase):
    def test_a_worker_that_ignores_term_is_killed(self):
        grace, kill_after = 1.0, 0.5
        with pool("--grace=1s", "--kill_after=500ms", workers=2) as server:
            baseline = pool_checks.Baseline(server)
            client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            client.request("GET", "/block?seconds=60&ignore=TERM")
            # Whoever blocks, the higher slot is the one to go: both have to.
            other = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            other.request("GET", "/block?seconds=60&ignore=TERM")
            harness.wait_until(
                lambda: all("currentRequest" in worker
                            for worker in server.admin.workers().values()),
                "both workers block")
            victim = server.admin.workers()[1]["pid"]
            began = time.monotonic()
            self.assertEqual(server.admin.run("resize", "1").returncode, 0)
            harness.wait_until(lambda: not harness.is_alive(victim), "the worker is gone")
            seconds = time.monotonic() - began
            self.assertGreaterEqual(seconds, (grace + kill_after) * 0.9)
            pool_checks.report("TERM ignored", "killed, past grace and kill_after",
                               seconds - grace - kill_after, 0.2)
            # Asked to stop, so no crash, whatever its end.
            self.assertEqual(server.admin.pool()["restarts"], "0")
            text = server.log_text()
            self.assertIn("SIGTERM to worker 1", text)
            self.assertIn("SIGKILL to worker 1", text)
            # The other one still blocks; its own end is a crash like any other.
            os.kill(server.admin.workers()[0]["pid"], signal.SIGKILL)
            result = server.admin.run("resize", "2", "--wait", "--timeout=30s")
            self.assertEqual(result.returncode, 0, result.stderr)
            client.close()
            other.close()
            baseline.check()


if __name__ == "__main__":
    unittest.main(verbosity=2)
