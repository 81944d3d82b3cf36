"""Records what aiohttp 3.14 does with cookies: writes the files beside this one, a case per line.

    python tests/http/recorded/record.py
"""

import asyncio
import json
import random
from http.cookies import Morsel
from pathlib import Path

from aiohttp import CookieJar
from aiohttp._cookie_helpers import parse_cookie_header, parse_set_cookie_headers
from yarl import URL

HERE = Path(__file__).parent

# Older than CPython 3.14.
Morsel._reserved.setdefault("partitioned", "Partitioned")
Morsel._flags.add("partitioned")

# Each line is about one thing that servers do.
SET_COOKIE = [
    [""],
    ["a=b"],
    ["a="],
    ["a"],
    ["a=b; Path=/; Domain=x.example; Secure; HttpOnly; SameSite=Lax"],
    ["a=b;Path=/;secure"],
    ["a=b; PATH=/x; SECURE; hTTPonly"],
    ["a=b; Partitioned; Secure"],
    ["a=b; Secure=1; HttpOnly=false; Partitioned=no"],
    ["a=b; Version=1; Comment=hello"],
    ['a=b; Comment="hello; there"'],
    ["a=b; Max-Age=60; Expires=Wed, 09 Jun 2021 10:18:14 GMT; c=d"],
    ["a=b; Expires=Wed, 09-Jun-2021 10:18:14 GMT; Path=/"],
    ["a=b; Expires=Wednesday, 09-Jun-21 10:18:14 GMT; Path=/"],
    ["a=b; Expires=Wed, 09 Jun 2021 10:18:14 -0000; Path=/"],
    ["a=b; Expires=Wed, 09 Jun 2021 10:18:14 +0130; Path=/"],
    ["a=b; Expires=Wed Jun  9 10:18:14 2021; Path=/"],
    ["a=b; Expires=soon; Path=/"],
    ["a=b; Expires=0; Path=/"],
    ["a=b; Expires; Path=/"],
    ["a=b; Path; Secure"],
    ["Path=/; a=b"],
    ["Secure; a=b"],
    ["expires=1"],
    ["$Version=1; a=b; $Path=/x; $Port=80"],
    ["a=b; c=d; Path=/x; e=f; Secure"],
    ["a=b c=d; Path=/"],
    ["a=b, c=d"],
    ["a=b", "c=d; Path=/", "a=e"],
    ["a = b ; Path = /x "],
    ['a="b c"; Path=/'],
    ['a="b;c"; Path=/'],
    ['a="b\\"c"; Path=/'],
    ['a="b\\073c\\054"'],
    ['a="\\""'],
    ['a="'],
    ['a=""'],
    ['a="unclosed; Path=/x; c=d'],
    ['a=un"closed; Path=/x'],
    ['a=b"; c=d'],
    ['"a"=b; c=d'],
    ['a="b"c; d=e'],
    ["a={x:1}; c=[y]"],
    ["a(b)=c; d{e}=f; g[h]=i; j/k=l"],
    ["a:b=c; d@e=f; g?h=i; j<k>=l"],
    ["a,b=c; Path=/x; d=e"],
    ["a\\b=c; d=e"],
    ["a b=c; d=e"],
    ["ISAWPLB{A7F52349-3531-4DA9-8776-F74BC6F4F1BB}={925EC0B8-CB17-4BEB-8A35-1033813B0523}; HttpOnly; Path=/"],
    ["a=b=c==; d=e"],
    ["=b; c=d"],
    ["; a=b"],
    ["a=b;; c=d"],
    ["a=b;"],
    ["a=\xe9; c=d"],
    ["\xe9=a; c=d"],
    ["a=b\tc=d"],
    ["a=b; unknown; c=d"],
    ["a=b; unknown=x; Path=/"],
    ["a=b; Domain=x; domain=y; Path=/1; path=/2"],
    ["__proto__=1; constructor=2; toString=3; hasOwnProperty=4"],
    ["a=" + "x" * 200 + "; Path=/"],
    ['a="x\\012y"; c=d'],
    ["a=b; Path=; c=d"],
    ["a=b; Domain=; Secure"],
    ["a=b; HttpOnly Secure"],
    ["a=b; SameSite=None; SameSite=Strict"],
]
COOKIE = [
    "",
    "a=b",
    "a=b; c=d",
    "a=b;c=d",
    "a=b;; c=d;",
    "path=/x; domain=y; secure=1; expires=2; max-age=3; httponly=4",
    "a; b=c",
    "a=; b=c",
    'a="b;c"; d=e',
    'a="b\\073c"; d=e',
    'a="unclosed; c=d',
    'g_state={"i_l":0,"i_ll":12345}; sid=1',
    'a={"x": "y; z"}; b=c',
    "a,b=c; d=e",
    "a\\b=c; d=e",
    "\\; a=b",
    "a b=c; d=e",
    "a=b c; d=e",
    "=a; b=c",
    "a==b; c",
    "$Version=1; a=b",
    "a=b, c=d",
    "a[x]=b; c{y}=d; e(z)=f",
    "a\tb=c; d\ne=f; g=h",
    "  a  =  b  ;  c  =  d  ",
    "a=\xe9; b=c",
    "\xe9=a; b=c",
    "__proto__=1; constructor=2",
    "a=b; a=c",
    'a=""; b="',
    "a=Wed, 09 Jun 2021 10:18:14 GMT; b=c",
    ";;;",
    "a",
    "\\",
    "a=b\\;c=d",
    "key with spaces=value; ok=1",
]

