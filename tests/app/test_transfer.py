"""Export and import through the command line and over HTTP, with the real embedder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.cli.main import main
from app.service import Service
from models.embedder import Embedder
from tests.app.conftest import KB, MakeService, finished

pytestmark = [pytest.mark.model, pytest.mark.slow]

QUESTIONS = """年假有多少天
病假需要什么证明
出差前要提前几天申请
住宿费的标准是多少
报销单要在多少天内提交
网关的默认地址是什么
怎样恢复出厂设置
指示灯闪烁是什么意思
香港办事处几点上班
台湾员工的假期
迟到怎么处理
加班如何计算
试用期多长
SG-200 支持哪些协议
固件怎样升级
工作温度范围
What is the travel allowance
谁批准国际出差
发票丢了怎么办
员工可以远程办公吗""".splitlines()


def rounded(score: float) -> float:
    return round(score, 5)


def top_ten(service: Service, name: str) -> list[list[tuple[Any, ...]]]:
    """What is found; FAISS adds up float32 in an order that depends on an entry's place in its block."""
    return [
        [
            (
                hit.document_id,
                hit.page,
                hit.text,
                *map(rounded, (hit.score, hit.dense_score, hit.keyword_score)),
            )
            for hit in service.search(question, [name], top_k=10, threshold=0)
        ]
        for question in QUESTIONS
    ]


def test_the_same_top_ten_on_another_machine(
    service: Service, make_service: MakeService, embedder: Embedder, tmp_path: Path, monkeypatch: Any
) -> None:
    service.exports.export(KB, tmp_path / "x")
    other = make_service()

    def never(_: object, texts: list[str]) -> None:
        raise AssertionError(f"{len(texts)} texts were embedded")

    with monkeypatch.context() as patch:
        patch.setattr(type(embedder), "encode_documents", never)
        taken = other.imports.import_package(tmp_path / "x")
    assert (taken.name, taken.embedded, taken.renamed) == (KB, 0, {})
    found = top_ten(other, KB)
    assert found == top_ten(service, KB)
    assert all(len(hits) == 10 for hits in found)


def test_over_http(service: Service, client: TestClient, client_of: Any, make_service: MakeService) -> None:
    exported = client.post(f"/api/knowledge-bases/{KB}/export")
    assert (exported.status_code, exported.headers["content-type"]) == (200, "application/zip")
    assert int(exported.headers["content-length"]) == len(exported.content)
    assert list((service.settings.data_dir / "tmp").glob("export-*")) == []
    other = client_of(make_service())
    taken = other.post("/api/knowledge-bases/import", content=exported.content)
    assert (taken.status_code, taken.json()["name"], taken.json()["documents"]) == (201, KB, 4)
    again = other.post("/api/knowledge-bases/import", content=exported.content)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "knowledge_base_exists")
    second = other.post("/api/knowledge-bases/import?name=二", files={"file": ("x.zhiwen", exported.content)})
    assert second.status_code == 201
    assert len(second.json()["renamed"]) == 4
    names = {item["name"] for item in other.get("/api/knowledge-bases").json()["knowledge_bases"]}
    assert names == {KB, "二"}


def test_as_a_job_over_http(client: TestClient, client_of: Any, make_service: MakeService) -> None:
    package = client.post(f"/api/knowledge-bases/{KB}/export").content
    service = make_service()
    other = client_of(service)
    address = "/api/knowledge-bases/import?wait=false&name=二"
    refused = other.post(address, content=b"no package")
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_package")
    begun = other.post(address, content=package)
    assert (begun.status_code, begun.json()["job"]["state"]) == (202, "queued")
    assert begun.json()["job"]["knowledge_base"] == "二"
    job_id = begun.json()["job_id"]
    assert other.post(f"/api/jobs/{job_id}/cancel").json()["state"] == "cancelled"
    assert other.get("/api/knowledge-bases").json()["knowledge_bases"] == []
    assert other.post(f"/api/jobs/{job_id}/retry").json()["state"] == "queued"
    service.start()
    job = finished(other, job_id)
    assert (job["state"], job["knowledge_base"]) == ("done", "二")
    assert job["progress"]["pages_done"] == job["progress"]["pages_total"] > 4
    (event,) = [
        event
        for event in other.get(f"/api/jobs/{job_id}/events").json()["events"]
        if event["kind"] == "imported"
    ]
    assert (event["details"]["documents"], event["details"]["embedded"]) == (4, 0)
    assert other.get("/api/knowledge-bases/二").json()["documents"] == 4
    again = other.post(address, content=package)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "knowledge_base_exists")


def test_what_is_refused_over_http(client: TestClient, client_of: Any, make_service: MakeService) -> None:
    missing = client.post("/api/knowledge-bases/无/export")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "knowledge_base_not_found")
    empty = client.post("/api/knowledge-bases/import")
    assert (empty.status_code, empty.json()["error"]["code"]) == (422, "no_file")
    other = client.post("/api/knowledge-bases/import", content=b"no package")
    assert (other.status_code, other.json()["error"]["code"]) == (422, "invalid_package")
    assert other.json()["error"]["message"].endswith("Copy or download it again.")
    small = client_of(make_service(limits={"package_bytes": 10}))
    for body in ({"content": b"x" * 11}, {"files": {"file": ("x", b"x" * 11)}}):
        large = small.post("/api/knowledge-bases/import", **body)
        assert (large.status_code, large.json()["error"]["details"]["limit"]) == (413, "package_bytes")


def test_on_the_command_line(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: str) -> dict[str, Any]:
        with pytest.raises(SystemExit):
            main([*arguments, "--json"])
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    file = str(tmp_path / "x.zhiwen")
    made = run("--data-dir", str(service.settings.data_dir), "kb", "export", KB, file)
    assert made["documents"] == 4
    other = ["--data-dir", str(tmp_path / "other")]
    monkeypatch.setenv("ZHIWEN_MODELS_DIR", str(service.settings.data_dir / "models"))
    assert run(*other, "kb", "import", file)["chunks"] == made["chunks"]
    assert run(*other, "kb", "import", file)["error"]["code"] == "knowledge_base_exists"
    assert run(*other, "kb", "import", file, "--name", "二")["name"] == "二"
    assert len(run(*other, "kb", "list")["knowledge_bases"]) == 2
