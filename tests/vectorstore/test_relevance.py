from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectorstore import lexical, occurrences
from vectorstore.background import Background
from vectorstore.calibration import PARTS, Calibration, Calibrations
from vectorstore.chinese import fold, terms
from vectorstore.dictionary import WORDS_IN_A_TEXT, Dictionary, is_pair
from vectorstore.english import stem
from vectorstore.errors import IndexFilesError
from vectorstore.evidence import AnswerabilityEvidence, Asked, Looked, SentenceEvidence

share = st.floats(0, 1)
WEIGHTS = {"relevance": 1.0, "nearest": 2.0, "second": 1.0, "cosine": -2.0, "missing_names": -3.0}


@given(st.lists(share, min_size=len(PARTS), max_size=len(PARTS)))
def test_a_relevance_is_a_share(parts: list[float]) -> None:
    for calibration in (Calibration.default(), Calibration.words()):
        (relevance,) = calibration.relevance(np.array([parts]))
        assert 0 <= relevance <= 1


def test_relevance_of_known_parts() -> None:
    calibration = Calibration(weights=dict.fromkeys(PARTS, 1.0), intercept=-2.0, threshold=0.5)
    rows = np.zeros((2, len(PARTS)))
    rows[0, :2] = 1.0
    assert calibration.relevance(rows).tolist() == pytest.approx([0.5, 0.11920292])


