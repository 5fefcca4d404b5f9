"""Packages that are damaged, forged or of another version: a clear error, and nothing stored."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knowledge_base.errors import PackageError, PackageVersionError
from tests.knowledge_base.doubles import Home, open_home, sections
from tests.knowledge_base.test_transfer import below, exporter, importer

Members = dict[str, bytes]
Forge = Callable[[Members, dict[str, Any]], None]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound export of two documents, one of them edited."""
    folder = tmp_path_factory.mktemp("package")
    home = open_home(folder / "data")
    home.add("制度", {"a.md": sections("年假十天。", "报销附发票。"), "b.txt": "网关断电后复位。"})
    (first, _) = home.catalogue.documents(home.key("制度").id)
    home.editor.add("制度", first.id, "人工添加。")
    exporter(home).export("制度", folder / "x")
    home.close()
    return folder / "x"


def refused(home: Home, path: Path, error: type[Exception] = PackageError) -> Any:
    """The finding with which the file is refused, once nothing of it was seen to remain."""
    before = below(home.folder)
    with pytest.raises(error) as caught:
        importer(home).import_package(path)
    assert home.catalogue.keys() == []
    assert below(home.folder) == before
    assert home.embedder.embedded == []
    assert isinstance(caught.value, PackageError | PackageVersionError)
    return caught.value.details.get("finding")


def forged(package: Path, target: Path, forge: Forge, *, honest: bool = True) -> Path:
    """The package with other members or another manifest, and with `honest` checksums of them."""
    with zipfile.ZipFile(package) as source:
        members = {info.filename: source.read(info) for info in source.infolist()}
    manifest: dict[str, Any] = json.loads(members.pop("manifest.json"))
    forge(members, manifest)
    if honest:
        manifest["members"] = {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            for name, data in members.items()
        }
    with zipfile.ZipFile(target, "w") as out:
        for name, data in members.items():
            out.writestr(name, data)
        out.writestr("manifest.json", json.dumps(manifest))
    return target


def lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def joined(records: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def in_documents(change: Callable[[list[dict[str, Any]]], None]) -> Forge:
    return _in("documents.jsonl", change)


def in_chunks(change: Callable[[list[dict[str, Any]]], None]) -> Forge:
    return _in("chunks.jsonl", change)


def _in(member: str, change: Callable[[list[dict[str, Any]]], None]) -> Forge:
    def forge(members: Members, _manifest: dict[str, Any]) -> None:
        records = lines(members[member])
        change(records)
        members[member] = joined(records)

    return forge


def in_vectors(change: Callable[[np.ndarray], None]) -> Forge:
    def forge(members: Members, _manifest: dict[str, Any]) -> None:
        vectors = np.frombuffer(members["vectors.f32"], "<f4").copy()
        change(vectors)
        members["vectors.f32"] = vectors.tobytes()

    return forge


def put(index: int, **values: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda records: records[index].update(values)


def in_manifest(**values: Any) -> Forge:
    return lambda _members, manifest: manifest.update(values)


def stray_file(members: Members, _manifest: dict[str, Any]) -> None:
    """A member beyond those of the format."""
    members["../../etc/passwd"] = b"x"


@pytest.mark.parametrize(
    ("finding", "forge"),
    [
        ("package_record", in_documents(put(0, name="../../x"))),
        ("package_record", in_documents(put(0, name="a\\b"))),
        ("package_record", in_documents(put(0, id="../x"))),
        ("package_record", in_documents(put(0, more=1))),
        ("package_record", in_documents(put(0, size=-1))),
        ("package_record", in_documents(put(0, pages=2**70))),
        ("package_record", in_documents(put(0, created_at="gestern"))),
        ("package_record", in_documents(put(0, pipeline="\ud800"))),
        ("package_record", in_chunks(put(0, text="\ud800"))),
        ("package_record", in_chunks(put(0, kind="picture"))),
        ("package_record", in_chunks(put(0, lines=[[0, 1, 1, 0.1, 0.1, float("nan"), 1]]))),
        ("package_record", lambda m, _: m.update({"chunks.jsonl": b"[" * 100_000 + b"\n"})),
        ("package_record", lambda m, _: m.update({"chunks.jsonl": b"\xff\xfe\n"})),
        ("package_record", in_manifest(documents="2")),
        ("package_record", in_manifest(settings=[])),
        ("package_record", in_manifest(settings={"prompt": {"a": 1}})),
        ("package_record", in_manifest(settings={"prompt": "{passages}", "other": 1})),
        ("package_repeated", in_documents(lambda records: records.append(records[0]))),
        ("package_repeated", in_documents(lambda r: r[1].update(names=r[0]["names"]))),
        ("package_repeated", in_documents(lambda r: r[0].update(versions=r[0]["versions"] * 2))),
        ("package_repeated", in_documents(lambda r: r[0].update(edits=r[0]["edits"] * 2))),
        ("package_references", in_documents(put(0, names=[]))),
        ("package_references", in_chunks(put(0, document="0123456789abcdef"))),
        ("package_references", in_chunks(put(0, edit=99))),
        ("package_missing", in_documents(put(0, sha256="0" * 64))),
        ("package_missing", lambda m, _: m.pop("chunks.jsonl") and None),
        ("package_missing", lambda m, _: m.pop(next(n for n in m if n.startswith("files/"))) and None),
        ("package_extra", stray_file),
        ("package_extra", lambda m, _: m.update({"more.txt": b"x"})),
        ("package_extra", lambda m, _: m.update({f"files/{hashlib.sha256(b'x').hexdigest()}": b"x"})),
        ("package_checksum", in_documents(put(0, size=1))),
        ("package_checksum", lambda m, _: m.update({n: b"x" for n in m if n.startswith("files/")})),
        ("package_counts", in_manifest(documents=1_000_000_000)),
        ("package_counts", in_manifest(chunks=1_000_000_000)),
        ("package_counts", in_manifest(chunks=0, embedder=None)),
        ("package_counts", in_manifest(embedder=None)),
        ("package_counts", in_manifest(embedder={"fingerprint": "bigrams/64", "dimension": 63})),
        ("package_counts", in_chunks(lambda records: records.append(records[0]))),
        ("package_counts", in_chunks(lambda records: records.__delitem__(0))),
        ("package_counts", lambda m, _: m.update({"vectors.f32": m["vectors.f32"][:-4]})),
        ("package_vectors", in_vectors(lambda v: v.__setitem__(3, np.nan))),
        ("package_vectors", in_vectors(lambda v: v.__setitem__(3, np.inf))),
        ("package_vectors", in_vectors(lambda v: v.__setitem__(slice(None), 0))),
        ("package_vectors", in_vectors(lambda v: v.__setitem__(0, 9))),
        ("package_other", in_manifest(format="zhiwen-backup")),
        ("package_damaged", in_manifest(format=None)),
    ],
)
def test_what_contradicts_itself_is_refused(
    home: Home, package: Path, tmp_path: Path, finding: str, forge: Forge
) -> None:
    assert refused(home, forged(package, tmp_path / "forged", forge)) == finding


def test_vectors_of_another_length_under_the_same_name_are_refused(
    home: Home, package: Path, tmp_path: Path
) -> None:
    def halve(members: Members, manifest: dict[str, Any]) -> None:
        rows = np.frombuffer(members["vectors.f32"], "<f4").reshape(-1, 64)[:, :32] + 1e-3
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        members["vectors.f32"] = rows.astype("<f4").tobytes()
        manifest["embedder"]["dimension"] = 32

    assert refused(home, forged(package, tmp_path / "forged", halve)) == "package_vectors"


def test_a_later_version_is_refused_and_named(home: Home, package: Path, tmp_path: Path) -> None:
    later = forged(package, tmp_path / "later", in_manifest(version=2, whatever="new"))
    refused(home, later, PackageVersionError)


@pytest.mark.parametrize("member", ["documents.jsonl", "chunks.jsonl", "vectors.f32", "files/"])
def test_other_bytes_than_were_written_are_refused(
    home: Home, package: Path, tmp_path: Path, member: str
) -> None:
    def flip(members: Members, _manifest: dict[str, Any]) -> None:
        name = next(name for name in members if name.startswith(member))
        members[name] = members[name][:-2] + bytes([members[name][-2] ^ 1]) + members[name][-1:]

    assert refused(home, forged(package, tmp_path / "x", flip, honest=False)) == "package_checksum"


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_file_cut_short_is_refused(home: Home, package: Path, tmp_path: Path, share: float) -> None:
    data = package.read_bytes()
    (tmp_path / "cut").write_bytes(data[: int(len(data) * share)])
    assert refused(home, tmp_path / "cut") == "package_damaged"


def test_any_flipped_byte_is_refused_or_harmless(home: Home, package: Path, tmp_path: Path) -> None:
    """Harmless: in the manifest's date, say, or in a field of the ZIP format that nobody reads."""
    data = package.read_bytes()
    stored = 0
    for place in range(0, len(data), max(1, len(data) // 60)):
        (tmp_path / "flipped").write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        try:
            importer(home).import_package(tmp_path / "flipped", name=f"制度 {place}")
        except (PackageError, PackageVersionError):
            continue
        stored += 1
    assert len(home.catalogue.keys()) == len(home.catalogue.knowledge_bases()) == stored < 10


def test_what_is_no_file_of_ours_is_refused(home: Home, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a ZIP file")
    assert refused(home, tmp_path / "text") == "package_damaged"
    assert refused(home, tmp_path / "missing") == "package_damaged"
    assert refused(home, tmp_path) == "package_damaged"
    with zipfile.ZipFile(tmp_path / "zip", "w") as out:
        out.writestr("chunks.jsonl", "")
    assert refused(home, tmp_path / "zip") == "package_missing"
    with zipfile.ZipFile(tmp_path / "other", "w") as out:
        out.writestr("handbook/leave.md", "# Leave")
    assert refused(home, tmp_path / "other") == "package_damaged"


def test_a_zip_bomb_is_refused_unread(home: Home, package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("manifest.json", b"{}")
        out.writestr("chunks.jsonl", bytes(50_000_000))
    assert refused(home, tmp_path / "bomb") == "package_damaged"


def test_members_given_twice_are_refused(home: Home, package: Path, tmp_path: Path) -> None:
    (tmp_path / "twice").write_bytes(package.read_bytes())
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(tmp_path / "twice", "a") as out,
    ):
        out.writestr("chunks.jsonl", b"")
    assert refused(home, tmp_path / "twice") == "package_extra"
