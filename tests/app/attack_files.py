"""Files that mean harm: archives that point outside, documents that would fetch or run something."""

from __future__ import annotations

import gzip
import io
import pickle
import stat
import zipfile

_SHEET = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def _zipped(members: dict[str, bytes], *, link: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if link:
                info.create_system = 3
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, data)
    return out.getvalue()


def gzip_bomb() -> bytes:
    """Ten megabytes of nothing in ten kilobytes."""
    return gzip.compress(bytes(10 << 20))


def package_outside() -> bytes:
    """What looks like an export and would be unpacked outside."""
    return _zipped({"manifest.json": b"{}", "../../outside.txt": b"written outside"})


def packages() -> dict[str, bytes]:
    """Imports that are refused, by name."""
    members = {
        "outside": {"manifest.json": b"{}", "../../outside.txt": b"x"},
        "absolute": {"manifest.json": b"{}", "/tmp/outside.txt": b"x"},  # noqa: S108 - never unpacked
        "backslashes": {"manifest.json": b"{}", "..\\..\\outside.txt": b"x"},
        "drive": {"manifest.json": b"{}", "C:\\outside.txt": b"x"},
        "no manifest": {"a.txt": b"x"},
        "manifest of no object": {"manifest.json": b"[]"},
        "manifest without end": {"manifest.json": b"[" * 100_000},
        "manifest of numbers": {"manifest.json": b'{"version": ' + b"9" * 5000 + b"}"},
        "bomb": {"manifest.json": bytes(8 << 20)},
    }
    found = {name: _zipped(each) for name, each in members.items()}
    found["link"] = _zipped({"manifest.json": b"../../secret.txt"}, link=True)
    found["cut off"] = found["outside"][:-20]
    found["pickle"] = pickle.dumps({"index": [1, 2, 3]})
    found["nothing"] = b""
    found["text"] = b"not an archive"
    return found


def _svg(canary: str) -> bytes:
    text = (
        '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">'
        f'<!ENTITY y SYSTEM "{canary}">]><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">'
        f'<image href="{canary}/g.png"/><text>&x;&y;</text></svg>'
    )
    return text.encode()


def documents(canary: str) -> dict[str, bytes]:
    """Files that can be read and would reach out where they are followed or shown, by name."""
    html = (
        f'<html><head><base href="{canary}"><link rel="stylesheet" href="{canary}/a.css">'
        f'<meta http-equiv="refresh" content="0;url={canary}"><script src="{canary}/a.js"></script></head>'
        f'<body><p>页面正文一。</p><img src="{canary}/a.png"><iframe src="file:///etc/passwd"></iframe>'
        "<script>alert(1)</script></body></html>"
    )
    return {
        "page.html": html.encode(),
        "pictures.md": f"正文二。\n\n![x]({canary}/b) ![y](file:/etc/passwd)\n\n<img src={canary}>".encode(),
        "include.rst": (
            f"题目\n====\n\n正文三。\n\n.. include:: /etc/passwd\n\n.. raw:: html\n   :url: {canary}/c\n\n"
            ".. csv-table:: x\n   :file: /etc/passwd\n"
        ).encode(),
        "formula.csv": f'名称,值\n甲,"=WEBSERVICE(""{canary}/d"")"\n乙,"=cmd|\'/c calc\'!A1"\n'.encode(),
        "letter.eml": (
            "From: a@example.org\nTo: b@example.org\nSubject: =?utf-8?b?5L+h?=\nMIME-Version: 1.0\n"
            f"Content-Type: text/html; charset=utf-8\n\n<p>正文四。</p><img src='{canary}/e.png'>"
        ).encode(),
        "links.zip": _zipped({"正文.txt": "正文五。".encode(), "../../outside.txt": "外面。".encode()}),
        "drawing.svg": _svg(canary),
        "script.sh": b"#!/bin/sh\nid\n",
        "page.php": b"<?php system('id'); ?>",
        "link.zip": _zipped({"secret.txt": b"../../../secret.txt"}, link=True),
        "outside.zip": _zipped({"../../outside.txt": b""}),
        "bytes.json": '{"正文": "六", "__reduce__": "os.system"}'.encode(),
    }


def refused(canary: str) -> dict[str, bytes]:
    """Files that nothing can or may be read of, by name."""
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    laughs = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><w>&e11;</w>'
    external = (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY % p SYSTEM "{canary}/h"> %p;]>'
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body/></w:document>'
    )
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="r1" Type="{_SHEET}/officeDocument" Target="{canary}/i" TargetMode="External"/>'
        "</Relationships>"
    )
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/></Types>'
    )
    return {
        "drawing.png": _svg(canary),
        "laughs.docx": _zipped({"[Content_Types].xml": types.encode(), "word/document.xml": laughs.encode()}),
        "external.docx": _zipped(
            {"[Content_Types].xml": types.encode(), "word/document.xml": external.encode()}
        ),
        "elsewhere.docx": _zipped({"[Content_Types].xml": types.encode(), "_rels/.rels": relations.encode()}),
        "bomb.zip": _zipped({"zeros.txt": bytes(64 << 20)}),
        "index.pkl": pickle.dumps({"index": [1, 2, 3]}),
        "program.exe": b"MZ" + bytes(200),
        "nothing.txt": b"",
    }
