"""The commands: what they print, their exit status, what they leave behind."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.cli.main import main
from app.cli.output import Output, show_any_text
from models.embedder import Embedder
from tests.app.bad_files import bad_files
from tests.app.conftest import HANDBOOK, SAMPLES, files_below

pytestmark = pytest.mark.model

ROOT = Path(__file__).parents[2]
LEAVE = "# 年假\n\n员工工作满一年享有年假五天，满十年享有年假十天。年假须提前三天申请。\n"
TRAVEL = "# 差旅\n\n出差住宿费上限为每晚四百元，凭发票报销，须由部门经理审批。\n"


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


class Zhiwen:
    """Runs commands in this process on one data folder."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data = data
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> Result:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main(["--data-dir", str(self.data), *map(str, arguments)])
        captured = self._capsys.readouterr()
        return Result(int(exit_.value.code or 0), captured.out, captured.err)


@pytest.fixture
def zhiwen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], embedder: Embedder, model_folder: Path
) -> Zhiwen:
    data = tmp_path / "data"
    data.mkdir()
    (data / "models").symlink_to(model_folder)
    return Zhiwen(data, capsys)


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    (folder / "sub" / ".hidden").mkdir(parents=True)
    (folder / "leave.md").write_text(LEAVE, encoding="utf-8")
    (folder / "sub" / "travel.md").write_text(TRAVEL, encoding="utf-8")
    (folder / "sub" / ".hidden" / "secret.md").write_text("秘密文件。", encoding="utf-8")
    (folder / ".hidden.md").write_text("秘密文件。", encoding="utf-8")
    return folder


def test_the_life_of_a_knowledge_base(zhiwen: Zhiwen, papers: Path) -> None:
    first = zhiwen("ingest", "制度", papers, "--json")
    assert first.status == 0
    listed = first.json["documents"]
    assert [(d["name"], d["state"], d["pages"], d["problems"]) for d in listed] == [
        ("leave.md", "ready", 1, []),
        ("sub/travel.md", "ready", 1, []),
    ]
    assert all(document["chunks"] == 1 for document in listed)
    ids = {document["name"]: document["id"] for document in listed}

    again = zhiwen("ingest", "制度", papers / "leave.md", "--json")
    assert again.status == 0
    assert [(d["id"], d["state"]) for d in again.json["documents"]] == [(ids["leave.md"], "unchanged")]

    documents = zhiwen("documents", "制度", "--json").json["documents"]
    assert {d["name"]: d["id"] for d in documents} == ids
    assert set(listed[0]) <= set(documents[0])

    infos = zhiwen("kb", "list", "--json").json["knowledge_bases"]
    assert [(kb["name"], kb["documents"], kb["chunks"]) for kb in infos] == [("制度", 2, 2)]

    hits = zhiwen("search", "年假有几天", "--kb", "制度", "--json").json["hits"]
    assert (hits[0]["document"], hits[0]["document_id"]) == ("leave.md", ids["leave.md"])
    assert 0.5 < hits[0]["score"] <= 1
    assert {"dense_score", "keyword_score", "chunk_id", "page", "text"} <= set(hits[0])

    answer = zhiwen("ask", "住宿费上限是多少？", "--kb", "制度", "--json").json
    assert "四百元" in answer["answer"]
    assert (answer["refused"], answer["model"]) == (False, "quote")
    (citation, *_) = answer["citations"]
    assert citation["index"] == 1
    assert citation["document"] == "sub/travel.md"
    assert citation["quote"] in citation["text"]
    assert {"knowledge_base", "document_id", "page", "score", "boxes"} <= set(citation)
    assert answer["timings"]["total"] >= answer["timings"]["search"] > 0

    refusal = zhiwen("ask", "恒星的光谱如何分类？", "--kb", "制度", "--json").json
    assert (refusal["refused"], refusal["citations"]) == (True, [])

    assert zhiwen("kb", "rebuild", "制度", "--json").json["chunks"] == 2

    assert zhiwen("delete", "制度", "leave.md", "--json").json == {"deleted": ids["leave.md"]}
    assert len(files_below(zhiwen.data / "files")) == 1
    left = zhiwen("search", "年假有几天", "--kb", "制度", "--threshold", "0", "--json").json["hits"]
    assert {hit["document"] for hit in left} == {"sub/travel.md"}

    assert zhiwen("kb", "delete", "制度", "--json").json == {"deleted": "制度"}
    assert files_below(zhiwen.data / "files") == {}
    assert zhiwen("kb", "list", "--json").json == {"knowledge_bases": []}


