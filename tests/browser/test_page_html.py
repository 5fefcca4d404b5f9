"""What the pages make of answers, documents and errors, without a browser."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.answering.types import Answer, AnswerSentence, Citation, Event, Final, Sources, Token, Turn
from app.conversation_files import is_of_conversation
from app.pages import jobs_html, library_html, trial_html, uploads
from app.pages.amounts import moment_text
from app.pages.chat_html import current_html, history_html, welcome_html
from app.pages.conversation import Conversation, Exchange, ask
from app.pages.document_html import chunks_html
from app.pages.language import language_of
from app.pages.markup import button, highlighted, markdown_answer, plain_answer
from app.pages.reader import citation_html
from app.pages.system_html import keys_html, logout_html
from app.pages.texts import page_texts
from app.service import Service
from knowledge_base.api_keys import ApiKey
from knowledge_base.chunk_editing import StoredChunk
from knowledge_base.chunk_edits import ChunkEdit
from knowledge_base.types import DocumentInfo, Hit, JobFile, JobInfo
from loaders.document import Box, Chunk, Line, Problem
from loaders.errors import EmptyFileError
from models.errors import ModelUnavailableError

MOMENT = datetime(2026, 11, 21)
SAFE_TAGS = {
    *("a", "article", "b", "bdi", "blockquote", "button", "code", "details", "div", "em", "figure", "h1"),
    *("h2", "h3", "h4", "h5", "h6", "hr", "img", "li", "mark", "ol", "p", "pre", "section", "span", "strong"),
    *("i", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul", "br"),
}
CITATION = Citation(1, "库/一", "手册.pdf", "d1", 7, 3, "前文。年假为十天。后文。", "年假为十天。", 0.91)


class _Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _assert_inert(html: str) -> None:
    for tag, attributes in _Tags(html).found:
        assert tag in SAFE_TAGS
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("href", "src"):
                assert value is not None
                assert value.startswith(("#", "api/"))
            if name == "style":
                assert value is not None
                assert set(value) <= set("lefttopwidthheight:;%.-0123456789")


PIECES = [*"<>\"'&`[]()!#*_|\\\n 1年", "<img onerror=x>", "](javascript:x)", "```", "</p>", "[1]"]
hostile = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


@settings(deadline=None)
@given(hostile, hostile, hostile)
def test_whatever_a_model_or_document_says_is_inert(answer: str, passage: str, quote: str) -> None:
    citation = Citation(1, passage, quote, answer, 1, 2, passage, quote, 0.5, (Box(2, 0.1, 0.1, 0.5, 0.2),))
    for model in ("quote", "llm"):
        done = Answer(answer, False, model, (citation,))
        exchange = Exchange(passage, answer, done, running=False)
        _assert_inert(current_html(Conversation([exchange]), "zh"))


def test_markdown_is_rendered_without_raw_html_links_and_pictures() -> None:
    text = "**好** [1]\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[x](http://e.com) ![y](http://e.com/y) <b>z</b>"
    html = markdown_answer(text, lambda n: f"<a>{n}</a>")
    assert "<strong>好</strong> <a>1</a>" in html
    assert "<table>" in html
    assert "http" in html
    assert "&lt;b&gt;z&lt;/b&gt;" in html
    assert [tag for tag, _ in _Tags(html).found if tag in ("img", "b")] == []


def test_quoted_text_is_no_markdown_and_keeps_its_signs() -> None:
    html = plain_answer("# 标题 **1** [2，3]\n\n<b>", lambda n: f"<a>{n}</a>")
    assert html == "<p># 标题 **1** <a>2</a><a>3</a></p><p>&lt;b&gt;</p>"


def test_quoted_rows_are_a_table() -> None:
    """Lines beside them, and a row alone, stay text."""
    html = plain_answer("假期：\n工龄 | 天数\n<5年 | 7 [1]\n\n甲 | 乙", lambda n: f"<a>{n}</a>")
    assert html == (
        '<p>假期：</p><table><thead><tr><th scope="col">工龄</th><th scope="col">天数</th></tr></thead>'
        "<tbody><tr><td>&lt;5年</td><td>7 <a>1</a></td></tr></tbody></table><p>甲 | 乙</p>"
    )


@pytest.mark.parametrize(
    ("quote", "html"),
    [
        ("年假为十天。", "前文。<mark>年假为十天。</mark>后文。"),
        ("前文。 … 后文。", "<mark>前文。</mark>年假为十天。<mark>后文。</mark>"),
        ("不在其中", "前文。年假为十天。后文。"),
        ("", "前文。年假为十天。后文。"),
    ],
)
def test_highlight(quote: str, html: str) -> None:
    assert highlighted(CITATION.text, quote) == html


def test_citation_names_document_page_and_score() -> None:
    citation = Citation(1, "库/一", "手册.pdf", "d1", 7, 3, "原文", "原文", 0.914, ())
    answer = Answer("见 [1]，[2]", False, "quote", (citation,))
    exchange = Exchange("问", answer=answer, running=False)
    html = current_html(Conversation([exchange]), "zh")
    for shown in ("手册.pdf", "第 3 页", "相关度 0.91", "摘自原文"):
        assert shown in html
    references = [a for _, a in _Tags(html).found if a.get("class") == "zw-reference"]
    assert [(a["data-exchange"], a["data-index"]) for a in references] == [
        ("0", "1")
    ]  # there is no passage 2
    assert references[0]["data-tip"] == "手册.pdf: 原文"


def test_sentences_that_nothing_bears_out_are_marked() -> None:
    said = "年假为**五天** [1]。\n\n- 另有十天 [1]\n\n```\n三天\n```"
    sentences = (
        AnswerSentence(0, 16, (1,), 0.9, True),
        AnswerSentence(18, 28, (1,), 0.1, False),
    )
    answer = Answer(said, False, "llm", (CITATION,), sentences=sentences)
    html = current_html(Conversation([Exchange("问", answer=answer, running=False)]), "zh")
    assert "1 句缺乏依据" in html
    assert html.count('zw-doubt"') == 1
    item = html[html.index("<li>") : html.index("</li>")]
    assert "另有十天" in item
    assert "存疑" in item


@pytest.mark.parametrize(
    ("exchange", "shown"),
    [
        (Exchange("q"), "Searching…"),
        (Exchange("q", answer=Answer("no", True, "quote", ()), running=False), "Nothing found"),
        (Exchange("q", answer=Answer("yes", False, "llm", ()), running=False), "names no source"),
        (Exchange("q", text="half", running=False, stopped=True), "Stopped"),
        (Exchange("q", error="broken <b>", running=False), "broken &lt;b&gt;"),
    ],
)
def test_each_outcome_has_its_sign(exchange: Exchange, shown: str) -> None:
    assert shown in current_html(Conversation([exchange]), "en")


@pytest.mark.parametrize("refused", [True, False])
def test_documents_that_were_not_searched_yet_are_told(refused: bool) -> None:
    answer = Answer("年假为十天。", refused, "quote", () if refused else (CITATION,), documents_pending=3)
    html = current_html(Conversation([Exchange("几天？", answer=answer, running=False)]), "zh")
    assert "还有 3 份文档正在处理" in html
    settled = replace(answer, documents_pending=0)
    html = current_html(Conversation([Exchange("几天？", answer=settled, running=False)]), "zh")
    assert "正在处理" not in html


@pytest.mark.parametrize(
    ("libraries", "documents", "pending", "title"),
    [
        (0, 0, 0, "还没有知识库"),
        (1, 0, 0, "所选知识库中还没有文档"),
        (1, 0, 2, "文档正在处理"),
        (1, 5, 2, "想了解什么"),
    ],
)
def test_an_empty_conversation_says_what_to_do_next(
    libraries: int, documents: int, pending: int, title: str
) -> None:
    html = welcome_html("zh", libraries=libraries, documents=documents, pending=pending, samples=False)
    assert title in html


def test_only_the_newest_exchange_can_be_answered_again() -> None:
    done = [Exchange(q, answer=Answer("a", True, "quote", ()), running=False) for q in "12"]
    conversation = Conversation(done)
    assert "regenerate" not in history_html(conversation, "en")
    assert "regenerate" in current_html(conversation, "en")


class _Service:
    def __init__(self, events: list[Event], error: Exception | None = None) -> None:
        self.events = events
        self.error = error
        self.history: Any = None

    def ask_stream(
        self, question: str, names: list[str], *, history: Any, model: Any, mode: str = "documents", **_: Any
    ) -> Iterator[Event]:
        self.history = history
        yield from self.events
        if self.error is not None:
            raise self.error


def _ask(conversation: Conversation, service: _Service, question: str) -> Iterator[Exchange]:
    return ask(conversation, cast(Service, service), question, ["库"], model=None, language="zh")


def test_ask_streams_and_passes_the_history_on() -> None:
    final = Final(Answer("年假十天", False, "quote", ()))
    service = _Service([Sources(()), Token("年假"), Token("十天"), final])
    conversation = Conversation()
    texts = [(e.text, e.running) for e in _ask(conversation, service, "年假？")]
    assert texts[:4] == [("", True), ("", True), ("年假", True), ("年假十天", True)]
    assert texts[-1] == ("年假十天", False)
    list(_ask(conversation, service, "那病假？"))
    assert service.history == [Turn("年假？", "年假十天")]


def test_stop_keeps_what_has_come_and_takes_no_more() -> None:
    service = _Service([Token("一"), Token("二"), Final(Answer("一二", False, "quote", ()))])
    conversation = Conversation()
    steps = _ask(conversation, service, "？")
    next(steps)
    assert next(steps).text == "一"
    assert conversation.current is not None
    conversation.current.stop()
    assert list(steps) == []
    assert (conversation.current.text, conversation.current.answer) == ("一", None)
    assert conversation.current.stopped
    assert conversation.turns() == []


def test_errors_are_told_in_the_users_language() -> None:
    conversation = Conversation()
    *_, last = _ask(conversation, _Service([Token("一")], ModelUnavailableError("down")), "？")
    assert last.error == "模型暂时不可用，请稍后重试。"
    *_, last = _ask(conversation, _Service([], RuntimeError("secret")), "？")
    assert "secret" not in last.error


def _job(state: Any, stage: str = "", error: str = "", **files: Any) -> JobInfo:
    documents = tuple(
        JobFile(f"{name}.pdf", state, None, 1, 1, problems) for name, (state, problems) in files.items()
    )
    return JobInfo("j", "库", state, stage, error, documents, MOMENT, MOMENT)


def test_job_shows_progress_per_file_and_reasons() -> None:
    problem = Problem("damaged_file", "cut short")
    files: dict[str, Any] = {"a": ("ready", ()), "b": ("queued", ()), "c": ("queued", ())}
    html = jobs_html.job_html(_job("running", "parse 3/12 b.pdf", **files), "zh")
    assert "处理中 · 1 / 3 个文件" in html
    assert "解析 3/12" in html
    assert html.count("等待中") == 1
    assert 'data-action="cancel"' in html
    importing = jobs_html.job_html(_job("running", "import 30/400 库", 库=("queued", ())), "zh")
    assert '<progress value="30" max="400"' in importing
    assert "导入 30/400" in importing
    assert "页" not in importing
    failed = jobs_html.job_html(_job("failed", error="model_unavailable", a=("failed", (problem,))), "zh")
    assert "文件 a.pdf 已损坏" in failed
    assert "模型暂时不可用" in failed
    assert 'data-action="retry"' in failed


def test_a_moment_is_told_in_this_machines_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "CST-8")
        time.tzset()
        assert moment_text("2026-11-21T19:38:05+00:00") == "2026-11-22 03:38"
    time.tzset()


def test_a_browsers_own_key_is_told_before_it_is_revoked() -> None:
    keys = [(ApiKey(n, f"<{n}>", "admin", None, MOMENT, None), None) for n in ("k1", "k2")]
    html = keys_html(keys, "zh", own="k2")
    first, second = (row for row in html.split("<tr>")[2:])
    assert "这是本浏览器登录用的密钥" not in first
    assert 'data-confirm="这是本浏览器登录用的密钥。 停用密钥“&lt;k2&gt;”？' in second
    assert "当前登录" in second
    assert html.endswith(logout_html("zh"))


def test_the_place_for_files_says_what_the_script_fills_in() -> None:
    html = library_html.drop_html("a/b", "en", files=100, size=1000)
    assert 'data-send="api/knowledge-bases/a%2Fb/documents"' in html
    assert 'data-sending="Sending {done} of {total} files' in html
    assert 'data-checking="Sent; checking {total} files…"' in html


def test_only_a_text_by_hand_is_an_edit_to_undo() -> None:
    """A chunk that is switched off has its way back beside it."""
    edit = ChunkEdit(
        id=1, document_id="d", kind="changed", text=None, enabled=False, original=Chunk(0, 2, "原文"),
        occurrence=0, conflict=False, updated_at=MOMENT,
    )  # fmt: skip
    off = StoredChunk(1, Chunk(0, 2, "原文"), enabled=False, edit=edit)
    html = chunks_html([off], "zh")
    assert "启用" in html
    assert "撤销修改" not in html
    assert "撤销修改" in chunks_html([replace(off, edit=replace(edit, text="改过"))], "zh")


def test_documents_show_state_and_at_most_five_problems() -> None:
    problems = tuple(Problem("needs_ocr", "picture", n) for n in range(1, 9))
    info = DocumentInfo("d", "<x>.pdf", "ready_with_problems", "pdf", 1, 8, 0, problems, MOMENT, MOMENT)
    html = library_html.documents_html([info], "zh", total=1)
    assert html.count("此页是图片") == 5
    assert "+3" in html
    assert "<x>" not in html
    assert "删除文档“&lt;x&gt;.pdf”？" in html
    _assert_inert(html)


def test_hits_below_the_threshold_are_marked() -> None:
    hits = [Hit(score, 0.9, 0.4, "库", "a.md", "d", 1, None, "文") for score in (0.8, 0.2)]
    html = trial_html.hits_html(hits, "文？", 0.5, "zh")
    assert html.count("低于阈值") == 1
    assert "2 个中有 1 个" in html
    assert html.count('关键词 <b>0.40</b><i><i style="width:40%"></i></i>') == 2
    assert "逐句细看" not in html
    assert "不再逐句细看" in trial_html.hits_html(hits, "文？", 0.5, "zh", weighted=True)
    _assert_inert(html)


@pytest.mark.parametrize(
    ("headers", "setting", "language"),
    [
        ({}, "auto", "zh"),
        ({"accept-language": "en-GB,en;q=0.9,zh;q=0.8"}, "auto", "en"),
        ({"accept-language": "fr-FR,fr;q=0.9"}, "auto", "zh"),
        ({"accept-language": "zh-TW"}, "en", "en"),
        ({"accept-language": "en", "cookie": "a=b; zhiwen_language=zh"}, "en", "zh"),
        ({"cookie": "zhiwen_language=<x>"}, "auto", "zh"),
    ],
)
def test_language(headers: dict[str, str], setting: str, language: str) -> None:
    assert language_of(headers, setting) == language


def test_both_languages_have_the_same_texts_with_the_same_gaps() -> None:
    import re

    chinese, english = page_texts("zh"), page_texts("en")
    assert chinese.keys() == english.keys()
    for key in chinese:
        gaps = [sorted(set(re.findall(r"\{\w+\}", texts[key]))) for texts in (chinese, english)]
        assert gaps[0] == gaps[1], key


def test_button_carries_data_and_question_as_attributes() -> None:
    [(tag, attributes)] = _Tags(button("删", "remove", id='"><b>', confirm="真的？")).found
    assert tag == "button"
    assert attributes["data-id"] == '"><b>'
    assert attributes["data-confirm"] == "真的？"


def test_a_citation_of_a_replaced_file_marks_only_what_still_stands_there() -> None:
    old = Box(3, 0.1, 0.1, 0.5, 0.15)
    citation = replace(CITATION, boxes=(old,))
    info = SimpleNamespace(id="d1", name="手册.pdf", format="pdf", pages=4)

    def shown(*chunks: tuple[int, Chunk]) -> str:
        service = SimpleNamespace(document=lambda *_: info, document_chunks=lambda *_: list(chunks))
        return citation_html(cast(Service, service), citation, "zh", address={})

    moved = Line(0, 6, Box(2, 0.2, 0.4, 0.6, 0.45))
    assert "left:10.00%" in shown((7, Chunk(0, 12, CITATION.text, page=3)))
    assert "pages/3.png" in shown((7, Chunk(0, 12, CITATION.text, page=3)))
    for gone in (shown(), shown((8, Chunk(0, 8, "年假为十五天。", page=3)))):
        assert "已被删除或更换" in gone
        assert "left:10.00%" not in gone
    found = shown(
        (8, Chunk(0, 4, "另一段。", page=1)), (9, Chunk(4, 10, "年假为十天。", page=2, lines=(moved,)))
    )
    assert "pages/2.png" in found
    assert "left:20.00%;top:40.00%" in found
    assert "已被删除或更换" not in found


def test_jobs_of_conversations_are_told_from_others() -> None:
    assert is_of_conversation(f"conversation-{'0a' * 16}")
    assert not is_of_conversation("conversation-notes")


def test_take_in_deletes_the_copies_and_tells_why_a_file_was_refused(tmp_path: Path) -> None:
    kept = uploads.upload_folder(tmp_path)
    # Files of equal bytes share a folder.
    paths = [
        kept / folder / f"{name}.md" for folder, name in (("0", "好"), ("0", "同"), ("1", "空"), ("2", "多"))
    ]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x", encoding="utf-8")
    submitted = []

    def store(name: str, blocks: Iterator[bytes]) -> str:
        if name == "空.md":
            raise EmptyFileError("empty", name=name)
        return f"{name}:{b''.join(blocks).decode()}"

    def submit(name: str, files: list[str]) -> Any:
        submitted.append((name, files))
        return SimpleNamespace(id="j1")

    settings = SimpleNamespace(limits=SimpleNamespace(files_per_upload=3), data_dir=tmp_path)
    service = SimpleNamespace(store=store, submit=submit, settings=settings)
    job, rejected = uploads.take_in(cast(Service, service), "库", paths, "zh")
    assert job == "j1"
    assert submitted == [("库", ["好.md:x", "同.md:x"])]
    assert [name for name, _ in rejected] == ["空.md", "多.md"]
    assert "是空的" in rejected[0][1]
    assert "3" in rejected[1][1]
    assert list(kept.iterdir()) == []


def test_only_what_a_browser_has_sent_is_an_upload(tmp_path: Path) -> None:
    kept = uploads.upload_folder(tmp_path)
    sent, export = kept / ("a" * 64) / "问题.csv", kept / "export" / "库.zhiwen"
    for path in (sent, export):
        path.parent.mkdir(parents=True)
        path.touch()
    (sent.parent / "link").symlink_to(Path(__file__))
    assert uploads.is_upload({"path": str(sent)}, kept)
    for path in (
        export,
        sent.parent,
        sent.parent / "none",
        sent.parent / "link",
        kept / "none",
        Path(__file__),
    ):
        assert not uploads.is_upload({"path": str(path)}, kept)
    assert not uploads.is_upload({"path": str(sent), "is_stream": True}, kept)
    for named in ("http://127.0.0.1:9/a", "\0", ["a"], None):
        assert not uploads.is_upload({"path": named}, kept)
    inputs = ["a", [{"path": 1}], {"files": [{"path": 2, "more": {"path": 3}}]}]
    assert [named["path"] for named in uploads.named_files(inputs)] == [1, 2, 3]


def test_sweep_leaves_what_may_still_be_coming_in(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).touch()
    os.utime(tmp_path / "old", (0, 0))
    uploads.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


@pytest.mark.slow
def test_importing_the_mount_leaves_gradio_alone() -> None:
    import subprocess
    import sys

    code = "import sys, app.pages.mount, json; print(json.dumps('gradio' in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert json.loads(done.stdout) is False
