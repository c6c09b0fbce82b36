#!/usr/bin/env python3
"""Clients that people have, against the fixture server: Python's http.client and requests, Node's
fetch, curl. Keep-alive, forms, JSON, uploads whole and in chunks, events, ranges, gzip, HEAD and
`100 Continue`, each through the client's own code."""

import email.utils
import http.client
import io
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import harness

try:
    import requests
except ImportError:
    requests = None

FILE = bytes(range(256)) * 1200  # 300 KiB


class Fixture:
    """A server with compression and files, for the time of a test class."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="squall-clients-")
        os.mkdir(os.path.join(self.folder.name, "static"))
        with open(os.path.join(self.folder.name, "static", "file.bin"), "wb") as file:
            file.write(FILE)
        self.process = subprocess.Popen(
            [harness.program("SQUALL_FIXTURE_SERVER"), "--port=0", "--static_root=" + self.folder.name,
             '--options={"compress_response": true, "decompress_request": true}'],
            stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])
        self.url = "http://127.0.0.1:%d" % self.port

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.close()
        status = self.process.wait(harness.PATIENCE)
        self.folder.cleanup()
        if status != 0:
            raise AssertionError("the server ended with %d" % status)


class ClientsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Fixture()
        cls.addClassCleanup(cls.server.close)


class HttpClientTest(ClientsTest):
    def setUp(self):
        self.client = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=harness.PATIENCE)
        self.addCleanup(self.client.close)

    def ask(self, method, target, body=None, headers=None, **options):
        self.client.request(method, target, body, headers or {}, **options)
        response = self.client.getresponse()
        return response, response.read()

    def test_one_connection_for_all_kinds_of_requests(self):
        self.client.connect()
        socket = self.client.sock
        response, body = self.ask("GET", "/hello")
        self.assertEqual((response.status, body), (200, b"Hello world"))
        response, body = self.ask("HEAD", "/large")
        self.assertEqual((response.status, body), (200, b""))
        self.assertEqual(response.headers["Content-Length"], "524288")
        response, body = self.ask("POST", "/hello", b"x" * 100000)
        self.assertEqual(body, b"Got 100000 bytes in POST")
        response, body = self.ask("PUT", "/streaming", iter([b"a" * 70000, b"b", b"c" * 3]),
                                  encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
        self.assertEqual((response.status, body), (200, b"70004"))
        response, body = self.ask("GET", "/s204")
        self.assertEqual((response.status, body), (204, b""))
        response, body = self.ask("GET", "/flush")
        self.assertEqual(body, b"ok")
        self.assertEqual(response.headers["Transfer-Encoding"], "chunked")
        self.assertIs(self.client.sock, socket)

    def test_ranges_and_conditions(self):
        response, body = self.ask("GET", "/static/file.bin", headers={"Range": "bytes=1000-1999"})
        self.assertEqual((response.status, body), (206, FILE[1000:2000]))
        self.assertEqual(response.headers["Content-Range"], "bytes 1000-1999/%d" % len(FILE))
        response, body = self.ask("GET", "/static/file.bin", headers={"Range": "bytes=-10"})
        self.assertEqual((response.status, body), (206, FILE[-10:]))
        response, body = self.ask("GET", "/static/file.bin", headers={"Range": "bytes=999999-"})
        self.assertEqual(response.status, 416)
        response, body = self.ask("GET", "/static/file.bin")
        self.assertTrue(body == FILE)
        self.assertIsNotNone(email.utils.parsedate(response.headers["Last-Modified"]))
        response, body = self.ask("GET", "/static/file.bin",
                                  headers={"If-None-Match": response.headers["Etag"]})
        self.assertEqual((response.status, body), (304, b""))

    def test_events_come_one_by_one(self):
        self.client.request("GET", "/events")
        response = self.client.getresponse()
        self.assertEqual(response.headers["Content-Type"], "text/event-stream")
        lines = [response.readline() for _ in range(9)]
        self.assertEqual(lines[1::3], [b"data: event %d\n" % i for i in (1, 2, 3)])
        self.assertEqual(response.read(), b"")


@unittest.skipIf(requests is None, "python3-requests is not installed")
class RequestsTest(ClientsTest):
    def setUp(self):
        self.session = requests.Session()
        self.addCleanup(self.session.close)

    def ask(self, method, path, **options):
        return self.session.request(method, self.server.url + path, timeout=harness.PATIENCE, **options)

    def test_forms_and_json(self):
        answer = self.ask("POST", "/echo?a=1", data={"b": ["2", "ü &="]})
        self.assertEqual(answer.json(), {"a": ["1"], "b": ["2", "ü &="]})
        answer = self.ask("POST", "/hello", json={"a": [1, 2]})
        self.assertEqual(answer.text, "Got 13 bytes in POST")

    def test_multipart_upload(self):
        answer = self.ask("POST", "/multipart", data={"title": "two"}, files=[
            ("f", ("a.txt", io.BytesIO(b"first"), "text/plain")),
            ("f", ("b.txt", io.BytesIO(b"x" * 100000), "text/plain"))])
        self.assertEqual(answer.json(), {
            "args": {"title": ["two"]},
            "files": {"f": [["a.txt", "first", "text/plain"], ["b.txt", "x" * 100000, "text/plain"]]}})

    def test_chunked_upload(self):
        answer = self.ask("PUT", "/streaming", data=(b"x" * size for size in (1, 10, 100000)))
        self.assertEqual(answer.text, "100011")

    def test_gzip_both_ways(self):
        answer = self.ask("GET", "/compressible")
        self.assertEqual(answer.headers["Content-Encoding"], "gzip")
        self.assertIn("Accept-Encoding", answer.headers["Vary"])
        self.assertEqual(answer.text, "hello world" + "!" * 1024)

    def test_cookies_and_redirects(self):
        answer = self.ask("GET", "/set_cookie")
        self.assertEqual(self.session.cookies["str"], "asdf")
        self.session.cookies["foo"] = "bar"
        self.assertEqual(self.ask("GET", "/get_cookie").text, "bar")
        answer = self.ask("GET", "/src2", allow_redirects=False)
        self.assertTrue(answer.headers["Location"].startswith("/dst2?foo=bar"))

    def test_streamed_download_and_events(self):
        answer = self.ask("GET", "/static/file.bin", stream=True)
        self.assertTrue(b"".join(answer.iter_content(1000)) == FILE)
        answer = self.ask("GET", "/events", stream=True)
        data = [line for line in answer.iter_lines() if line.startswith(b"data")]
        self.assertEqual(data, [b"data: event 1", b"data: event 2", b"data: event 3"])

    def test_large_body_is_refused_and_the_session_goes_on(self):
        answer = self.ask("PUT", "/streaming?expected_size=10", data=b"x" * 100)
        self.assertEqual(answer.status_code, 413)
        self.assertEqual(self.ask("GET", "/hello").text, "Hello world")


# Prints one JSON object a line, what each step has seen.
NODE = """
const url = process.argv[2];
const say = (value) => console.log(JSON.stringify(value));
(async () => {
  say(await (await fetch(url + "/echo?a=1", {method: "POST", body: new URLSearchParams({b: "ü &="})})).json());
  const form = new FormData();
  form.append("title", "two");
  form.append("f", new Blob(["first"], {type: "text/plain"}), "a.txt");
  say(await (await fetch(url + "/multipart", {method: "POST", body: form})).json());
  const pieces = new ReadableStream({
    start(controller) {
      for (const size of [1, 10, 100000]) controller.enqueue(new Uint8Array(size));
      controller.close();
    }
  });
  say(await (await fetch(url + "/streaming", {method: "PUT", body: pieces, duplex: "half"})).text());
  const packed = await fetch(url + "/compressible");
  say([packed.headers.get("content-encoding"), (await packed.text()).length]);
  const part = await fetch(url + "/static/file.bin", {headers: {Range: "bytes=256-259"}});
  say([part.status, Array.from(new Uint8Array(await part.arrayBuffer()))]);
  const head = await fetch(url + "/large", {method: "HEAD"});
  say([head.status, (await head.text()).length]);
  let events = "";
  for await (const piece of (await fetch(url + "/events")).body) events += Buffer.from(piece).toString();
  say(events.split("\\n\\n").length);
  const answers = await Promise.all(Array.from({length: 50}, () => fetch(url + "/hello").then((a) => a.text())));
  say(answers.every((text) => text === "Hello world"));
})();
"""


@unittest.skipIf(shutil.which("node") is None, "node is not installed")
class NodeTest(ClientsTest):
    def test_fetch(self):
        with tempfile.NamedTemporaryFile("w", suffix=".js", encoding="utf-8") as script:
            script.write(NODE)
            script.flush()
            result = subprocess.run(["node", script.name, self.server.url], capture_output=True, text=True,
                                    timeout=harness.PATIENCE, check=False)
        if "fetch is not defined" in result.stderr:
            self.skipTest("this node has no fetch")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual([json.loads(line) for line in result.stdout.splitlines()], [
            {"a": ["1"], "b": ["ü &="]},
            {"args": {"title": ["two"]}, "files": {"f": [["a.txt", "first", "text/plain"]]}},
            "100011", ["gzip", 1035], [206, [0, 1, 2, 3]], [200, 0], 4, True])


class CurlTest(ClientsTest):
    def curl(self, *arguments, data=None):
        result = subprocess.run(["curl", "--silent", "--show-error", *arguments], input=data,
                                capture_output=True, timeout=harness.PATIENCE, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout, result.stderr.decode()

    def test_continue(self):
        body, log = self.curl("-v", "-X", "PUT", "-H", "Expect: 100-continue", "--data-binary", "@-",
                              self.server.url + "/streaming", data=b"x" * 100000)
        self.assertEqual(body, b"100000")
        self.assertIn("< HTTP/1.1 100 Continue", log)

    def test_refused_before_the_body(self):
        body, log = self.curl("-v", "-X", "PUT", "-H", "Expect: 100-continue", "--data-binary", "@-",
                              self.server.url + "/streaming?expected_size=10", data=b"x" * 100000)
        self.assertIn("< HTTP/1.1 413", log)
        self.assertNotIn("100 Continue", log)

    def test_upload_in_chunks_gzip_and_a_kept_connection(self):
        body, _ = self.curl("-T", "-", self.server.url + "/streaming", data=b"x" * 300000)
        self.assertEqual(body, b"300000")
        body, _ = self.curl("--compressed", self.server.url + "/compressible")
        self.assertEqual(body, b"hello world" + b"!" * 1024)
        body, log = self.curl("-v", *[self.server.url + "/hello"] * 3)
        self.assertEqual(body, b"Hello world" * 3)
        self.assertEqual(log.count("Connected to"), 1)

    def test_resumed_download(self):
        with tempfile.NamedTemporaryFile() as part:
            part.write(FILE[:100000])
            part.flush()
            self.curl("-C", "-", "-o", part.name, self.server.url + "/static/file.bin")
            with open(part.name, "rb") as whole:
                self.assertTrue(whole.read() == FILE)


if __name__ == "__main__":
    unittest.main()