def test_a_path_that_cannot_be_looked_at_fails_alone(
    zhiwen: Zhiwen, papers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (papers / "seen.md").write_text(TRAVEL, encoding="utf-8")
    is_file = Path.is_file

    def guarded(path: Path) -> bool:
        if path.parent.name == "sub":  # as in a folder that may be listed and not entered
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", guarded)
    done = zhiwen("ingest", "制度", "长" * 300, papers, "--json")
    assert done.status == 1
    found = [(d["name"][:20], d["state"], [p["code"] for p in d["problems"]]) for d in done.json["documents"]]
    assert found == [
        ("长" * 20, "failed", ["file_not_found"]),
        ("leave.md", "ready", []),
        ("seen.md", "ready", []),
        ("sub/travel.md", "failed", ["file_not_found"]),
    ]
    mirrored = zhiwen("ingest", "制度", "长" * 300, "--mirror", "--json")
    assert (mirrored.status, mirrored.json["error"]["code"]) == (1, "file_not_found")


def test_what_a_terminal_cannot_show_is_written_as_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="gbk", write_through=True))
    show_any_text()
    text = "年\xa0假\U0001f600"
    for as_json in (True, False):
        Output({}, as_json=as_json).result({"text": text}, text)
    first, second = shown.getvalue().decode("gbk").splitlines()
    assert json.loads(first) == {"text": text}
    assert second == "年\\xa0假\\U0001f600"


def test_bad_files_fail_alone(zhiwen: Zhiwen, tmp_path: Path) -> None:
    bad = {name: parts for name, parts in bad_files().items() if name != "program.exe"}
    for name, (content, _, _) in bad.items():
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / name for name in (*bad, "missing.txt")]
    expected = [code for _, code, _ in bad.values()] + ["file_not_found"]

    result = zhiwen("ingest", "kb", *paths, "--json")
    assert result.status == 1
    documents = result.json["documents"]
    assert [d["problems"][0]["code"] for d in documents] == expected
    for document, path in zip(documents, paths, strict=True):
        assert document["state"] == "failed"
        assert document["id"] is None
        assert path.name in document["problems"][0]["message"]
    assert files_below(zhiwen.data / "files") == {}
    assert zhiwen("documents", "kb", "--json").json == {"documents": []}

    (tmp_path / "good.md").write_text(LEAVE, encoding="utf-8")
    result = zhiwen("ingest", "kb", tmp_path / "empty.txt", tmp_path / "good.md", "--json")
    assert result.status == 1
    assert [d["state"] for d in result.json["documents"]] == ["failed", "ready"]
    assert [d["name"] for d in zhiwen("documents", "kb", "--json").json["documents"]] == ["good.md"]


def test_files_of_one_name_do_not_replace_each_other(zhiwen: Zhiwen, tmp_path: Path) -> None:
    for folder, text in (("a", LEAVE), ("b", TRAVEL)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "notes.md").write_text(text, encoding="utf-8")
    result = zhiwen("ingest", "kb", tmp_path / "a" / "notes.md", tmp_path / "b" / "notes.md", "--json")
    assert [d["name"] for d in result.json["documents"]] == ["a/notes.md", "b/notes.md"]
    assert len(zhiwen("documents", "kb", "--json").json["documents"]) == 2


def test_files_of_one_name_below_folders_of_one_name(zhiwen: Zhiwen, tmp_path: Path) -> None:
    paths = []
    for year, text in (("2025", LEAVE), ("2026", TRAVEL)):
        folder = tmp_path / year / "docs"
        folder.mkdir(parents=True)
        (folder / "notes.md").write_text(text, encoding="utf-8")
        paths.append(folder / "notes.md")
    result = zhiwen("ingest", "kb", *paths, "--json")
    assert [d["name"] for d in result.json["documents"]] == ["2025/docs/notes.md", "2026/docs/notes.md"]
    # The same file given twice is one document.
    result = zhiwen("ingest", "other", paths[0], paths[0].parent, "--json")
    assert [d["state"] for d in result.json["documents"]] == ["ready"]