def test_each_embedder_has_its_own_calibration(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    calibrations = Calibrations(tmp_path / "calibrations")
    assert calibrations.of("multilingual-e5-small/abc/onnx-int8") is Calibration.default()
    assert not caplog.records
    assert calibrations.of("bge-m3/1/float16") is Calibration.words()
    assert "bge-m3/1/float16 has no calibration" in caplog.text
    assert Calibration.words().weights["cosine"] == 0.0
    own = Calibration(weights=dict.fromkeys(PARTS, 0.5), intercept=-1.0, threshold=0.4)
    file = calibrations.save("bge-m3/1/float16", own)
    assert calibrations.of("bge-m3/1/float16") == own
    assert calibrations.of("bge-m3/2/float16") is Calibration.words()
    file.write_text("{}")
    with pytest.raises(IndexFilesError):
        calibrations.of("bge-m3/1/float16")


def test_calibration_file(tmp_path: Path) -> None:
    calibration = Calibration(weights=dict.fromkeys(PARTS, 0.25), intercept=-1.5, threshold=0.4)
    calibration.save(tmp_path / "c.json")
    assert Calibration.load(tmp_path / "c.json") == calibration
    (tmp_path / "c.json").write_text('{"weights": {}}')
    with pytest.raises(IndexFilesError):
        Calibration.load(tmp_path / "c.json")


def test_what_sentences_change() -> None:
    evidence = SentenceEvidence(weights=WEIGHTS, intercept=0.5)
    assert [evidence.wanted(relevance) for relevance in (0.0, 0.05, 0.06, 0.94, 0.95, 1.0)] == [
        *(False, False, True),
        *(True, False, False),
    ]
    assert evidence.relevance(0.5, 0.75, np.array([0.5]), 0.0) == pytest.approx(1 / (1 + np.exp(-0.5)))
    found = evidence.relevance(0.8, 0.5, np.array([0.125, 0.5, 0.25]), 0.5)
    assert found == pytest.approx(4 / (4 + np.exp(0.75)))


def test_what_is_looked_at_again() -> None:
    asked = Asked.of("《差旅辦法》规定的住宿标准是多少？")
    assert asked.names == ("差旅办法",)
    assert asked.missing_names("依差旅辦法办理") == 0.0
    assert asked.missing_names("依规定办理") == 1.0
    sentences = ["住宿在外。", "交通自理。", "住宿标准见附表。", "食宿自理。", "差旅办法另有规定。"]
    assert asked.closest(sentences) == [0, 2, 4]
    assert asked.closest(sentences[:2]) == [0, 1]
    assert Asked.of("怎么办？").missing_names("") == 0.0


def test_what_a_reader_changes() -> None:
    evidence = AnswerabilityEvidence(weights={"relevance": 0.5, "answerability": 2.0}, intercept=-1.0)
    assert [evidence.wanted(relevance) for relevance in (0.05, 0.06, 0.94, 0.95)] == [
        *(False, True),
        *(True, False),
    ]
    assert evidence.relevance(0.5, 0.5) == pytest.approx(0.5)
    assert evidence.relevance(0.8, -1.0) == pytest.approx(2 / (2 + np.exp(3)))
    assert (
        evidence.relevance(0.8, -9.0) == evidence.relevance(0.8, -3.0) == pytest.approx(2 / (2 + np.exp(7)))
    )


def test_what_is_read() -> None:
    asked = Asked.of("電腦怎麼報修？")
    assert asked.question == "电脑怎么报修?" and asked.chinese
    looked = Looked(asked, ["電腦。", "請找 IT。", "電腦。", "電話８０１。", "報修電腦。"])
    assert (looked.closest(), looked.closest(1), looked.closest(3)) == ([0, 2, 4], [2, 3, 4], [3, 4])
    assert looked.shown(1) == "电脑。电话801。报修电脑。"
    assert not Asked.of("Whom to ask?").chinese
    assert len(Asked.of("问" * 100_000).question) == len(Looked(asked, ["答" * 100_000]).shown()) == 1_000


def test_a_calibration_keeps_what_sentences_and_reader_change(tmp_path: Path) -> None:
    calibration = Calibration(
        weights=dict.fromkeys(PARTS, 0.25),
        intercept=-1.5,
        threshold=0.4,
        sentences=SentenceEvidence(weights=WEIGHTS, intercept=0.5),
        answerability=AnswerabilityEvidence(weights={"relevance": 0.5, "answerability": 2.0}, intercept=-1.0),
    )
    calibration.save(tmp_path / "c.json")
    assert Calibration.load(tmp_path / "c.json") == calibration
    weighted = calibration.weighted(1.0, 0.5)
    assert (weighted.sentences, weighted.answerability) == (None, None)
    older = json.loads((tmp_path / "c.json").read_text())
    del older["answerability"]
    (tmp_path / "c.json").write_text(json.dumps(older))
    assert Calibration.load(tmp_path / "c.json") == replace(calibration, answerability=None)


def test_shipped_files() -> None:
    calibration = Calibration.default()
    assert 0 < calibration.threshold < 1
    assert calibration.sentences is not None and calibration.sentences.weights["nearest"] > 0
    assert calibration.answerability is not None and calibration.answerability.weights["answerability"] > 0
    assert Calibration.words().sentences is None
    background = Background.default()
    assert (
        background.frequencies["的"] > background.frequencies["年假"]
        if "年假" in background.frequencies
        else True
    )
    assert background.idf("的", 0, 0) < 0.5 < background.idf("报销", 0, 0)


def test_background_file(tmp_path: Path) -> None:
    background = Background.count(["年假", "年假", "報銷"], at_least=2)
    assert background == Background(3, {"年": 2, "假": 2, "年假": 2})
    background.save(tmp_path / "b.npz")
    assert Background.load(tmp_path / "b.npz") == background


def test_dictionary_file(tmp_path: Path) -> None:
    dictionary = Dictionary.count({"年休假": 3, "報銷": 1, "VPN": 5, "假": 1})
    assert {
        pair: dictionary.share(pair) is not None for pair in ("年休", "休假", "报销", "报休", "假年")
    } == {
        **dict.fromkeys(("年休", "休假", "报销"), True),
        **dict.fromkeys(("报休", "假年"), False),
    }
    dictionary.save(tmp_path / "d.npz")
    read = Dictionary.load(tmp_path / "d.npz")
    assert (read.codes.tolist(), read.shares.tolist()) == (
        dictionary.codes.tolist(),
        dictionary.shares.tolist(),
    )
    assert Dictionary.count({}).share("年假") is None


def test_the_shipped_dictionary_knows_words_and_not_where_they_meet() -> None:
    dictionary = Dictionary.default()
    assert all(dictionary.share(pair) is not None for pair in ("年休", "师傅", "点头", "报账"))
    assert all(dictionary.share(pair) is None for pair in ("网断", "出差"[::-1], "西需"))
    assert is_pair("年假") and not is_pair("年") and not is_pair("ab") and not is_pair("年a")


def test_idf_goes_from_the_background_to_the_collection() -> None:
    background = Background(100, {"常": 50})
    assert background.idf("常", 0, 0) == pytest.approx(np.log(2))
    assert background.idf("常", 1_000_000, 1_000_000) == pytest.approx(-np.log(0.999), abs=1e-3)
    assert background.idf("新", 0, 0) == pytest.approx(np.log(1_000 / 0.3))


def test_a_pair_that_is_no_word_weighs_only_where_a_text_has_it() -> None:
    words = Dictionary.count({"点头": 50, "报告": 1, "的": 949})
    background = Background(100, {"常用": 50}, words)
    assert background.idf("后要", 0, 9_000) == 0.0
    assert background.idf("后要", 1, 9_000) == pytest.approx(np.log(10_000))
    assert background.idf("后要", 0, 0) == pytest.approx(np.log(1_000 / 0.3)), "no collection is asked"
    share = 1 - np.exp(-0.05 * WORDS_IN_A_TEXT)
    assert background.idf("点头", 0, 9_000) == pytest.approx(-np.log(share / 10), rel=1e-4)
    assert background.idf("报告", 0, 0) == pytest.approx(
        -np.log(1 - np.exp(-0.001 * WORDS_IN_A_TEXT)), rel=1e-4
    )
    assert background.idf("常用", 0, 0) == pytest.approx(np.log(2))
    assert background.idf("后", 0, 9_000) > 0 and background.idf("sg", 0, 9_000) > 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("年假", ["年", "假", "年假"]),
        ("歐洲ABC", ["欧", "洲", "欧洲", "abc"]),
        ("３.5萬 x_y", ["3", "5", "万", "x", "y"]),
        ("\ud800😀\x00", []),
        ("z" * 100, ["z" * 64]),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    assert terms(fold(text)) == expected


def one(_: str) -> float:
    return 1.0


def test_words_that_only_ask_are_left_out() -> None:
    assert lexical.question("年假有多少天？", one).terms == ["年假", "假有", "年", "假", "有", "天"]
    assert lexical.question("what is the vpn", one).terms == ["vpn"]
    assert lexical.question("怎么", one).terms == ["怎么", "怎", "么"]
    assert lexical.question("？", one).terms == []


def test_parts_of_a_pair() -> None:
    weights = {"年假": 3.0, "假期": 2.0, "v2": 5.0}
    asked = lexical.question("年假期 v2", lambda term: weights.get(term, 1.0))
    parts = lexical.compare(asked, ["年假" + "无" * 60 + "假期", "年假，假期，v2", ""])
    assert parts.phrases == pytest.approx([0.5, 1.0, 0.0])
    assert parts.characters == pytest.approx([1.0, 1.0, 0.0])
    assert parts.window == pytest.approx([0.3, 1.0, 0.0])
    assert parts.rarest == pytest.approx([0.5, 1.0, 0.0])
    assert parts.missing_words == pytest.approx([0.5, 0.0, 0.5])
    assert parts.names == pytest.approx([0.5, 1.0, 0.0])
    assert parts.clause == pytest.approx([4.0 / 11.5, 1.0, 0.0])
    assert parts.missing_weight == pytest.approx([5.0 / lexical.UNIT, 0.0, 10.0 / lexical.UNIT])
    assert parts.missing_most == pytest.approx([5.0 / lexical.UNIT, 0.0, 5.0 / lexical.UNIT])


def test_an_abbreviation_is_nearly_covered_by_the_word() -> None:
    asked = lexical.question("年假", one)
    texts = ["年假", "年休假", "年，假", "年终休假", "年休假" + "无" * 60 + "年假"]
    parts = lexical.compare(asked, texts)
    assert parts.names == pytest.approx([1.0, lexical.PARTED, 0.0, 0.0, 1.0])
    assert parts.name_characters.tolist() == [1.0] * 5
    # Two characters of half the pair's weight stand in each text.
    assert parts.clause == pytest.approx([1.0, (1 + lexical.PARTED) / 2, 0.5, 0.5, 1.0])
    beside = lexical.compare(asked, ["年休假"], ["年假"])
    assert beside.names == pytest.approx([max(lexical.CONTEXT, lexical.PARTED)])
    assert beside.window == pytest.approx([max(lexical.CONTEXT, lexical.PARTED)])


def test_parted_pairs_have_numbers_of_their_own() -> None:
    found = occurrences.find(["年假", "年"], ["年休假年假", "年A假"], parted=True)
    assert found.present(4).tolist() == [[True, True, True, False], [False, True, False, False]]
    assert not occurrences.find(["年假"], ["年休假"]).places.size


def test_an_identifier_that_the_text_lacks_counts_against_it() -> None:
    asked = lexical.question(fold("SG-300 的默认地址"), lambda term: 8.0 if term.isascii() else 2.0)
    parts = lexical.compare(asked, [fold(f"{model} 的默认地址") for model in ("SG-200", "SG-300")])
    assert parts.missing_words[0] > 0.3 and parts.missing_words[1] == 0.0
    assert parts.names[0] < parts.names[1] == 1.0
    assert parts.missing_weight[0] > parts.missing_weight[1] == 0.0


def test_what_stands_in_the_context_is_nearly_covered() -> None:
    asked = lexical.question(fold("SG-200 最大功耗"), lambda term: 8.0 if term.isascii() else 2.0)
    row = fold("功耗 | 典型值8W，最大值14W")
    manual, other, none = "sg-200用户手册", "sg-300用户手册", ""
    parts = lexical.compare(asked, [row] * 3, [manual, other, none])
    # sg and 200 weigh 8 each, 最大, 大功 and 功耗 2 each; the row lacks 大功.
    whole = 8.0 + 8.0 + 3 * 2.0
    lent = lexical.CONTEXT
    assert parts.phrases == pytest.approx([(lent * 16 + 4) / whole, (lent * 8 + 4) / whole, 4 / whole])
    assert parts.missing_words == pytest.approx(
        [(1 - lent) * 16 / whole, (16 - lent * 8) / whole, 16 / whole]
    )
    assert parts.window == pytest.approx(parts.phrases)
    assert parts.missing_most == pytest.approx([2.0 / lexical.UNIT, 8.0 / lexical.UNIT, 8.0 / lexical.UNIT])


def test_a_term_in_text_and_context_counts_once_and_wholly() -> None:
    asked = lexical.question("sg200 复位", one)
    parts = lexical.compare(asked, ["sg200 复位", "sg200 " + "无" * 150 + " 复位"], ["sg200"] * 2)
    assert parts.phrases.tolist() == [1.0, 1.0]
    assert parts.window == pytest.approx([1.0, (1.0 + lexical.CONTEXT) / 2])


def test_pairs_with_grammar_are_no_names() -> None:
    asked = lexical.question("公司的年假", one)
    assert list(asked.phrases) == ["公司", "司的", "的年", "年假"]
    assert list(asked.names) == ["公司", "年假"]
    assert "的" in asked.characters and "的" not in asked.name_characters
    assert asked.content == {"公司": 1.0, "年假": 1.0, **dict.fromkeys("公司年假", lexical.LIGHT)}


def test_long_questions_keep_their_rarest_terms() -> None:
    asked = lexical.question(" ".join(f"w{i}" for i in range(700)), lambda term: float(term[1:]))
    assert len(asked.phrases) == lexical.MOST_TERMS
    assert asked.rarest == ("w699", "w698", "w697")


def largest_window(places: dict[str, list[int]], weights: dict[str, float], width: int) -> float:
    """The weight of the best window, tried at every place."""
    ends = sorted({place for of_term in places.values() for place in of_term})
    return max(
        (
            sum(
                weights[term]
                for term, of_term in places.items()
                if any(end - width <= p <= end for p in of_term)
            )
            for end in ends
        ),
        default=0.0,
    )


@pytest.mark.parametrize(
    ("word", "text", "places"),
    [
        ("5g", "15g 5ghz 5g, 4g/5g频段", [9, 16]),
        ("200", "sg200 1200 2000 200.5 共200台", [2, 16, 23]),
        ("day", "days sunday day", [0, 12]),
        ("v1", "v1.2 v12 api-v1", [0, 13]),
        ("c", "c级 abc c", [0, 7]),
    ],
)
def test_words_are_found_whole(word: str, text: str, places: list[int]) -> None:
    assert occurrences.find([word], [text]).places.tolist() == places


@given(st.lists(st.text("年假期 ", max_size=150), max_size=4), st.integers(0, occurrences.WIDEST))
def test_occurrences_are_those_that_a_plain_search_finds(texts: list[str], width: int) -> None:
    words = {"年": 1.0, "年假": 2.0, "假期": 0.5, "假假": 4.0}
    found = occurrences.find(list(words), texts)
    best = found.best_window(np.tile(list(words.values()), (len(texts), 1)), width)
    assert found.present(len(words)).tolist() == [[word in text for word in words] for text in texts]
    for number, text in enumerate(texts):
        places = {
            word: [i for i in range(len(text)) if text.startswith(word, i)] for word in words if word in text
        }
        assert best[number] == pytest.approx(largest_window(places, words, width))


@given(st.text(max_size=60), st.text(max_size=120), st.text(max_size=20))
def test_parts_are_shares(question: str, text: str, context: str) -> None:
    found = lexical.compare(lexical.question(fold(question), one), [fold(text)], [fold(context)])
    parts = lexical.LexicalParts(*(part[0] for part in found))
    least = -1e-9
    assert least <= parts.window <= parts.phrases + 1e-9 <= 1 + 2e-9
    assert least <= parts.names_nearby <= parts.names + 1e-9 <= 1 + 2e-9
    assert least <= parts.clause <= parts.sentences + 1e-9 <= 1 + 2e-9
    assert least <= parts.missing_words <= 1 - parts.phrases + 1e-9
    assert 0 <= parts.characters <= 1 and 0 <= parts.rarest <= 1


@pytest.mark.parametrize(
    ("one", "other", "beginning"),
    [
        ("passwords", "password", "password"),
        ("authenticate", "authentication", "authent"),
        ("company", "companies", "compan"),
        ("expires", "expire", "expir"),
        ("i", "i", "i"),
        ("skis", "ski", "ski"),
        ("flies", "flies", "fli"),
        ("größe", "größe", "größe"),
        ("e4", "e4", "e4"),
    ],
)
def test_forms_of_an_english_word_share_their_beginning(one: str, other: str, beginning: str) -> None:
    assert (stem(one), stem(other)) == (beginning, beginning)


def test_words_of_an_english_question_are_no_names_but_codes_are() -> None:
    def asked(text: str) -> lexical.Question:
        return lexical.question(fold(text), lambda _: 1.0)

    assert asked("How long must passwords of SG-200 users be?").words == ("200",)
    assert asked("SG-200 网关的 token 有效期多久？").words == ("sg", "200", "token")
    assert asked("VPN gateway").words == ("vpn", "gateway")
    text = ["a password has fourteen characters; every user of the gateway sg 200 sets it at the first start"]
    parts = lexical.compare(asked("How are passwords of SG-200 users set?"), text)
    assert (parts.names.tolist(), parts.missing_words.tolist(), parts.latin.tolist()) == ([1.0], [0.0], [1.0])
    assert lexical.compare(asked("SG-200 的密码"), text).latin.tolist() == [0.0]


def test_windows_are_wider_in_letters_than_in_chinese_characters() -> None:
    words = ["the", "gateway", "certificate"]
    near = ["gateway" + " x" * 30 + " certificate"]
    latin = lexical.compare(lexical.question(" ".join(words), lambda _: 1.0), near)
    mixed = lexical.compare(lexical.question("的 " + " ".join(words), lambda _: 1.0), near)
    assert latin.window.tolist() == [1.0]
    assert mixed.window.tolist() == [0.5]


def test_a_calibration_made_before_the_latin_part_is_read(tmp_path: Path) -> None:
    file = tmp_path / "calibration.json"
    own = Calibration(weights=dict.fromkeys(PARTS, 0.5), intercept=-1.0, threshold=0.4)
    own.save(file)
    file.write_text(file.read_text().replace('"missing_most": 0.5,\n    "latin": 0.5', '"missing_most": 0.5'))
    assert Calibration.load(file).weights == {**own.weights, "latin": 0.0}
