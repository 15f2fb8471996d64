"""The splitter: one table of examples for each rule, the contract on any text, and real corpora."""

from __future__ import annotations

import os
import re
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune import schemes
from nertune.documents import Document
from nertune.splitting import split, split_text

DATA = Path(os.environ.get("NERTUNE_DATA", "no-corpora"))


def words(text: str) -> str:
    """The words of `text`, a space between them."""
    return " ".join(text[start:end] for start, end in split_text(text)[0])


def sentences(text: str) -> list[str]:
    """The sentences of `text`, each as the words it is made of."""
    spans, ranges = split_text(text)
    return [" ".join(text[a:b] for a, b in spans[first:last]) for first, last in ranges]


OUTER_PUNCTUATION = [
    ("(Reuters)", "( Reuters )"),
    ('"Yes," he said.', '" Yes , " he said .'),
    ("well... no", "well ... no"),
    ("what?!", "what ? !"),
    ("-- Reuters --", "-- Reuters --"),
    ("''quoted''", "'' quoted ''"),
    ("'quoted'", "' quoted '"),
    ("the boys' dog", "the boys ' dog"),
    ("{[x]};", "{ [ x ] } ;"),
    ("_John_ **bold**", "_ John _ ** bold **"),
    ("pre- and post-war", "pre - and post-war"),
    ("¿Qué? ¡No!", "¿ Qué ? ¡ No !"),
    ("«oui» „ja“ “yes”", "« oui » „ ja “ “ yes ”"),
]
CLITICS = [
    ("Solheim's", "Solheim 's"),
    ("SOLHEIM'S", "SOLHEIM 'S"),
    ("Solheim’s", "Solheim ’s"),
    ("don't can't won’t", "do n't ca n't wo n’t"),
    ("we're I've he'll she'd I'm", "we 're I 've he 'll she 'd I 'm"),
    ("couldn't've", "could n't 've"),
    ("U.S.'s", "U.S. 's"),
    ("the dog 's n't", "the dog 's n't"),
    ("O'Brien o'clock Nuku'alofa", "O'Brien o'clock Nuku'alofa"),
    ("dell'Europa l’Italia L'Oreal", "dell' Europa l’ Italia L'Oreal"),
]
ABBREVIATIONS = [
    ("U.S. J.K. J. EE.UU. a.m. e.g.", "U.S. J.K. J. EE.UU. a.m. e.g."),
    ("Mr. Dr. Inc. St. Ph.D. ST. Lt.-Gen.", "Mr. Dr. Inc. St. Ph.D. ST. Lt.-Gen."),
    ("(U.S.), J., Inc.)", "( U.S. ) , J. , Inc. )"),
    ("U.S.-based", "U.S.-based"),
    ("No. 5 no. 7", "No. 5 no. 7"),
    ("He said no. Then", "He said no . Then"),
    ("the end.", "the end ."),
    ("etc...", "etc ..."),
    ("ended.The St.Denis", "ended . The St. Denis"),
]
WHOLE_WORDS = [
    ("AL-AIN Jean-Pierre", "AL-AIN Jean-Pierre"),
    ("AT&T S&P amazon.com a_b", "AT&T S&P amazon.com a_b"),
    ("1,000.50 10:30 3/4 1996-08-22 6-4", "1,000.50 10:30 3/4 1996-08-22 6-4"),
    ("-5 +1 .25 (-5)", "-5 +1 .25 ( -5 )"),
    ("50% $5 US$5", "50 % $ 5 US$ 5"),
    ("1990s 10th 4x100", "1990s 10th 4x100"),
    ("<john.doe+tag@mail.example.co.uk>.", "< john.doe+tag@mail.example.co.uk > ."),
    ("(https://example.com/a?b=1,2).", "( https://example.com/a?b=1,2 ) ."),
    ("www.example.com, HTTP://X.ORG/", "www.example.com , HTTP://X.ORG/"),
    ("@handle's #tag1, #1", "@handle 's #tag1 , # 1"),
    ("👩\u200d👩\u200d👧! 👍🏽x", "👩\u200d👩\u200d👧 ! 👍🏽 x"),
]
CUTS = [
    ("km/h A/B 24/7 w/o", "km/h A/B 24/7 w/o"),
    ("Reuters/AFP and/or", "Reuters / AFP and / or"),
    ("one(two)three", "one ( two ) three"),
    ('say"hi"now', 'say " hi " now'),
    ("1–2 a—b x--y wait...what", "1 – 2 a — b x -- y wait ... what"),
    ("Paris,London a:b c;d e,1", "Paris , London a : b c ; d e , 1"),
]
UNICODE = [
    ("e\u0301te\u0301 !\ufe0f 1\ufe0f\u20e3", "e\u0301te\u0301 !\ufe0f 1\ufe0f\u20e3"),
    ("\u200eJohn", "\u200e John"),
    ("a\u00a0b\u3000c\u2003d\te", "a b c d e"),
    ("東京は「大阪」、元気。", "東京は 「 大阪 」 、 元気 。"),
    ("हिन्दी में।", "हिन्दी में ।"),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *OUTER_PUNCTUATION,
        *CLITICS,
        *ABBREVIATIONS,
        *WHOLE_WORDS,
        *CUTS,
        *UNICODE,
    ],
)
def test_words(text: str, expected: str) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four… Five", ["One .", "Two !", "Three ?", "Four …", "Five"]),
        ('"Go." She left. (He stayed.) So', ['" Go . "', "She left .", "( He stayed . )", "So"]),
        ("Yahoo! said... well. nothing", ["Yahoo ! said ... well . nothing"]),
        ("Mr. Smith and J. Doe of St. Louis", ["Mr. Smith and J. Doe of St. Louis"]),
        ("Dr. The J. The", ["Dr. The J. The"]),
        ("The U.S. Army. In the U.S. The", ["The U.S. Army .", "In the U.S.", "The"]),
        ("Apple Inc. Shares. Apple Inc. It", ["Apple Inc. Shares .", "Apple Inc.", "It"]),
        ("1. The first. 2. The second.", ["1 . The first .", "2 . The second ."]),
        ("one\ntwo\r\nthree\u2028four\n\n\nfive", ["one", "two", "three", "four", "five"]),
        ("好。「是！」不。。！是", ["好 。", "「 是 ！ 」", "不 。。 ！", "是"]),
        ("Él vino. ¿Qué? «Sí.» No", ["Él vino .", "¿ Qué ?", "« Sí . »", "No"]),
        ("... The end", ["... The end"]),
        ("The end . , he said", ["The end . , he said"]),
        ("in 1996. 12 people", ["in 1996 .", "12 people"]),
        ("", []),
        (" \n\u3000 ", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


TRAPS = ["n't", "'s", "U.S.", "Mr", "No", "http://", "www.", "a@b.c", "l'", "--", "xx", "👍"]
CHARS = "aAé5.,:;!?！'’\"()/-–_@#$%&+*。「」ー\n\u0301\u200d\ufe0f\u0640\u00a0 "
FRAGMENTS = st.lists(st.sampled_from([*CHARS, *TRAPS]), max_size=30).map("".join)


@given(st.text() | FRAGMENTS)
@settings(deadline=None, max_examples=300)
def test_every_visible_character_is_in_one_word_and_every_word_in_one_sentence(text: str) -> None:
    spans, ranges = split_text(text)
    covered = [i for start, end in spans for i in range(start, end)]
    assert covered == [i for i, char in enumerate(text) if not char.isspace()]
    assert all(start < end for start, end in spans)
    assert [i for first, last in ranges for i in range(first, last)] == list(range(len(spans)))
    assert all(first < last for first, last in ranges)
    for first, last in ranges:
        assert len(text[spans[first][0] : spans[last - 1][1]].splitlines()) == 1


@given(FRAGMENTS)
@settings(deadline=None, max_examples=300)
def test_no_word_begins_with_a_mark_that_follows_a_character(text: str) -> None:
    for start, _ in split_text(text)[0]:
        is_mark = unicodedata.category(text[start]) in ("Mn", "Cf")
        assert not (is_mark and start and not text[start - 1].isspace())


@pytest.mark.parametrize(
    "unit",
    ["a", ".", "(", "a,", "a.", "a-", "don't", "a@", "a@b-", "www.(", '." ', "1. ", "é\u0301"],
)
def test_time_is_linear_in_the_length(unit: str) -> None:
    text = unit * (500_000 // len(unit))
    start = time.process_time()
    split_text(text)
    assert time.process_time() - start < 5, "0.1 to 0.8 s where time is linear, minutes where not"


def test_split_fills_a_raw_document_and_leaves_a_divided_one_alone() -> None:
    raw = Document.from_text("Ann left. Bob came.", [(0, 3, "PER"), (10, 13, "PER")])
    document = split(raw)
    assert document.words == ["Ann", "left", ".", "Bob", "came", "."]
    assert document.sentences == ((0, 3), (3, 6))
    assert document.label_spans == [(0, 1, "PER"), (3, 4, "PER")]
    assert document.cut_entities == []
    assert split(document) is document
    ready = Document.from_words(["a.b", "c"])
    assert split(ready) is ready


def read_corpus(path: Path) -> list[tuple[list[str], list[schemes.Span]]]:
    """Words and gold entities of each sentence of a CoNLL file."""
    found = []
    for block in re.split(r"\n\s*\n", path.read_text(encoding="utf-8").strip()):
        rows = [line.split() for line in block.splitlines()]
        found.append(([row[0] for row in rows], schemes.decode([row[-1] for row in rows])))
    return found


LEFT = (*".,:;?!)]%'", "...", "'s", "'re", "'m", "'ve", "'ll", "'d", "n't", "'S", "N'T")
RIGHT = (*"([$¿¡", "C$", "A$", "US$")


def as_written(sentence: list[str]) -> list[str]:
    """The white space before each word as a newspaper would print it."""
    gaps, quoted, glue = [], False, True
    for last, word in zip(["", *sentence], sentence, strict=False):
        to_left = quoted if word == '"' else word in LEFT and not (word == "." and last[-1:] == ".")
        gaps.append("" if glue or to_left else " ")
        quoted ^= word == '"'
        glue = quoted if word == '"' else word in RIGHT
    return gaps


@pytest.mark.corpora
@pytest.mark.skipif(not DATA.is_dir(), reason="corpora not present")
@pytest.mark.parametrize("spacing", ["joined by spaces", "as written"])
@pytest.mark.parametrize(
    ("name", "floor"), [("conll2003-en/eng.testa", 0.99), ("conll2002-es/esp.testa", 0.985)]
)
def test_words_and_entities_of_a_corpus_are_found_again(
    name: str, floor: float, spacing: str
) -> None:
    text, gold, edges = "", list[tuple[int, int]](), list[tuple[int, int]]()
    for sentence, entities in read_corpus(DATA / name):
        first = len(gold)
        gaps = as_written(sentence) if spacing == "as written" else [" "] * len(sentence)
        text += " "
        for gap, word in zip(gaps, sentence, strict=True):
            gold.append((len(text + gap), len(text + gap + word)))
            text += gap + word
        edges += [(gold[first + start][0], gold[first + end - 1][1]) for start, end, _ in entities]
    spans, _ = split_text(text)
    starts, ends = {start for start, _ in spans}, {end for _, end in spans}
    kept = sum((start in starts) + (end in ends) for start, end in edges)
    assert kept / (2 * len(edges)) >= floor
    assert len(set(gold) & set(spans)) / len(gold) >= 0.99