def test_names_that_differ_in_spelling_only_do_not_replace_each_other(zhiwen: Zhiwen, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, text in (("caf\u00e9.md", LEAVE), ("cafe\u0301.md", TRAVEL)):
        (folder / name).write_text(text, encoding="utf-8")
    result = zhiwen("ingest", "kb", folder, "--json")
    assert result.status == 1
    assert sorted(d["state"] for d in result.json["documents"]) == ["failed", "ready"]
    (failed,) = (d for d in result.json["documents"] if d["state"] == "failed")
    assert [problem["code"] for problem in failed["problems"]] == ["repeated_name"]
    assert failed["name"] in result.json["documents"][1]["name"]
    # In folders of their own, the folders tell them apart.
    for number, file in enumerate(sorted(folder.iterdir())):
        (tmp_path / str(number)).mkdir()
        file.rename(tmp_path / str(number) / file.name)
    result = zhiwen("ingest", "other", *sorted(tmp_path.glob("[01]/*")), "--json")
    assert [(d["name"][:2], d["state"]) for d in result.json["documents"]] == [
        ("0/", "ready"),
        ("1/", "ready"),
    ]


def test_what_is_no_regular_file_fails(zhiwen: Zhiwen, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.txt"))
        paths = [tmp_path / "pipe.txt", tmp_path / "socket.txt", Path("/dev/zero")]
        result = zhiwen("ingest", "kb", *paths, "--json")
    assert result.status == 1
    assert [(d["name"], d["state"]) for d in result.json["documents"]] == [
        (path.name, "failed") for path in paths
    ]
    assert {d["problems"][0]["code"] for d in result.json["documents"]} == {"not_a_file"}


def test_links_are_followed_within_the_folder_only(zhiwen: Zhiwen, tmp_path: Path) -> None:
    folder, outside = tmp_path / "in", tmp_path / "out"
    for made in (folder / "sub", outside):
        made.mkdir(parents=True)
    (outside / "secret.md").write_text(TRAVEL, encoding="utf-8")
    (folder / "sub" / "leave.md").write_text(LEAVE, encoding="utf-8")
    (folder / "again.md").symlink_to(folder / "sub" / "leave.md")
    (folder / "link.md").symlink_to(outside / "secret.md")
    (folder / "all").symlink_to(outside)
    (folder / "round").symlink_to(folder)
    (folder / "lost.md").symlink_to(tmp_path / "nothing")
    result = zhiwen("ingest", "kb", folder, "--json")
    states = {d["name"]: (d["state"], [p["code"] for p in d["problems"]]) for d in result.json["documents"]}
    again = states.pop("again.md")[0], states.pop("sub/leave.md")[0]
    assert sorted(again) == ["ready", "unchanged"]
    assert states == {
        "all": ("failed", ["outside_link"]),
        "link.md": ("failed", ["outside_link"]),
        "lost.md": ("failed", ["file_not_found"]),
    }
    # A link that is given itself is followed.
    result = zhiwen("ingest", "linked", folder / "link.md", folder / "all", "--json")
    assert [d["state"] for d in result.json["documents"]] == ["ready", "unchanged"]


def test_a_name_in_an_old_encoding_is_read(zhiwen: Zhiwen, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/" + "制度.md".encode("gbk"))).write_text(
        LEAVE, encoding="utf-8"
    )
    result = zhiwen("ingest", "kb", tmp_path / "in", "--json")
    assert [(d["name"], d["state"]) for d in result.json["documents"]] == [("制度.md", "ready")]


def test_a_folder_without_files_fails(zhiwen: Zhiwen, tmp_path: Path) -> None:
    (tmp_path / "void").mkdir()
    result = zhiwen("ingest", "kb", tmp_path / "void", "--json")
    assert result.status == 1
    (document,) = result.json["documents"]
    assert (document["name"], document["state"]) == ("void", "failed")
    assert document["problems"][0]["code"] == "file_not_found"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("documents", "nowhere"), "knowledge_base_not_found"),
        (("ask", "问题", "--kb", "nowhere"), "knowledge_base_not_found"),
        (("search", "问题", "--kb", "nowhere"), "knowledge_base_not_found"),
        (("kb", "delete", "nowhere"), "knowledge_base_not_found"),
        (("kb", "rebuild", "nowhere"), "knowledge_base_not_found"),
        (("delete", "there", "nothing"), "document_not_found"),
        (("kb", "create", "there"), "knowledge_base_exists"),
        (("kb", "create", "a/b"), "invalid_name"),
        (("ingest", "..", "x.txt"), "invalid_name"),
        (("ask", " ", "--kb", "there"), "invalid_question"),
        (("ask", "x" * 5000, "--kb", "there"), "invalid_question"),
        (("ask", "问题", "--kb", "there", "--model", "none"), "unknown_model"),
        (("evaluate", "missing.json"), "invalid_question_set"),
        (("evaluate", "missing.json", "--splitter", "bad:1:1"), "invalid_setting"),
    ],
)
def test_errors(zhiwen: Zhiwen, arguments: tuple[str, ...], code: str) -> None:
    assert zhiwen("kb", "create", "there").status == 0
    result = zhiwen(*arguments, "--json")
    assert result.status == 1
    assert set(result.json) == {"error"}
    assert result.json["error"]["code"] == code
    assert result.json["error"]["message"] == result.err.strip()
    plain = zhiwen(*arguments)
    assert (plain.status, plain.out, plain.err) == (1, "", result.err)


