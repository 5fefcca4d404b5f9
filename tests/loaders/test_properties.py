"""What holds for any bytes and any text, not only for those that somebody thought of."""

from __future__ import annotations

import csv
import io
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.base import LoadOptions
from loaders.cleaning import clean_line
from loaders.encodings import decode
from loaders.errors import LoaderError, UnsupportedFormatError
from loaders.registry import find_loader, parse_file
from tests.loaders import fuzz
from tests.loaders.test_contract import SAMPLES

_CHINESE = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1, max_size=60)
_NAMES = st.sampled_from(
    [f"a{suffix}" for suffix in (".txt", ".md", ".csv", ".json", ".html", ".eml", ".rst", "")]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("properties")


@given(data=st.binary(min_size=1, max_size=400), name=_NAMES)
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_refused(folder: Path, data: bytes, name: str) -> None:
    path = folder / "any"
    path.write_bytes(data)
    try:
        document = parse_file(path, name=name, options=LoadOptions())
    except LoaderError as error:
        assert error.details["name"] == name
    else:
        fuzz.check(document)


@given(
    text=st.text(st.sampled_from("#*`[]()<>|-_~:=.\"'\\& \n\t制度字aA1，。"), min_size=1, max_size=300),
    name=_NAMES,
)
@settings(max_examples=150, deadline=None)
def test_any_markup_is_read_or_refused(folder: Path, text: str, name: str) -> None:
    path = folder / "markup"
    path.write_text(text, encoding="utf-8")
    try:
        fuzz.check(parse_file(path, name=name, options=LoadOptions()))
    except LoaderError as error:
        assert error.__cause__ is None or isinstance(error.__cause__, LoaderError | ValueError)


@given(text=_CHINESE, encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
@settings(max_examples=60, deadline=None)
def test_text_that_states_its_encoding_comes_back(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)).text == text


@given(data=st.binary(min_size=1, max_size=600))
@settings(max_examples=150, deadline=None)
def test_decoding_gives_text_that_can_be_stored_or_refuses(data: bytes) -> None:
    try:
        decoded = decode(data)
    except UnsupportedFormatError:
        return
    decoded.text.encode()


@given(text=st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_cleaned_line_is_one_line_without_invisible_characters(text: str) -> None:
    line = clean_line(text)
    assert line == clean_line(line) == clean_line(f" {text}\n")
    assert not set(line) & set("\r\n\t\x00\u00ad\u200b\u2028\ufeff")


@given(rows=st.lists(st.lists(_CHINESE, min_size=3, max_size=3), min_size=2, max_size=8))
@settings(max_examples=60, deadline=None)
def test_every_cell_of_a_table_is_found_again(folder: Path, rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    path = folder / "table"
    path.write_text(out.getvalue(), encoding="utf-8")
    document = parse_file(path, name="a.csv", options=LoadOptions())
    found = "\n".join(f"{section.block.header}\n{section.block.text}" for section in document.sections)
    assert all(cell in found for row in rows for cell in row)


@pytest.mark.parametrize("kind", sorted(SAMPLES))
@pytest.mark.slow
def test_damaged_samples_break_no_promise(kind: str) -> None:
    """A short run of the fuzzer, the same each time."""
    noise = random.Random(kind)  # noqa: S311
    with tempfile.TemporaryDirectory() as place:
        path = SAMPLES[kind](Path(place))
        data = path.read_bytes()
        for _ in range(8):
            packed = path.suffix in fuzz.PACKAGES
            path.write_bytes(fuzz.mutate_package(data, noise) if packed else fuzz.mutate(data, noise))
            assert fuzz.judge(lambda: parse_file(path, name=path.name, options=fuzz.OPTIONS)) is None


def test_the_fuzzer_sees_what_breaks(folder: Path) -> None:
    def breaks() -> None:
        raise KeyError("column")

    def hides() -> None:
        try:
            breaks()
        except KeyError as error:
            raise LoaderError("“a.csv” cannot be read: KeyError: 'column'") from error

    assert (fuzz.judge(breaks) or "").startswith("broken KeyError")  # type: ignore[arg-type]
    assert (fuzz.judge(hides) or "").startswith("caught late KeyError")  # type: ignore[arg-type]
    path = folder / "good"
    path.write_text("好", encoding="utf-8")
    assert fuzz.judge(lambda: parse_file(path, name="a.txt", options=LoadOptions())) is None
    assert find_loader(path, "a.txt").format == "text"