NAMES = ["a", "b", "sid", "__proto__", "x-y", "a[0]", "path", "Secure"]
VALUES = ["1", "", '"q"', '"s p"', "v=w", "a/b", "{x}", '"\\073"', "\xfc", '"open', "a b", "a,b"]
ATTRIBUTES = [
    "Path=/", "path=/a", "Path=/a/", "Path=/a/b", "Path=rel", "Domain=shop.example", "domain=.www.shop.example",
    "Domain=other.example", "Domain=shop.example.", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age=0", "Max-Age=-5",
    "max-age=100000", "Max-Age=x", "Expires=Thu, 01 Jan 1970 00:00:01 GMT", "Expires=Tue, 01 Jan 2999 12:00:00 GMT",
    "Expires=nonsense", "Partitioned",
]
# "a b" would end a cookie before its attributes.
JAR_VALUES = [value for value in VALUES if value != "a b"]
JAR_NAMES = [letter + digit for letter in "abc" for digit in "0123"]
URLS = [
    "http://shop.example/", "https://shop.example/a", "http://www.shop.example/a/b", "https://www.shop.example/a/b/c",
    "https://x.www.shop.example/", "http://other.example/a/", "https://other.example:8443/ab", "http://127.0.0.1/a",
    "https://[::1]/", "ws://shop.example/a/b", "wss://www.shop.example/a",
]


def plain(name, morsel):
    return [name, morsel.value, morsel.coded_value, {k: v for k, v in sorted(morsel.items()) if v}]


def random_header(rng):
    parts = [f"{rng.choice(NAMES)}={rng.choice(VALUES)}"]
    parts += rng.sample(ATTRIBUTES, rng.randint(0, 4))
    if rng.random() < 0.2:
        parts.insert(rng.randrange(len(parts) + 1), rng.choice(["", "junk", "$Path=/z", "z=9", " ", "=", '"']))
    return rng.choice(["; ", ";", " ; "]).join(parts)


def record_headers():
    rng = random.Random(1)
    set_cookie = SET_COOKIE + [[random_header(rng) for _ in range(rng.randint(1, 2))] for _ in range(150)]
    cookie = COOKIE + [
        "; ".join(f"{rng.choice(NAMES)}={rng.choice(VALUES)}" for _ in range(rng.randint(1, 4))) for _ in range(80)
    ]
    for headers in set_cookie:
        yield {"setCookie": headers, "cookies": [plain(*pair) for pair in parse_set_cookie_headers(headers)]}
    for header in cookie:
        yield {"cookie": header, "cookies": [plain(*pair) for pair in parse_cookie_header(header)]}


# What the client does otherwise by intention is left out: public suffixes, domains in capitals, percent signs in paths,
# Secure cookies that are replaced without TLS, one name with several scopes or twice in a response, and Expires at the very
# start of 1970, which aiohttp takes for no time at all.


def contents(jar):
    """Every cookie with the domain and path that it is kept under."""
    return sorted(
        [f"{domain}|{path}", *plain(name, morsel)]
        for (domain, path), cookies in jar.cookies.items()
        for name, morsel in cookies.items()
    )


def random_options(rng):
    options = {}
    if rng.random() < 0.3:
        options["unsafe"] = True
    if rng.random() < 0.2:
        options["quote_cookie"] = False
    if rng.random() < 0.2:
        options["treat_as_secure_origin"] = "http://shop.example"
    return options


def record_jar(rng):
    """A jar that is used a few times. Cookies of one name always have the same scope, see the test."""
    options = random_options(rng)
    jar = CookieJar(**options)
    scopes = {}
    steps = []
    for _ in range(rng.randint(4, 14)):
        url = rng.choice(URLS)
        if rng.random() < 0.6:
            headers = []
            for name in rng.sample(JAR_NAMES, rng.randint(1, 3)):
                if name not in scopes:
                    chosen = rng.sample([a for a in ATTRIBUTES if not a.lower().startswith(("max", "exp", "sec"))], 2)
                    secure = ["Secure"] if rng.random() < 0.3 else []
                    scopes[name] = chosen + secure
                lifetime = [a for a in ATTRIBUTES if a.lower().startswith(("max", "exp"))]
                attributes = scopes[name] + rng.sample(lifetime, rng.randint(0, 1))
                headers.append("; ".join([f"{name}={rng.choice(JAR_VALUES)}", *attributes]))
            # A cookie that is set by way of TLS alone cannot be replaced without.
            if any("Secure" in header for header in headers):
                url = "https" + url[url.index(":"):]
            jar.update_cookies_from_headers(headers, URL(url))
            steps.append({"url": url, "headers": headers})
        elif rng.random() < 0.15:
            jar.update_cookies({"all": str(rng.randrange(9))})
            steps.append({"shared": {"all": next(m.value for m in jar if m.key == "all")}})
        else:
            sent = jar.filter_cookies(URL(url))
            steps.append({"url": url, "sent": [plain(name, morsel) for name, morsel in sent.items()]})
    host_only = sorted("|".join(key) for key in jar.host_only_cookies)
    return {"options": options, "steps": steps, "kept": contents(jar), "hostOnly": host_only}


async def main():
    rng = random.Random(2)
    files = {"cookie-headers.jsonl": record_headers(), "cookie-jars.jsonl": (record_jar(rng) for _ in range(100))}
    for name, cases in files.items():
        lines = [json.dumps(case, ensure_ascii=False, separators=(",", ":")) + "\n" for case in cases]
        (HERE / name).write_text("".join(lines))


asyncio.run(main())
