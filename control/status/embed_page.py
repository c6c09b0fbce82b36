#!/usr/bin/env python3
"""The status page as C++, with the policy that lets a browser run its script and no other.

    embed_page.py status_page.html > status_page.cc
"""

import base64
import hashlib
import re
import sys


def digest(element, page):
    """The hash of the text of the page's only element of that name, as CSP writes it."""
    texts = re.findall("<%s>(.*?)</%s>" % (element, element), page, re.S)
    assert len(texts) == 1, element
    return "'sha256-%s'" % base64.b64encode(hashlib.sha256(texts[0].encode()).digest()).decode()


with open(sys.argv[1], encoding="utf-8") as file:
    page = file.read()
assert ')page"' not in page
print('''#include "squall/control/status/status_page.h"

namespace squall::internal {

const std::string_view kStatusPage = R"page(%s)page";

const std::string_view kStatusPagePolicy =
    "default-src 'none'; script-src %s; style-src %s; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

}  // namespace squall::internal''' % (page, digest("script", page), digest("style", page)))