def test_an_unexpected_error_is_one_object_too(zhiwen: Zhiwen, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("app.service.Service.knowledge_bases", fail)
    result = zhiwen("kb", "list", "--json")
    assert (result.status, result.json["error"]["code"]) == (1, "internal_error")
    assert "RuntimeError: boom" in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("ask", "问题"),
        ("ingest",),
        ("nothing",),
        ("search", "x", "--kb", "a", "--threshold", "2"),
        ("search", "x", "--kb", "a", "--threshold", "nan"),
        ("ask", "x", "--kb", "a", "--threshold", "inf"),
        ("evaluate", "x", "--hold-out", "nan"),
    ],
)
def test_wrong_usage_exits_with_2(zhiwen: Zhiwen, arguments: tuple[str, ...]) -> None:
    result = zhiwen(*arguments)
    assert (result.status, result.out) == (2, "")
    assert "Usage: zhiwen" in result.err
    told = zhiwen(*arguments, "--json")
    assert (told.status, told.err) == (2, result.err)
    assert told.json["error"]["code"] == "usage"
    assert told.json["error"]["details"]["reason"] in told.err


def test_messages_are_in_the_language_of_the_settings(zhiwen: Zhiwen, tmp_path: Path) -> None:
    assert "no knowledge base" in zhiwen("documents", "x").err
    (tmp_path / "zhiwen.toml").write_text('language = "zh"\n', encoding="utf-8")
    assert "没有名为“x”的知识库" in zhiwen("documents", "x").err
    (tmp_path / "empty.txt").touch()
    result = zhiwen("ingest", "kb", "empty.txt")
    assert (result.status, "是空的（0 字节）" in result.out) == (1, True)


def test_problems_are_told_in_the_readers_language(
    zhiwen: Zhiwen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faq.csv").write_text(
        "问题,答案\n年假几天,五天\n没有答案,\n几点上班,九点\n", encoding="utf-8"
    )
    monkeypatch.setenv("ZHIWEN_LANGUAGE", "zh")
    (document,) = zhiwen("ingest", "kb", "faq.csv", "--json").json["documents"]
    assert document["state"] == "ready_with_problems"
    (problem,) = document["problems"]
    assert problem["code"] == "faq_incomplete"
    assert problem["message"].startswith("这些行缺少问题或答案：3")
    (listed,) = zhiwen("documents", "kb", "--json").json["documents"]
    assert listed["problems"] == [problem]


def test_the_answer_of_a_faq_pair_comes_whole(zhiwen: Zhiwen, tmp_path: Path) -> None:
    steps = "".join(f"第{n}步，在第{n}个页面填写表格并提交主管审核。" for n in range(1, 40))
    pairs = f"问题,答案\n如何申请VPN账号？,{steps}\n年假，到底有几天?,满一年五天。\n"
    (tmp_path / "faq.csv").write_text(pairs, encoding="utf-8")
    assert zhiwen("ingest", "kb", "faq.csv").status == 0
    for question in ("如何申请VPN账号？", "如何申请ＶＰＮ账号", " 如何申请vpn账号?? "):
        answer = zhiwen("ask", question, "--kb", "kb", "--json").json["answer"]
        assert re.sub(r"\s*\[\d\]\s*", "", answer) == steps
    answer = zhiwen("ask", "年假到底有几天", "--kb", "kb", "--json").json
    assert answer["answer"].startswith("满一年五天。")


