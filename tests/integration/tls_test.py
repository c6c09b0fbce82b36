#!/usr/bin/env python3
"""HTTPS: what curl and openssl(1) see, sessions that any worker resumes, certificates that change."""

import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

import certificates
import harness

VERSIONS = {"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"}


class TlsTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="squall")
        self.addCleanup(directory.cleanup)
        self.folder = directory.name
        self.authority = certificates.Authority(self.folder)
        self.site = self.authority.issue("site")

    def server(self, *flags, **options):
        return harness.Server("--tls_certificate=" + self.site.certificate,
                              "--tls_key=" + self.site.key, *flags, **options)

    def path(self, name):
        return os.path.join(self.folder, name)

    def curl(self, server, *flags):
        return subprocess.run(
            ["curl", "--silent", "--show-error", "--cacert", self.authority.certificate,
             *flags, "https://localhost:%d/" % server.port],
            capture_output=True, text=True, timeout=harness.PATIENCE, check=False)

    def s_client(self, server, *flags):
        """What openssl s_client prints of one request."""
        result = subprocess.run(
            ["openssl", "s_client", "-connect", "127.0.0.1:%d" % server.port, "-servername", "localhost",
             "-CAfile", self.authority.certificate, "-verify_return_error", "-ign_eof", *flags],
            input="GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            capture_output=True, text=True, timeout=harness.PATIENCE, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def context(self):
        return ssl.create_default_context(cafile=self.authority.certificate)

    def request(self, server, context):
        """The server's certificate, and the pid that answered, on a connection of its own."""
        with socket.create_connection(("127.0.0.1", server.port), harness.PATIENCE) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as connection:
                name = dict(entry[0] for entry in connection.getpeercert()["subject"])["commonName"]
                connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answer = b""
                while True:
                    piece = connection.recv(65536)
                    if not piece:
                        break
                    answer += piece
        if not answer.startswith(b"HTTP/1.1 200 OK"):
            raise AssertionError("answered %r" % answer)
        return name, int(answer.rsplit(b"\r\n", 1)[1])


class Clients(TlsTest):
    def test_curl(self):
        with self.server() as server:
            self.assertIn("https://127.0.0.1:%d/" % server.port, server.announcement)
            for flags in [(), ("--tlsv1.3",), ("--tlsv1.2", "--tls-max", "1.2"), ("--http1.1",)]:
                result = self.curl(server, "--write-out", "%{http_code} %{http_version}", *flags)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertRegex(result.stdout, r"^\d+\n200 1.1$")
            # Nobody who does not trust the root gets through, and nobody with TLS 1.1.
            self.assertEqual(self.curl(server, "--cacert", "/etc/hostname").returncode, 77)
            old = self.curl(server, "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0")
            self.assertEqual(old.returncode, 35, old.stderr)

    def test_openssl(self):
        with self.server() as server:
            for flag, version in VERSIONS.items():
                text = self.s_client(server, flag, "-alpn", "h2,http/1.1")
                self.assertIn("New, %s, Cipher is " % version, text)
                self.assertIn("ALPN protocol: http/1.1", text)
                self.assertIn("Verify return code: 0 (ok)", text)
                self.assertIn("HTTP/1.1 200 OK", text)

    def test_plain_http_is_told_apart(self):
        with self.server() as server:
            with socket.create_connection(("127.0.0.1", server.port), harness.PATIENCE) as plain:
                plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertNotIn(b"200 OK", plain.recv(1000))
            sentence = "the client speaks plain HTTP, but this is a TLS port"
            harness.wait_until(lambda: sentence in server.log_text(), sentence)
            self.assertEqual(self.curl(server).returncode, 0)

    def test_client_certificates(self):
        alice = self.authority.issue("alice")
        with self.server("--tls_client_certificate=required",
                         "--tls_client_ca=" + self.authority.certificate) as server:
            self.assertNotEqual(self.curl(server).returncode, 0)
            sentence = "the client has shown no certificate, and one is required"
            harness.wait_until(lambda: sentence in server.log_text(), sentence)
            shown = self.curl(server, "--cert", alice.certificate, "--key", alice.key)
            self.assertEqual(shown.returncode, 0, shown.stderr)


class Resumption(TlsTest):
    def resume_in_another_worker(self, server, flag):
        session = self.path("session")
        first = self.s_client(server, flag, "-sess_out", session)
        self.assertIn("New, ", first)
        pid = re.search(r"^(\d+)$", first, re.M)[1]
        for _ in range(50):
            text = self.s_client(server, flag, "-sess_in", session)
            self.assertIn("Reused, %s" % VERSIONS[flag], text)
            other = re.search(r"^(\d+)$", text, re.M)[1]
            if other != pid:
                return
        self.fail("50 connections came to the same worker")

    def test_any_worker_resumes(self):
        with self.server(workers=2) as server:
            for flag in VERSIONS:
                self.resume_in_another_worker(server, flag)

    def test_workers_that_came_later_resume(self):
        with self.server(workers=2) as server:
            for flag in VERSIONS:
                session = self.path("session" + flag)
                self.s_client(server, flag, "-sess_out", session)
            before = set(server.first_workers)
            os.kill(server.pid, signal.SIGHUP)
            harness.wait_until(
                lambda: before.isdisjoint(worker.get("pid") for worker in
                                          server.admin.workers().values()), "a rolling restart")
            for flag in VERSIONS:
                text = self.s_client(server, flag, "-sess_in", self.path("session" + flag))
                self.assertIn("Reused, ", text)


class Rotation(TlsTest):
    def test_new_certificates_under_load_fail_no_handshake(self):
        with self.server(workers=2) as server:
            seen, failures = set(), []
            stop = threading.Event()

            def shake_hands():
                while not stop.is_set():
                    try:
                        seen.add(self.request(server, self.context())[0])
                    except Exception as error:  # pylint: disable=broad-except
                        failures.append(error)

            clients = [threading.Thread(target=shake_hands) for _ in range(4)]
            for client in clients:
                client.start()
            try:
                for round_ in range(3):
                    name = "site of round %d" % round_
                    self.authority.issue("site", common_name=name)
                    os.kill(server.pid, signal.SIGHUP)
                    harness.wait_until(lambda: name in seen, name)
            finally:
                stop.set()
                for client in clients:
                    client.join()
            self.assertEqual(failures, [])
            # All that answers now has the last one.
            harness.wait_until(lambda: {self.request(server, self.context())[0] for _ in range(10)} ==
                               {"site of round 2"}, "the last certificate alone")

    def test_a_kept_connection_is_answered_and_told_to_close(self):
        ask = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with self.server(workers=1) as server:
            with socket.create_connection(("127.0.0.1", server.port), harness.PATIENCE) as plain:
                # An end of the connection that is not TLS's own is an SSLEOFError.
                with self.context().wrap_socket(plain, server_hostname="localhost",
                                                suppress_ragged_eofs=False) as kept:
                    kept.sendall(ask)
                    self.assertNotIn(b"Connection: close", self.answer(kept))
                    self.authority.issue("site", common_name="the new site")
                    os.kill(server.pid, signal.SIGHUP)
                    harness.wait_until(
                        lambda: self.request(server, self.context())[0] == "the new site",
                        "the new certificate")

                    def told_to_close():
                        kept.sendall(ask)
                        return b"\r\nConnection: close\r\n" in self.answer(kept)

                    harness.wait_until(told_to_close, "the end of the old worker")
                    self.assertEqual(kept.recv(1), b"")

    def answer(self, connection):
        """The head of one answer, whose body is read as well."""
        text = b""
        while b"\r\n\r\n" not in text:
            text += self.receive(connection)
        head, body = text.split(b"\r\n\r\n", 1)
        self.assertTrue(head.startswith(b"HTTP/1.1 200"), head)
        size = int(re.search(rb"Content-Length: (\d+)", head)[1])
        while len(body) < size:
            body += self.receive(connection)
        self.assertEqual(len(body), size)
        return head + b"\r\n"

    def receive(self, connection):
        some = connection.recv(65536)
        self.assertNotEqual(some, b"", "the connection was cut")
        return some

    def test_bad_files_keep_the_old_ones(self):
        with self.server(workers=2) as server:
            other = self.authority.issue("other")
            os.rename(other.key, self.site.key)
            os.kill(server.pid, signal.SIGHUP)
            refusal = ("refused, the workers stay: --tls_key=%s: tls.key: the private key %s is not the "
                       "one of the certificate %s" %
                       (self.site.key, self.site.key, self.site.certificate))
            harness.wait_until(lambda: refusal in server.log_text(), refusal)
            self.assertEqual(self.request(server, self.context())[0], "site")
            os.remove(self.site.certificate)
            os.kill(server.pid, signal.SIGHUP)
            harness.wait_until(lambda: "No such file or directory" in server.log_text(), "the sentence")
            self.assertEqual(self.request(server, self.context())[0], "site")


class Check(TlsTest):
    def check(self, text):
        with open(self.path("server.conf"), "w") as file:
            file.write(text)
        result = subprocess.run(
            [harness.program("SQUALL_SERVER"), "--config=server.conf", "--check-config"],
            capture_output=True, text=True, timeout=harness.PATIENCE, check=False, cwd=self.folder,
            stdin=subprocess.DEVNULL)
        return result.returncode, result.stdout + result.stderr

    def test_each_mistake_has_its_sentence(self):
        self.authority.issue("expired", days=-1)
        self.authority.issue("other")
        self.assertEqual(
            self.check('tls {\n  certificate: "site.pem"\n  key: "site.key"\n}\n'),
            (0, "server.conf: OK\n"))
        for text, error in [
                ('tls {\n  certificate: "no.pem"\n  key: "site.key"\n}\n',
                 r'server\.conf:2:3: tls\.certificate: cannot read the certificate no\.pem: No such file '
                 r'or directory'),
                ('tls {\n  certificate: "site.pem"\n  key: "no.key"\n}\n',
                 r'server\.conf:3:3: tls\.key: cannot read the private key no\.key: No such file'),
                ('tls {\n  certificate: "site.pem"\n  key: "other.key"\n}\n',
                 r'server\.conf:3:3: tls\.key: the private key other\.key is not the one of the '
                 r'certificate site\.pem'),
                ('tls {\n  certificate: "expired.pem"\n  key: "expired.key"\n}\n',
                 r'server\.conf:2:3: tls\.certificate: the certificate expired\.pem of "expired" has '
                 r'expired on 20..-..-.. ..:.. UTC; it has to be renewed'),
                ('tls {\n  certificate: "site.key"\n  key: "site.pem"\n}\n',
                 r'are the two files swapped\?'),
                ('tls {\n  certificate: "site.pem"\n  certificate: "other.pem"\n  key: "site.key"\n}\n',
                 r'server\.conf:4:3: tls\.key: "site\.key" is not one of 2 keys for 2 certificates'),
                ('tls {\n  certificate: "site.pem"\n  key: "site.key"\n  ciphers: "ROT13"\n}\n',
                 r'server\.conf:4:3: tls.ciphers: tls ciphers "ROT13" is nothing that OpenSSL can use'),
        ]:
            status, said = self.check(text)
            self.assertEqual(status, 2, text)
            self.assertRegex(said, error)


if __name__ == "__main__":
    unittest.main()
