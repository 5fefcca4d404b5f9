"""Requests that mean harm, written out as they go over the wire.

Each is answered with a 4xx, or with a 2xx where it says why that is harmless.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.app import attack_files

KB = "制度"
BASES = "/api/knowledge-bases"
AT = f"{BASES}/{quote(KB)}"
INJECTED = "X-Injected"


@dataclass(frozen=True)
class Attack:
    """A request to the byte; `harmless` says why it may succeed, without `whole` its body never ends."""

    name: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    harmless: str = ""
    whole: bool = True

    def wire(self) -> bytes:
        """What goes over the wire."""
        named = {name.lower() for name, _ in self.headers}
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        if "host" not in named:
            lines.append("Host: 127.0.0.1")
        if not named & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(self.body) + (not self.whole) * 1000}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        return (
            "\r\n".join([*lines, "Connection: close", "", ""]).encode("utf-8", "surrogateescape") + self.body
        )


_JSON = (("Content-Type", "application/json"),)


def _json(name: str, method: str, target: str, body: Any, harmless: str = "") -> Attack:
    return Attack(name, method, target, _JSON, json.dumps(body).encode(), harmless)


def _upload(
    name: str, file_name: str, data: bytes, *, target: str = f"{AT}/documents", **more: Any
) -> Attack:
    boundary = "----attack"
    disposition = f'form-data; name="files"; filename="{file_name}"'
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: text/plain\r\n\r\n"
    body = head.encode("utf-8", "surrogateescape") + data + f"\r\n--{boundary}--\r\n".encode()
    kind = (("Content-Type", f"multipart/form-data; boundary={boundary}"),)
    return Attack(name, more.pop("method", "POST"), target, kind, body, **more)


PATHS = {
    "up": "../../secret.txt",
    "up far": "../" * 12 + "etc/passwd",
    "backslashes": "..\\..\\secret.txt",
    "absolute": "/etc/passwd",
    "drive": "C:\\Windows\\win.ini",
    "unc": "\\\\evil.example\\share\\x",
    "unc with slashes": "//evil.example/share/x",
    "device": "\\\\.\\pipe\\x",
    "url": "file:///etc/passwd",
    "nul": "a\0/../secret.txt",
    "doubled": "....//....//secret.txt",
    "encoded once more": "..%2f..%2fsecret.txt",
    "overlong": "..%c0%afsecret.txt",
    "parameter": "..;/secret.txt",
    "full width": "．．／secret.txt/..",
    "base64": base64.b64encode(b"/etc/passwd").decode() + "/",
}
"""Names that would be paths, if names were paths."""

_NOTHING_OF_IT = "names are data: nothing of that name is there"

FIELDS: dict[str, Callable[[str], Attack]] = {
    "knowledge base": lambda p: Attack("", "GET", f"{BASES}/{quote(p, safe='')}"),
    "deleted knowledge base": lambda p: Attack("", "DELETE", f"{BASES}/{quote(p, safe='')}"),
    "exported knowledge base": lambda p: Attack("", "POST", f"{BASES}/{quote(p, safe='')}/export"),
    "new knowledge base": lambda p: _json("", "POST", BASES, {"name": f"{p}/"}),
    "renamed knowledge base": lambda p: _json("", "PATCH", AT, {"name": f"{p}/"}),
    "document": lambda p: Attack("", "GET", f"{AT}/documents/{quote(p, safe='')}"),
    "content": lambda p: Attack("", "GET", f"{AT}/documents/{quote(p, safe='')}/content"),
    "deleted document": lambda p: Attack("", "DELETE", f"{AT}/documents/{quote(p, safe='')}"),
    "page": lambda p: Attack("", "GET", f"{AT}/documents/x/pages/{quote(p, safe='')}.png"),
    "name of an upload": lambda p: _upload("", f"{p}/", "不会被收下。".encode()),
    "job": lambda p: Attack("", "GET", f"/api/jobs/{quote(p, safe='')}"),
    "conversation": lambda p: Attack("", "GET", f"/api/sessions/{quote(p, safe='')}/export"),
    "model": lambda p: Attack("", "POST", f"/api/models/{quote(p, safe='')}/load"),
    "name of an import": lambda p: Attack(
        "", "POST", f"{BASES}/import?name={quote(p, safe='')}", (), attack_files.package_outside()
    ),
    "searched knowledge base": lambda p: _json(
        "", "POST", "/api/search", {"query": "x", "knowledge_bases": [p]}
    ),
    "asked model": lambda p: _json(
        "", "POST", "/api/ask", {"question": "x", "knowledge_bases": [KB], "model": p}
    ),
    "searched document": lambda p: _json(
        "",
        "POST",
        "/api/search",
        {"query": "x", "knowledge_bases": [KB], "document_ids": [p]},
        harmless=_NOTHING_OF_IT,
    ),
}
"""Every field in which a name may stand."""


def traversals() -> Iterator[Attack]:
    """Each path in each field."""
    for field, make in FIELDS.items():
        for kind, path in PATHS.items():
            attack = make(path)
            yield Attack(
                f"{kind} as {field}",
                attack.method,
                attack.target,
                attack.headers,
                attack.body,
                attack.harmless,
            )


def raw_targets() -> Iterator[Attack]:
    """Addresses that no client would send."""
    for target in (
        "/../../etc/passwd",
        "/docs/../../etc/passwd",
        "/static-offline-docs/../../etc/passwd",
        "/static-offline-docs/..%2f..%2f..%2fetc%2fpasswd",
        "/static-offline-docs/%2e%2e/%2e%2e/etc/passwd",
        "/static-offline-docs//etc/passwd",
        f"{BASES}/%2e%2e%2f%2e%2e%2fsecret.txt",
        f"{BASES}/..%252f..%252fsecret.txt",
        f"{BASES}/%00",
        f"{BASES}/%ff%fe",
        f"{AT}/documents/%2e%2e/content",
        "//evil.example/api",
        "/file=/etc/passwd",
        "/gradio_api/file=/etc/passwd",
        "/knowledge_base/download_doc?knowledge_base_name=x&file_name=L2V0Yy9wYXNzd2Q=",
        "/knowledge_base/delete_knowledge_base",
        "/tools/call",
        "/debug/pprof",
        "/.env",
        "/.git/config",
    ):
        yield Attack(f"target {target}", "GET", target)
    yield Attack(
        "absolute target", "GET", "http://evil.example/api/knowledge-bases", (("Host", "evil.example"),)
    )
    yield Attack("tunnel", "CONNECT", "evil.example:443")
    yield Attack("trace", "TRACE", "/api/knowledge-bases")
    yield Attack("invented method", "FETCH", "/api/knowledge-bases")
    yield Attack(
        "a shell tool", "POST", "/tools/call", _JSON, b'{"name": "shell", "kwargs": {"query": "id"}}'
    )


def headers() -> Iterator[Attack]:
    """Headers that would split an answer, a request, or fool the guard of hosts."""
    split = f"%0d%0a{INJECTED}:%20yes"
    for target in (f"{BASES}/x{split}", f"{AT}/documents/x{split}/content", f"/api/jobs/x{split}"):
        yield Attack(f"split in {target}", "GET", target)
    yield _json("split in a name", "POST", BASES, {"name": f"x\r\n{INJECTED}: yes"})
    yield _upload("split in a file name", f"x\r\n{INJECTED}: yes.txt", b"")
    yield _upload("quote in a file name", 'x"; filename="/etc/passwd', b"")
    get = ("GET", BASES)
    own = "our own id is given where theirs is none"
    yield Attack("id with a newline", *get, (("X-Request-ID", f"a\r\n {INJECTED}: yes"),), harmless=own)
    yield Attack("id with markup", *get, (("X-Request-ID", "<script>"),), harmless=own)
    for host in (
        "evil.example",
        "127.0.0.1.evil.example",
        "evil.example#127.0.0.1",
        "127.0.0.1@evil.example",
        "",
    ):
        yield Attack(f"host {host!r}", *get, (("Host", host),))
    yield Attack("two hosts", *get, (("Host", "127.0.0.1"), ("Host", "evil.example")))
    origin = (("Origin", "http://evil.example"),)
    yield Attack("foreign page", "POST", BASES, (*_JSON, *origin), b'{"name": "x"}')
    yield Attack("no page", "POST", BASES, (*_JSON, ("Origin", "null")), b'{"name": "x"}')
    cross = ("Sec-Fetch-Site", "cross-site")
    yield Attack("cross-site", "POST", BASES, (*_JSON, cross), b'{"name": "x"}')
    yield Attack("negative length", "POST", BASES, (*_JSON, ("Content-Length", "-1")), b"{}")
    yield Attack("length in words", "POST", BASES, (*_JSON, ("Content-Length", "ten")), b"{}")
    two = (("Content-Length", "2"), ("Content-Length", "5"))
    yield Attack("two lengths", "POST", BASES, (*_JSON, *two), b"{}{}{}")
    both = (("Content-Length", "4"), ("Transfer-Encoding", "chunked"))
    smuggled = b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    yield Attack("length and chunks", "POST", BASES, (*_JSON, *both), smuggled)
    yield Attack("unknown coding", "POST", BASES, (*_JSON, ("Transfer-Encoding", "x")), b"{}")
    chunk = (("Transfer-Encoding", "chunked"),)
    yield Attack("chunk of no size", "POST", BASES, (*_JSON, *chunk), b"zz\r\n{}\r\n0\r\n\r\n")
    yield Attack("endless header", *get, (("X-Long", "x" * 200_000),))
    yield Attack("no name", *get, ((" ", "x"),))


_MANY = 100_000
_SEARCH = f'{{"query": "年假", "knowledge_bases": ["{KB}"], '


def documents_of_json() -> Iterator[Attack]:
    """Bodies that no parser likes."""
    bodies = {
        "number of 5,000 digits": _SEARCH + '"top_k": ' + "9" * 5000 + "}",
        "number beyond floats": _SEARCH + '"threshold": 1e999}',
        "number of no end": _SEARCH + '"threshold": 0.' + "1" * 5000 + "1e999}",
        "infinity": _SEARCH + '"threshold": Infinity}',
        "no number": _SEARCH + '"threshold": NaN}',
        "negative": _SEARCH + '"top_k": -1}',
        "too many": _SEARCH + '"top_k": 1000000000}',
        "half a number": _SEARCH + '"top_k": 1.5}',
        "truth for a number": _SEARCH + '"top_k": {"$gt": 0}}',
        "depth of lists": "[" * _MANY + "]" * _MANY,
        "depth of objects": '{"a":' * _MANY + "1" + "}" * _MANY,
        "open lists": "[" * _MANY,
        "depth in a field": _SEARCH + '"document_ids": ' + "[" * _MANY + "]" * _MANY + "}",
        "unknown field": _SEARCH + '"__proto__": {"admin": true}}',
        "class": _SEARCH + '"__class__": "x"}',
        "half a character": '{"query": "\\ud800", "knowledge_bases": ["x"]}',
        "nothing": "",
        "null": "null",
        "a list": "[]",
        "a string": '"x"',
        "no JSON": "{'query': 1}",
        "cut off": '{"query": "x',
        "comment": '{"query": "x" /* */, "knowledge_bases": ["x"]}',
        "many names": json.dumps({"query": "x", "knowledge_bases": ["x"] * _MANY}),
        "object for a name": '{"query": "x", "knowledge_bases": [{"$ne": ""}]}',
        "object for a query": '{"query": {"$ne": ""}, "knowledge_bases": ["x"]}',
        "blank query": _SEARCH[:-2].replace("年假", " \\t\\n") + "}",
        "long query": json.dumps({"query": "年" * 50_000, "knowledge_bases": [KB]}),
    }
    for name, text in bodies.items():
        yield Attack(f"json: {name}", "POST", "/api/search", _JSON, text.encode())
    yield Attack("json: no text", "POST", "/api/search", _JSON, b'{"query": "\xff\xfe"}')
    yield Attack("json: UTF-16", "POST", "/api/search", _JSON, '{"query": 1}'.encode("utf-16"))
    yield Attack("json: a byte order mark", "POST", "/api/search", _JSON, "\ufeff{}".encode())
    yield Attack("json: larger than allowed", "POST", "/api/search", _JSON, b" " * (2 << 20))
    long_history = {"question": "x", "knowledge_bases": [KB], "history": [{"question": "x"}] * 5000}
    yield _json("json: long history", "POST", "/api/ask", long_history)
    bodies_of_openai: dict[str, dict[str, Any]] = {
        "role": {"model": "quote", "messages": [{"role": "tool", "content": "x"}]},
        "picture": {
            "model": "quote",
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "http://evil.example"}}],
                }
            ],
        },
        "many texts": {"input": ["x"] * 200_000},
        "tokens": {"input": [[1, 2, 3]]},
        "no messages": {"model": "quote", "messages": []},
    }
    for name, body in bodies_of_openai.items():
        target = "/v1/embeddings" if "input" in body else "/v1/chat/completions"
        yield _json(f"openai: {name}", "POST", target, body)


def nul_bytes() -> Iterator[Attack]:
    """NUL where text is taken."""
    text = "a\0b"
    yield _json("nul in a name", "POST", BASES, {"name": text})
    yield _json("nul in a new name", "PATCH", AT, {"name": text})
    yield _json("nul in a prompt", "PATCH", AT, {"prompt": text})
    yield _json(
        "nul in the knowledge base of a conversation", "POST", "/api/sessions", {"knowledge_bases": [text]}
    )
    yield _json("nul in a model", "POST", "/v1/chat/completions", {"model": text, "messages": []})
    yield _json(
        "nul in a role", "POST", "/v1/chat/completions", {"model": "quote", "messages": [{"role": text}]}
    )
    yield _upload("nul in a file name", "a%00.txt\0.exe", b"text")
    for target in (f"{BASES}/a%00b", f"{AT}/documents/%00", "/api/jobs/%00", "/api/sessions/%00"):
        yield Attack(f"nul in {target}", "GET", target)
    searched = {"query": text, "knowledge_bases": [KB]}
    yield _json("nul in a query", "POST", "/api/search", searched, harmless="searched as text")
    title = {"title": "\0"}
    yield _json("nul in a title", "POST", "/api/sessions", title, harmless="kept as text of its owner")


def content_types() -> Iterator[Attack]:
    """Bodies under another name than their own."""
    body = b'{"name": "x"}'
    for kind in (
        "text/plain",
        "text/html",
        "application/x-www-form-urlencoded",
        "application/xml",
        "x",
        "",
        "a/b;" * 50,
    ):
        yield Attack(f"JSON as {kind[:30]!r}", "POST", BASES, (("Content-Type", kind),), body)
    yield Attack("JSON as nothing", "POST", BASES, (), body)
    yield Attack("form for JSON", "POST", BASES, (("Content-Type", "multipart/form-data; boundary=x"),), body)
    packed = (("Content-Encoding", "gzip"), *_JSON)
    yield Attack("compressed", "POST", BASES, packed, attack_files.gzip_bomb())
    upload = f"{AT}/documents"
    for kind in (
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 5000,
        "multipart/mixed; boundary=x",
    ):
        yield Attack(
            f"upload as {kind[:40]!r}", "POST", upload, (("Content-Type", kind),), b"--x\r\n\r\ntext\r\n--x--"
        )
    form = (("Content-Type", "multipart/form-data; boundary=x"),)
    part = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\n'
    yield Attack("part without end", "POST", upload, form, part + b"text")
    yield Attack("part without disposition", "POST", upload, form, b"--x\r\n\r\ntext\r\n--x--\r\n")
    yield Attack(
        "part with long headers", "POST", upload, form, b"--x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n--x--"
    )
    yield Attack("too many files", "POST", upload, form, (part + b"text\r\n") * 300 + b"--x--\r\n")
    field = b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\nv\r\n'
    yield Attack("too many fields", "POST", upload, form, field * 300 + b"--x--\r\n")
    yield Attack("text for a file", "POST", upload, form, field + b"--x--\r\n")


def slow_bodies() -> Iterator[Attack]:
    """Bodies that are begun and never sent."""
    for target, kind in (
        (BASES, "application/json"),
        ("/api/search", "application/json"),
        ("/v1/embeddings", "application/json"),
        (f"{AT}/documents", "multipart/form-data; boundary=x"),
        (f"{BASES}/import", "application/octet-stream"),
        ("/login", "application/x-www-form-urlencoded"),
    ):
        yield Attack(f"slow {target}", "POST", target, (("Content-Type", kind),), b"--x\r\n", whole=False)


def files(canary: str) -> Iterator[Attack]:
    """Files that would reach out, to the disk or to `canary`, or run in the reader's browser."""
    taken = "its text is taken, nothing of it is followed or shown as a page"
    for name, data in attack_files.documents(canary).items():
        yield _upload(f"file {name}", name, data, harmless=taken)
    for name, data in attack_files.refused(canary).items():
        yield _upload(f"file {name}", name, data)
    for name, data in attack_files.packages().items():
        yield Attack(f"package {name}", "POST", f"{BASES}/import", (), data)


