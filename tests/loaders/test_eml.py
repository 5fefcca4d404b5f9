from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders.base import Limits
from loaders.document import Block
from loaders.eml import EmlLoader
from loaders.html import MhtmlLoader
from tests.loaders.office_files import assert_survives, load, recognised, texts, truncations, workbook

LOADER = EmlLoader()
SHOWN = "From: 张三 <zhang@example.com>\nTo: 李四 <li@example.com>\nDate: Tue, 05 Mar 2024 09:30:00 +0800"


def mail(subject: str = "关于报销的通知") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "张三 <zhang@example.com>"
    message["To"] = "李四 <li@example.com>"
    message["Date"] = "Tue, 05 Mar 2024 09:30:00 +0800"
    message["Message-ID"] = "<1@example.com>"
    message["Subject"] = subject
    return message


def write(message: EmailMessage, folder: Path) -> Path:
    path = folder / "a.eml"
    path.write_bytes(message.as_bytes())
    return path


@pytest.mark.parametrize("charset", ["utf-8", "gb2312", "big5"])
def test_reads_header_and_text(tmp_path: Path, charset: str) -> None:
    message = mail("通知")
    message.set_content(
        "各位同事：\n\n下周放假。\n" if charset != "big5" else "各位同事：\n\n下週放假。\n", charset=charset
    )
    path = write(message, tmp_path)
    assert recognised(LOADER, path, "no-suffix")
    assert not recognised(MhtmlLoader(), path)
    (page,) = load(LOADER, path)
    assert page.blocks == (
        Block("通知", "heading", 1),
        Block(SHOWN),
        Block("各位同事："),
        Block("下周放假。" if charset != "big5" else "下週放假。"),
    )
    assert (page.number, page.heading_path, page.problems) == (1, (), ())


def test_of_two_forms_the_html_keeps_its_table(tmp_path: Path) -> None:
    message = mail()
    message.set_content("见表")
    message.add_alternative("<p>见表</p><table><tr><td>项<td>额<tr><td>餐<td>5</table>", subtype="html")
    (page,) = load(LOADER, write(message, tmp_path))
    assert page.blocks[2:] == (Block("见表"), Block("餐 | 5", "table", header="项 | 额"))


def test_the_text_of_an_invitation_is_kept(tmp_path: Path) -> None:
    message = mail()
    message.set_content("周五开会，议题是预算。")
    message.add_alternative("BEGIN:VCALENDAR\nEND:VCALENDAR", subtype="calendar")
    (page,) = load(LOADER, write(message, tmp_path))
    assert page.blocks[-1] == Block("周五开会，议题是预算。")


def test_attachments_are_read_under_their_names(tmp_path: Path) -> None:
    book = workbook(tmp_path / "b.xlsx", lambda book: book.active.append(["数", 1]))
    inner = mail("转发的信")
    inner.set_content("里面")
    message = mail()
    message.set_content("见附件")
    message.add_attachment(book.read_bytes(), maintype="application", subtype="x", filename="费用表.xlsx")
    message.add_attachment(b"MZ\0\1\2" * 50, maintype="application", subtype="x", filename="坏.exe")
    message.add_attachment(inner)
    message.add_attachment(b"x", maintype="application", subtype="pkcs7-signature", filename="smime.p7s")
    pages = load(LOADER, write(message, tmp_path))
    assert [page.heading_path for page in pages] == [
        (),
        ("费用表.xlsx", "Sheet"),
        ("坏.exe",),
        ("message.eml",),
    ]
    assert pages[0].blocks[1].text.endswith("\nAttachments: 费用表.xlsx, 坏.exe, message.eml")
    assert texts(pages[1:]) == ["数 | 1", "转发的信", SHOWN, "里面"]
    assert [[problem.code for problem in page.problems] for page in pages] == [
        [],
        [],
        ["unreadable_member"],
        [],
    ]
    assert [page.number for page in pages] == [1, 2, 3, 4]


def test_depth_of_forwarded_mail_is_limited(tmp_path: Path) -> None:
    message = mail("最里")
    message.set_content("底")
    for level in range(4):
        outer = mail(f"第{level}层")
        outer.set_content("层")
        outer.add_attachment(message)
        message = outer
    pages = load(LOADER, write(message, tmp_path), limits=Limits(archive_depth=2))
    assert [problem.code for page in pages for problem in page.problems] == ["unreadable_member"]
    assert [page.blocks[0].text for page in pages if page.blocks] == ["第3层", "第2层", "第1层"]


def test_raw_bytes_in_the_header_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.eml"
    path.write_bytes(
        b"From: a@example.com\r\nTo: b@example.com\r\nSubject: " + "关于放假的通知".encode("gbk") + b"\r\n"
        b"Content-Type: text/plain\r\n\r\n" + "下周放假，请大家安排好工作。".encode("gbk")
    )
    (page,) = load(LOADER, path)
    assert texts([page]) == [
        "关于放假的通知",
        "From: a@example.com\nTo: b@example.com",
        "下周放假，请大家安排好工作。",
    ]


def test_inline_pictures_without_an_engine_are_passed_over(tmp_path: Path) -> None:
    message = mail()
    message.set_content("<p>字<img src='cid:x'></p>", subtype="html")
    message.add_related(b"\x89PNG\r\n\x1a\n", "image", "png", cid="<x>")
    pages = load(LOADER, write(message, tmp_path))
    assert len(pages) == 1
    assert pages[0].problems == ()


def test_text_that_begins_like_a_mail_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("From: 我\n你好\n", encoding="utf-8")
    assert not recognised(LOADER, path)


def nested() -> bytes:
    parts = [b"From: a\nTo: b\nSubject: s\n"]
    parts += [b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(2000)]
    return b"".join(parts) + b"Content-Type: text/plain\n\nx"


def test_hostile_mail_survives(tmp_path: Path) -> None:
    assert_survives(LOADER, nested(), tmp_path, "a.eml")
    assert_survives(LOADER, b"Subject: " + b"=?utf-8?b?" * 5000 + b"\n\nx", tmp_path, "a.eml")
    assert_survives(
        LOADER, b'To: a\nFrom: b\nContent-Type: text/plain; charset="\x00\xff"\n\n\xff', tmp_path, "a.eml"
    )


def test_cut_short_anywhere(tmp_path: Path) -> None:
    message = mail()
    message.set_content("正文" * 100)
    message.add_attachment(b"PK\x03\x04" * 100, maintype="application", subtype="x", filename="a.zip")
    for part in truncations(message.as_bytes()):
        assert_survives(LOADER, part, tmp_path, "a.eml")


LINES: list[Any] = [
    "From: a@b", "To: x", "Subject: =?gbk?q?=C4", "Content-Type: multipart/mixed; boundary=b", "--b",
    "--b--", "",
    "Content-Type: message/rfc822", "Content-Transfer-Encoding: base64", "Content-Type: text/html; charset=x",
    "Content-Disposition: attachment; filename*=utf-8''%E4", "YWJj", "<p>字",
]  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.lists(st.one_of(st.sampled_from(LINES), st.text(max_size=8)), max_size=20))
def test_any_bytes_survive(tmp_path: Path, data: list[str]) -> None:
    raw = "\n".join(data).encode("utf-8", "surrogatepass")
    assert_survives(LOADER, raw, tmp_path, "a.eml")
