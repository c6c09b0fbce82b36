"""Certificates for tests and measurements, made on the spot by openssl(1), so that none ever expires.

    authority = Authority(folder)
    site = authority.issue("site")            # site.certificate and site.key, paths of PEM files
    curl --cacert authority.certificate ...
"""

import os
import subprocess


class Pair:
    def __init__(self, certificate, key):
        self.certificate = certificate
        self.key = key


def _openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


KEYS = {
    "ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-newkey", "rsa:2048"],
}


class Authority:
    """A root of its own, that signs for localhost and 127.0.0.1."""

    def __init__(self, folder):
        self.folder = folder
        self.certificate = os.path.join(folder, "root.pem")
        self.key = os.path.join(folder, "root.key")
        _openssl("req", "-x509", *KEYS["ecdsa"], "-nodes", "-subj", "/CN=test root", "-days", "2",
                 "-keyout", self.key, "-out", self.certificate)

    def issue(self, name, key="ecdsa", days=2, common_name=None):
        """Files NAME.pem and NAME.key, in the place of older ones, each at once. A negative number of
        days: a certificate that has expired."""
        pair = Pair(os.path.join(self.folder, name + ".pem"), os.path.join(self.folder, name + ".key"))
        request = os.path.join(self.folder, name + ".csr")
        _openssl("req", "-new", *KEYS[key], "-nodes", "-subj", "/CN=" + (common_name or name),
                 "-keyout", pair.key + ".new", "-out", request)
        extensions = os.path.join(self.folder, name + ".ext")
        with open(extensions, "w") as file:
            file.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                 "-CAcreateserial", "-days", str(days), "-extfile", extensions, "-out", pair.certificate + ".new")
        for path in (pair.key, pair.certificate):
            os.rename(path + ".new", path)
        return pair
