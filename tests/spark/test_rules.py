"""The rules of Spark NLP, told by hand from Tokenizer.scala and NerTagsEncoding.scala."""

from __future__ import annotations

import pytest

from nertune.documents import Document
from nertune.errors import TagError
from nertune.spark.rules import entities_of, in_words
from nertune.testing import odd_texts, offset_faults


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n ", []),
        ("Hello, world!", ["Hello", ",", "world", "!"]),
        ('(U.N.) "didn\'t"', ["(", "U.N", ".)", '"', "didn't", '"']),
        ("wait... --- what?!", ["wait", "...", "---", "what", "?!"]),
        ("well-known Jane's 1,000.50", ["well-known", "Jane's", "1,000.50"]),
        ("ab\u00a0cd", ["ab\u00a0cd"]),
    ],
)
def test_words_by_the_rules_of_spark_nlp(text: str, words: list[str]) -> None:
    assert in_words(Document.from_text(text), "spark-nlp").words == words


def test_sentences_are_ours_under_both_rules() -> None:
    text = 'He left (at last). "She" stayed.\nThe end'
    for rules in ("nertune", "spark-nlp"):
        document = in_words(Document.from_text(text), rules)
        found = [
            text[document.word_spans[a][0] : document.word_spans[b - 1][1]]
            for a, b in document.sentences
        ]
        assert found == ["He left (at last).", '"She" stayed.', "The end"]


def test_words_lie_in_odd_texts_where_they_should() -> None:
    for text in odd_texts(seed=1, n=200):
        document = in_words(Document.from_text(text), "spark-nlp")
        tagged = document.with_tags(["B-PER"] * document.n_words)
        faults = [one for one in offset_faults(text, tagged) if "visible" not in one]
        assert not faults, (text, faults)


@pytest.mark.parametrize(
    ("tags", "conlleval", "spark_nlp"),
    [
        ("B-PER I-LOC", [(0, 1, "PER"), (1, 2, "LOC")], [(0, 2, "PER")]),
        ("B-PER I-PER O B-PER B-PER", [(0, 2, "PER"), (3, 4, "PER"), (4, 5, "PER")], None),
        ("O I-LOC I-LOC", [(1, 3, "LOC")], None),
        ("I-PER I-LOC B-ORG", [(0, 1, "PER"), (1, 2, "LOC"), (2, 3, "ORG")],
         [(0, 2, "PER"), (2, 3, "ORG")]),
        ("S-PER S-LOC", [(0, 1, "PER"), (1, 2, "LOC")], [(0, 2, "PER")]),
        ("O O", [], None),
    ],
)  # fmt: skip
def test_tags_to_entities_by_both_rules(tags: str, conlleval: object, spark_nlp: object) -> None:
    assert entities_of(tags.split(), "conlleval") == conlleval
    assert entities_of(tags.split(), "spark-nlp") == (spark_nlp or conlleval)


def test_what_is_no_tag_is_refused() -> None:
    with pytest.raises(TagError, match="Ada"):
        entities_of(["Ada"], "spark-nlp")