def test_a_file_without_text_says_why_page_by_page(zhiwen: Zhiwen, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("甲.pdf", b"%PDF-1.4 cut")
        packed.writestr("乙.txt", "")
    (document,) = zhiwen("ingest", "kb", "a.zip", "--json").json["documents"]
    assert document["state"] == "failed"
    assert [(p["code"], p["page"]) for p in document["problems"]] == [
        ("no_text", None),
        ("unreadable_member", 1),
        ("unreadable_member", 2),
    ]
    assert document["problems"][2]["message"] == (
        "乙.txt: A file inside cannot be read: "
        "The file 乙.txt is empty (0 bytes). Check it and upload it again."
    )


def test_texts_for_the_terminal(zhiwen: Zhiwen, papers: Path) -> None:
    lines = zhiwen("ingest", "制度", papers).out.splitlines()
    assert [line.split("\t")[1:] for line in lines] == [
        ["ready", "1", "1", "leave.md"],
        ["ready", "1", "1", "sub/travel.md"],
    ]
    assert zhiwen("kb", "list").out == "制度\t2\t2\n"
    answer = zhiwen("ask", "年假有几天？", "--kb", "制度").out.splitlines()
    assert answer[0].endswith("[1]")
    assert answer[-1].startswith("[1] leave.md (")
    assert zhiwen("models", "list").out == "quote\n"


def test_config_show(zhiwen: Zhiwen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHIWEN_RETRIEVAL__TOP_K", "7")
    shown = zhiwen("config", "show", "--json").json["settings"]
    assert shown["retrieval.top_k"] == {"value": 7, "source": "environment"}
    assert shown["data_dir"] == {"value": str(zhiwen.data), "source": "argument"}
    assert shown["server.port"] == {"value": 7860, "source": "default"}
    assert "retrieval.top_k = 7  # environment" in zhiwen("config", "show").out.splitlines()


def test_models_list(zhiwen: Zhiwen, tmp_path: Path) -> None:
    (tmp_path / "zhiwen.toml").write_text(
        '[answering]\nmodel = "local"\n[answering.models.local]\nkind = "openai"\nmodel = "m"\n',
        encoding="utf-8",
    )
    assert zhiwen("models", "list", "--json").json == {
        "models": [{"name": "quote", "default": False}, {"name": "local", "default": True}]
    }


def _run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **variables},
        timeout=120,
        check=False,
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from app.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as e: assert not e.code\n"
        "heavy = 'torch gradio sqlalchemy langchain_core transformers fastapi numpy pydantic onnxruntime'\n"
        "print([name for name in heavy.split() if name in sys.modules])"
    )
    result = _run("-c", code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"
    assert "ingest" in result.stdout


@pytest.mark.slow
def test_exit_status_of_the_process(zhiwen: Zhiwen, tmp_path: Path) -> None:
    good = _run("-m", "app", "--data-dir", str(zhiwen.data), "kb", "create", "kb", "--json")
    assert (good.returncode, json.loads(good.stdout)["name"]) == (0, "kb")
    bad = _run(
        "-m", "app", "--data-dir", str(zhiwen.data), "ingest", "kb", str(tmp_path / "no.txt"), "--json"
    )
    assert bad.returncode == 1, bad.stderr
    assert json.loads(bad.stdout)["documents"][0]["problems"][0]["code"] == "file_not_found"


@pytest.mark.slow
def test_a_sample_is_ingested_and_answers(zhiwen: Zhiwen) -> None:
    assert zhiwen("ingest", "制度", SAMPLES / HANDBOOK).status == 0
    answer = zhiwen("ask", "我工龄六年，一年有几天年休假？", "--kb", "制度", "--json").json
    assert "10天" in answer["answer"].replace(" ", "")
    assert answer["citations"][0]["document"] == HANDBOOK


def test_one_process_serves(zhiwen: Zhiwen) -> None:
    result = zhiwen("serve", "--api-only", "--workers", "2")
    assert result.status == 1
    assert "one process" in result.err
    assert [path.name for path in zhiwen.data.iterdir()] == ["models"]
