"""Writing: what is written can be read back."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nertune import splitting
from nertune.config import ReadSettings
from nertune.data import ReadReport, read_stream, write_columns, write_jsonl
from nertune.documents import Document
from nertune.errors import DataError
from nertune.schemes import SCHEMES, encode

ROME = Document.from_words(["in", "Rome"], ["O", "B-LOC"])
TWO = Document.from_words(["Rome", "fell", "."], ["I-LOC", "O", "O"], [(0, 1), (1, 3)])


def columns_of(documents, *args, **options):
    handle = io.StringIO()
    write_columns(documents, handle, *args, **options)
    return handle.getvalue()


def read_back(text, **options):
    return list(read_stream(io.BytesIO(text.encode()), ReadSettings(**options)))


def test_one_word_a_line_and_a_blank_line_after_each_sentence():
    assert columns_of([ROME, ROME]) == "in O\nRome B-LOC\n\nin O\nRome B-LOC\n\n"


def test_marks_where_any_document_has_several_sentences():
    assert columns_of([ROME, TWO]) == (
        "-DOCSTART- O\n\nin O\nRome B-LOC\n\n-DOCSTART- O\n\nRome I-LOC\n\nfell O\n. O\n\n"
    )
    assert columns_of(iter([ROME]), marks=True).startswith("-DOCSTART- O\n\n")
    assert not columns_of(iter([TWO]), marks=False).startswith("-DOCSTART-")


def test_several_tag_columns_as_conlleval_reads_them():
    gold_and_predicted = [[ROME.tags, ["O", "B-PER"]], [TWO.tags, ["O", "O", "O"]]]
    text = columns_of([ROME, TWO], gold_and_predicted, separator="\t")
    assert text == (
        "-DOCSTART-\tO\tO\n\nin\tO\tO\nRome\tB-LOC\tB-PER\n\n"
        "-DOCSTART-\tO\tO\n\nRome\tI-LOC\tO\n\nfell\tO\tO\n.\tO\tO\n\n"
    )
    assert [d.tags for d in read_back(text)] == [("O", "B-PER"), ("O", "O", "O")]


def test_no_tag_column_at_all():
    text = columns_of([ROME], [[]])
    assert text == "in\nRome\n\n"
    assert read_back(text, tag_column=None) == [Document.from_words(["in", "Rome"])]


def test_entities_without_tags_are_written_in_iob2():
    document = splitting.split(Document.from_text("in New York", [(3, 11, "LOC")]))
    assert columns_of([document]) == "in O\nNew B-LOC\nYork I-LOC\n\n"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (Document.from_words(["New York"], id="d7"),
         "the word 'New York' of the document 'd7' holds white space, which divides columns"),
        (Document.from_words(["a\nb"]), "the word 'a\\nb' of a document holds white space"),
        (Document.from_words(["\ufeffa"]), "the word '\\ufeffa' of a document would be read"),
        (Document.from_words(["a\0"]), "the word 'a\\x00' of a document would be read"),
        (Document.from_words(["-DOCSTART-"]), "the word '-DOCSTART-' of a document would be read"),
        (Document.from_text("raw"), "a document is raw text without words; expected words"),
    ],
)
def test_what_a_column_file_cannot_hold_is_refused(document, message):
    with pytest.raises(DataError) as caught:
        columns_of([document])
    assert str(caught.value).startswith(message)


def test_a_separator_inside_a_word_is_refused():
    with pytest.raises(DataError, match="the word 'a;b' of a document holds the separator ';'"):
        columns_of([Document.from_words(["a;b"])], separator=";")


def test_columns_of_the_wrong_length_are_refused():
    with pytest.raises(DataError, match="1 tags for the 2 words of a document"):
        columns_of([ROME], [[["O"]]])


def test_jsonl_rows():
    handle = io.StringIO()
    document = Document.from_text("à Rome", [(2, 6, "LOC")], id="x")
    scored = replace(document, entities=(replace(document.entities[0], score=0.25),), id=None)
    write_jsonl([document, scored], handle)
    first, second = handle.getvalue().splitlines()
    assert json.loads(first) == {
        "id": "x",
        "text": "à Rome",
        "entities": [{"start": 2, "end": 6, "label": "LOC", "text": "Rome"}],
    }
    assert "à" in first
    assert json.loads(second)["entities"][0]["score"] == 0.25
    assert "id" not in json.loads(second)


def test_jsonl_keeps_text_and_entities_of_words():
    handle = io.StringIO()
    write_jsonl([TWO], handle)
    (document,) = read_back(handle.getvalue())
    assert (document.text, document.entities) == (TWO.text, TWO.entities)


def test_words_with_white_space_that_divides_no_columns():
    document = Document.from_words(["10\u00a0000", "a\u2028b", "c\x0cd"], ["O", "B-X", "O"])
    assert read_back(columns_of([document])) == [document]


WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), min_size=1, max_size=6
).filter(lambda word: word[0] != "\ufeff") | st.sampled_from(
    ["#", "#tag", "#newdoc", "a\u00a0b", "[", "{", '"', "-", "O", "B-LOC", "12"]
)


@st.composite
def word_documents(draw):
    scheme = SCHEMES[draw(st.sampled_from(["IOB1", "IOB2", "IOBES"]))]
    words, tags, ranges = [], [], []
    for _ in range(draw(st.integers(1, 3))):
        sentence = draw(st.lists(WORDS, min_size=1, max_size=5))
        start = draw(st.integers(0, len(sentence) - 1))
        ranges.append((len(words), len(words) + len(sentence)))
        words += sentence
        label = draw(st.sampled_from(["A", "B-C"]))
        tags += encode([(start, len(sentence), label)], len(sentence), scheme)
    return Document.from_words(words, tags, ranges)


@settings(max_examples=150, deadline=None)
@given(documents=st.lists(word_documents(), min_size=1, max_size=4),
       separator=st.sampled_from([" ", "\t"]), tagged=st.booleans())
def test_columns_read_back_give_the_same_documents(documents, separator, tagged):
    # A file of # alone could be one of comments; it is refused as empty.
    assume(any(not word.startswith("#") for document in documents for word in document.words))
    columns = None if tagged else ([] for _ in documents)
    text = columns_of(documents, columns, separator=separator)
    report = ReadReport()
    given = ReadSettings(format="columns", separator=separator, tag_column=-1 if tagged else None)
    found = list(read_stream(io.BytesIO(text.encode()), given, report))
    if not tagged:
        documents = [replace(d, tags=None, entities=()) for d in documents]
    assert found == documents
    assert report.comments == 0


@st.composite
def text_documents(draw):
    text = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
    edges = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6, unique=True)))
    spans = [
        (start, end, draw(st.sampled_from(["LOC", "É/x"])))
        for start, end in zip(edges[::2], edges[1::2], strict=False)
        if text[start:end] == text[start:end].strip()
    ]
    document = Document.from_text(text, spans, draw(st.none() | st.text(
        st.characters(exclude_categories=["Cs"]), max_size=3)))
    if not draw(st.booleans()):
        return document
    score = st.floats(0, 1)
    return replace(
        document, entities=tuple(replace(e, score=draw(score)) for e in document.entities)
    )


@settings(max_examples=150, deadline=None)
@given(documents=st.lists(text_documents(), min_size=1, max_size=4))
def test_jsonl_read_back_gives_the_same_documents(documents):
    handle = io.StringIO()
    write_jsonl(documents, handle)
    assert read_back(handle.getvalue(), format="jsonl") == documents