def addresses(canary: str) -> Iterator[Attack]:
    """Addresses in fields that are none."""
    for url in (
        canary,
        "http://169.254.169.254/latest/meta-data/",
        "gopher://127.0.0.1:25/",
        "ldap://127.0.0.1/x",
    ):
        yield _json(
            f"model {url}", "POST", "/api/ask", {"question": "x", "knowledge_bases": [KB], "model": url}
        )
        yield _json(f"OpenAI model {url}", "POST", "/v1/chat/completions", {"model": url, "messages": []})
        yield _json(f"knowledge base {url}", "POST", BASES, {"name": url})
        yield Attack(f"load {url}", "POST", f"/api/models/{quote(url, safe='')}/load")
        body = {"question": "x", "knowledge_bases": [KB], "base_url": url}
        yield _json(f"server {url}", "POST", "/api/ask", body)
        yield Attack(f"import {url}", "POST", f"{BASES}/import?name=x&url={quote(url, safe='')}")


def keys(key_id: str) -> Iterator[Attack]:
    """Guesses at a key whose id is known."""
    get = ("GET", BASES)
    for guess in (
        "zw_", "admin", "null", "none", "true", "0", f"zw_{key_id}", f"zw_{key_id}_",
        f"zw_{key_id}_{'A' * 43}", f"zw_{key_id}_{'A' * 42}", f"zw_%_{'A' * 43}",
        f"zw_' OR '1'='1_{'A' * 43}", f"zw_{key_id}_*", "zw_" + "x" * 30_000, "zw_\udcff_x", key_id,
    ):  # fmt: skip
        yield Attack(f"bearer {guess[-30:]!r}", *get, (("Authorization", f"Bearer {guess}"),))
        yield Attack(f"header {guess[-30:]!r}", *get, (("X-API-Key", guess),))
    yield Attack("basic", *get, (("Authorization", "Basic YWRtaW46YWRtaW4="),))
    yield Attack("cookie", *get, (("Cookie", f"zhiwen_key=zw_{key_id}_x"),))
    yield Attack("in the address", "GET", f"{BASES}?key=zw_{key_id}_x&api_key=x")
    yield Attack("as a local proxy", *get, (("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "127.0.0.1")))
    for path in (
        "/healthz/../api/jobs",
        "/docs/../api/jobs",
        "/login/..%2fapi/jobs",
        "/API/jobs",
        "/api//jobs",
        "/metrics",
    ):
        yield Attack(f"around the guard: {path}", "GET", path)
    form = (("Content-Type", "application/x-www-form-urlencoded"),)
    yield Attack("login", "POST", "/login", form, f"key=zw_{key_id}_x".encode())
    yield Attack("login with a long key", "POST", "/login", form, b"key=" + b"x" * 100_000)
