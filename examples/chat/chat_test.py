#!/usr/bin/env python3
"""Everyone reads what one says, at every worker; who does not read is cut off."""

import os
import signal
import unittest

from example_program import PATIENCE, Program

WORKERS = 3


class ChatTest(unittest.TestCase):
    def setUp(self):
        self.program = Program("CHAT", "--listen=127.0.0.1:0", "--workers=%d" % WORKERS)
        self.addCleanup(self.program.__exit__)
        self.program.wait_for_log("is ready", count=WORKERS)
        self.members = []

    def join(self, name):
        """A client that has said its name and has heard that it has come."""
        client = self.program.connect()
        self.addCleanup(client.close)
        self.assertEqual(client.line(), "Your name?")
        client.send(name + "\n")
        for member in self.members + [client]:
            self.assertEqual(member.line(), "* %s has come" % name)
        self.members.append(client)
        return client

    def assert_all_hear(self, line):
        for member in self.members:
            self.assertEqual(member.line(), line)

    def wait_for_line(self, client, expected):
        """Reads on until this line; what comes before it does not matter."""
        for line in iter(client.line, ""):
            if line == expected:
                return
        self.fail("the connection ended before %r" % expected)

    def test_everyone_hears_everyone(self):
        # More than workers: some share one, some do not.
        for i in range(2 * WORKERS):
            self.join("n%d" % i)
        for i, member in enumerate(self.members):
            member.send("hello from %d\n" % i)
            self.assert_all_hear("n%d: hello from %d" % (i, i))

    def test_who_goes_is_told(self):
        anna, bert = self.join("anna"), self.join("bert")
        bert.send("/quit\n")
        self.assertEqual(anna.line(), "* bert has gone")
        anna.send("so quiet\n")
        self.assertEqual(anna.line(), "anna: so quiet")

    def test_a_name_is_asked_for_until_there_is_one(self):
        client = self.program.connect()
        self.addCleanup(client.close)
        for wrong in ("\n", "   \n", "\x1b\x07\n", "x" * 33 + "\n"):
            self.assertEqual(client.line(), "Your name?")
            client.send(wrong)
        self.assertEqual(client.line(), "Your name?")
        client.send("carl\n")
        self.assertEqual(client.line(), "* carl has come")

    def test_control_characters_are_left_out(self):
        anna = self.join("anna")
        anna.send("a\x1b\x07b\u009bc\u00e9\u20ac\r\n")
        self.assertEqual(anna.line(), "anna: abc\u00e9\u20ac")

    def test_a_long_paste_cuts_nobody_off(self):
        anna = self.join("anna")
        anna.send("line\n" * 1200 + "end\n")
        for _ in range(1200):
            self.assertEqual(anna.line(), "anna: line")
        self.assertEqual(anna.line(), "anna: end")

    def test_who_does_not_read_is_cut_off(self):
        anna, deaf = self.join("anna"), self.join("deaf")
        self.members.remove(deaf)
        text = "x" * 900
        for _ in range(100000):
            anna.send(text + "\n")
            if anna.line() == "* deaf has gone":
                break
        else:
            self.fail("its lines were kept for ever")
        # The other answer of that round, or what follows it.
        anna.send("done\n")
        self.wait_for_line(anna, "anna: done")

    def test_a_worker_that_dies_takes_its_members_alone(self):
        self.program.wait_for_log("is ready", count=WORKERS)  # so that each gets its share
        clients = [self.join("n%d" % i) for i in range(2 * WORKERS)]
        os.kill(self.program.workers()[0], signal.SIGKILL)
        self.program.wait_for_log("is ready", count=WORKERS + 1)
        lost, rest = [], []
        for client in clients:
            try:
                client.send("hm\n")
                (rest if client.line() else lost).append(client)
            except (ConnectionResetError, BrokenPipeError):
                lost.append(client)
        self.assertTrue(lost and rest, "%d of %d lost" % (len(lost), len(clients)))
        # The new worker hears the others and is heard.
        anew = [self.program.connect() for _ in range(2 * WORKERS)]
        for i, client in enumerate(anew):
            self.addCleanup(client.close)
            client.send("m%d\n" % i)
            self.wait_for_line(client, "* m%d has come" % i)
        anew[0].send("all here\n")
        for client in anew[1:] + rest:
            self.wait_for_line(client, "m0: all here")

    def test_a_stop_says_good_bye(self):
        anna = self.join("anna")
        self.program.process.send_signal(signal.SIGTERM)
        self.assertEqual(anna.line(), "* The server stops. Come again.")
        self.assertTrue(anna.at_end())
        self.assertEqual(self.program.process.wait(PATIENCE), 0)

    def test_a_rolling_restart_ends_in_a_chat_of_new_workers(self):
        before = self.program.workers()
        self.program.process.send_signal(signal.SIGHUP)
        self.program.wait_for_log("is ready", count=2 * WORKERS)
        self.assertFalse(set(before) & set(self.program.workers()))
        for i in range(2 * WORKERS):
            self.join("n%d" % i)
        self.members[0].send("new\n")
        self.assert_all_hear("n0: new")


if __name__ == "__main__":
    unittest.main()
