"""Stands between a client and a server, passes on every octet, and keeps what the client has sent, a
string of octets for each connection."""

import socket
import threading


class Relay:
    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sent, self.answered = [], []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def requests(self):
        """The heads of all requests, of each connection in their order. Bodies of the clients here hold
        no such line."""
        found = []
        for data in self.sent:
            heads = [head.split(b"\r\n\r\n")[0] for head in bytes(data).split(b" HTTP/1.1\r\n")[1:]]
            found.append([head.decode("latin-1") for head in heads])
        return found

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            for one, other, keep in ((client, server, self.sent), (server, client, self.answered)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                keep.append(bytearray())
                threading.Thread(target=self._pass_on, args=(one, other, keep[-1]), daemon=True).start()

    @staticmethod
    def _pass_on(source, target, kept):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                kept += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, target):
                end.close()
