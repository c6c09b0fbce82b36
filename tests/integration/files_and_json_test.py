#!/usr/bin/env python3
"""What `//:server` serves beside the article's answer, as curl sees it: a directory, JSON, an access log."""

import gzip
import json
import os
import signal
import subprocess
import tempfile
import unittest

import harness

CSS = b"body { color: black }\n" * 100


class Answer:
    def __init__(self, head, body):
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        self.body = body


class FilesAndJson(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.log = os.path.join(directory.name, "access.log")
        self.root = os.path.join(directory.name, "www")
        os.makedirs(os.path.join(self.root, "docs"))
        self.write("site.css", CSS)
        self.write("site.css.gz", gzip.compress(CSS))
        self.write("docs/index.html", b"the index")
        self.write("../secret", b"secret")
        os.symlink("../secret", os.path.join(self.root, "link"))

    def write(self, name, content):
        with open(os.path.join(self.root, name), "wb") as file:
            file.write(content)

    def serve(self, *flags):
        server = harness.Server("--static=" + self.root, *flags)
        self.addCleanup(server.__exit__, None)
        self.url = server.url
        return server

    def curl(self, path, *options):
        output = subprocess.run(["curl", "-sS", "-i", "--path-as-is", "--max-time", "30", *options,
                                 self.url + path], capture_output=True, check=True).stdout
        return Answer(*output.split(b"\r\n\r\n", 1))

    def test_a_directory(self):
        self.serve("--static_list_directories", "--static_precompressed")
        listing = self.curl("static/")
        self.assertEqual(listing.status, 200)
        self.assertIn(b'<a href="./docs/">docs/</a>', listing.body)
        self.assertIn(b'<a href="./site.css">site.css</a>', listing.body)
        self.assertEqual(self.curl("static/docs/").body, b"the index")
        redirect = self.curl("static/docs")
        self.assertEqual((redirect.status, redirect.fields["location"]), (301, "/static/docs/"))
        for path, status in [("static/../secret", 403), ("static/link", 403), ("static/none", 404)]:
            self.assertEqual(self.curl(path).status, status, path)

        plain = self.curl("static/site.css")
        self.assertEqual(plain.body, CSS)
        self.assertEqual(plain.fields["vary"], "Accept-Encoding")
        packed = self.curl("static/site.css", "-H", "Accept-Encoding: gzip")
        self.assertEqual(packed.fields["content-encoding"], "gzip")
        self.assertEqual(len(packed.body), os.path.getsize(os.path.join(self.root, "site.css.gz")))
        self.assertEqual(gzip.decompress(packed.body), CSS)
        self.assertEqual(self.curl("static/site.css", "--compressed").body, CSS)
        part = self.curl("static/site.css", "-r", "5-9")
        self.assertEqual((part.status, part.body), (206, CSS[5:10]))
        known = self.curl("static/site.css", "-H", "If-None-Match: " + plain.fields["etag"])
        self.assertEqual((known.status, known.body), (304, b""))

    def test_compression(self):
        self.serve("--compress_response")
        packed = self.curl("static/site.css", "-H", "Accept-Encoding: gzip")
        self.assertEqual(packed.fields["content-encoding"], "gzip")
        self.assertEqual(self.curl("static/site.css", "--compressed").body, CSS)
        plain = self.curl("static/site.css")
        self.assertEqual((plain.body, plain.fields["vary"]), (CSS, "Accept-Encoding"))

    def test_a_file_that_is_replaced(self):
        self.serve()
        for content in (b"one", b"two and more", b"3"):
            self.write("next", content)
            os.rename(os.path.join(self.root, "next"), os.path.join(self.root, "page"))
            # Of both workers, and of files that they have open already.
            for _ in range(10):
                self.assertEqual(self.curl("static/page").body, content)

    def test_neither_is_on_by_default(self):
        self.serve()
        self.assertEqual(self.curl("static/").status, 404)
        packed = self.curl("static/site.css", "-H", "Accept-Encoding: gzip")
        self.assertEqual(packed.body, CSS)
        self.assertNotIn("vary", packed.fields)

    def test_json(self):
        server = self.serve()
        answer = self.curl("json")
        self.assertEqual(answer.fields["content-type"], "application/json; charset=UTF-8")
        said = json.loads(answer.body)
        self.assertIn(said["pid"], server.first_workers)
        self.assertEqual((said["method"], said["client"]), ("GET", "127.0.0.1"))
        self.assertIn(said["worker"], (0, 1))
        sent = {"a": [1, 2.5, None, True], "b": "\u00e9"}
        as_json = ("-H", "Content-Type: application/json", "-d")
        echoed = self.curl("json", *as_json, json.dumps(sent))
        self.assertEqual(json.loads(echoed.body)["body"], sent)
        broken = self.curl("json", *as_json, '{"a": ')
        self.assertEqual(broken.status, 400)
        self.assertEqual(json.loads(broken.body)["status"], 400)
        form = self.curl("json", "-d", "a=1")
        self.assertEqual(form.status, 415)
        self.assertIn("json", json.loads(form.body)["error"])
        self.assertEqual(self.curl("json", "-X", "PUT").status, 405)

    def test_an_access_log_in_json(self):
        server = self.serve("--access_log_format=json", "--access_log_path=" + self.log)
        for path in ("?n=1", "static/none"):
            self.curl(path, "-A", 'curl "quoted"')

        def lines(name):
            with open(name, encoding="ascii") as file:
                return [json.loads(line) for line in file]
        first, second = lines(self.log)
        self.assertEqual((first["method"], first["uri"], first["status"]), ("GET", "/?n=1", 200))
        self.assertEqual(first["user_agent"], 'curl "quoted"')
        self.assertEqual((second["uri"], second["status"]), ("/static/none", 404))
        self.assertNotIn("/?n=1", server.log_text())

        os.rename(self.log, self.log + ".1")
        server.process.send_signal(signal.SIGUSR1)
        harness.wait_until(lambda: os.path.exists(self.log), "the log is opened anew")

        def logged():
            self.curl("?n=3")
            return any(line["uri"] == "/?n=3" for line in lines(self.log))
        harness.wait_until(logged, "and written to")

    def test_no_access_log(self):
        server = self.serve("--access_log_format=none")
        self.curl("?n=1")
        self.assertNotIn("/?n=1", server.log_text())


if __name__ == "__main__":
    unittest.main(verbosity=2)
