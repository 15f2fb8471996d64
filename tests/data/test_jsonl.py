"""JSONL: text with entities, words with tags, and every fault with its line."""

from __future__ import annotations

import json

import pytest

from nertune.documents import Document, Entity
from nertune.errors import DataError, TagError

GOOD = {"text": "Rome fell", "entities": [{"start": 0, "end": 4, "label": "LOC"}]}
TEXT = "in Rome, Mario sang"


def lines(*rows):
    return "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n"


def with_entities(*entities, **more):
    return {"text": TEXT, "entities": list(entities), **more}


def entity(start, end, label="LOC", **more):
    return {"start": start, "end": end, "label": label, **more}


def test_text_with_entities_is_read_unsplit(reading):
    documents = reading(lines(with_entities(entity(9, 14, "PER"), entity(3, 7), id="d1"), GOOD))
    assert documents[0] == Document(
        TEXT, entities=(Entity(3, 7, "LOC", "Rome"), Entity(9, 14, "PER", "Mario")), id="d1",
        split=False,
    )
    assert not documents[0].split
    assert reading.report.lines() == ["read 2 documents"]
    assert reading.report.clean


def test_offsets_are_characters_not_bytes_or_utf16_units(reading):
    row = {"text": "👩‍🚀 Zoë", "entities": [entity(4, 7, "PER")]}
    for ascii_only in (True, False):
        documents = reading(json.dumps(row, ensure_ascii=ascii_only))
        assert documents[0].entities[0].text == "Zoë"


@pytest.mark.parametrize("row", [{"text": TEXT}, {"text": TEXT, "entities": None}, with_entities()])
def test_text_without_entities_is_good_for_prediction(reading, row):
    assert reading(lines(row)) == [Document.from_text(TEXT)]


@pytest.mark.parametrize("key", ["ner_tags", "tags"])
def test_words_with_tags(reading, key):
    documents = reading(lines({"tokens": ["in", "Rome"], key: ["O", "B-LOC"], "id": 7}))
    assert documents == [Document.from_words(["in", "Rome"], ["O", "B-LOC"], id="7")]
    assert reading.report.words == 2


def test_words_without_tags(reading):
    documents = reading(lines({"tokens": ["in", "en:Rome"]}), word_prefix="en:")
    assert documents[0].tags is None
    assert documents[0].words == ["in", "Rome"]


def test_ids_of_tags_and_keys_under_other_names(reading):
    names = ["O", "B-LOC"]
    expected = [Document.from_words(["in", "Rome"], ["O", "B-LOC"])]
    row = {"tokens": ["in", "Rome"], "ner_tags": [0, 1]}
    assert reading(lines(row), label_names=names) == expected
    row = {"words": ["in", "Rome"], "labels": [0, 1]}
    keys = {"tokens_key": "words", "tags_key": "labels"}
    assert reading(lines(row), label_names=names, **keys) == expected
    message = reading.fails(lines(row), DataError, **keys)
    assert message.endswith("; give the names in id order, as label_names: [O, B-PER, I-PER]")
    assert reading(lines({"words": ["a"]}), **keys)[0].tags is None


def test_an_id_without_a_name(reading):
    row = {"tokens": ["a", "b"], "ner_tags": [1, -100]}
    message = reading.fails(lines(row), DataError, label_names=["O", "B-X"])
    assert message.startswith(
        "file:1: tag 1 has the id -100, but there are 2 names; expected an id from 0 to 1"
    )
    documents = reading(lines(row), label_names=["O", "B-X"], on_error="repair")
    assert documents[0].tags == ("B-X", "O")
    assert reading.report.repaired == {"tag id without a name": 1}


def test_rows_in_other_languages_are_left_out_and_counted(reading):
    rows = [
        {**GOOD, "lang": "it"}, {**GOOD, "lang": "en"}, {"tokens": ["a"], "langs": ["it", "en"]},
        {**GOOD, "lang": None}, {"tokens": ["a"], "langs": []},
    ]  # fmt: skip
    assert len(reading(lines(*rows), languages=["it"])) == 2
    assert reading.report.other_languages == {"en": 1, "none": 2}
    assert reading.report.clean
    assert not reading.report.ignored_keys
    for odd, found in ((GOOD, "missing or null"), ({**GOOD, "lang": 5}, "int 5")):
        message = reading.fails(lines(odd), DataError, languages=["it"])
        assert message.startswith(f"file:1: 'lang' is {found}; expected a string, because")
    assert len(reading(lines(GOOD, rows[0]), languages=["it"], on_error="skip")) == 1
    assert reading.report.skipped == {"no language": 1}
    message = reading.fails(lines(*rows), DataError, languages=["de", "ro"])
    assert message.startswith("file: no row is in de or ro; expected some; the languages are it 2")


def test_blank_lines_BOM_CRLF_and_a_missing_last_newline(reading):  # noqa: N802
    content = "\ufeff" + lines(GOOD, "", " \t", GOOD).replace("\n", "\r\n").rstrip()
    assert len(reading(content)) == 2


def test_a_line_separator_inside_a_text_ends_no_line(reading):
    row = {"text": "a\u2028b\x85c\nd", "entities": [entity(2, 3)]}
    documents = reading(json.dumps(row, ensure_ascii=False))
    assert documents[0].text == row["text"]


def test_ignored_keys_are_counted(reading):
    row = with_entities(entity(3, 7, id=1), meta={}, label="positive")
    reading(lines(row, row, {"tokens": ["a"], "space_after": [True]}))
    assert reading.report.ignored_keys == {
        "meta": 2, "label": 2, "entities.id": 2, "space_after": 1,
    }
    assert reading.report.clean
    assert reading.report.lines()[1] == (
        f"ignored the key 'entities.id' 2 times (first at {reading.path}:1)"
    )


def test_white_space_behind_the_prefix_is_a_fault_too(reading):
    row = lines({"tokens": ["en: a"]})
    assert "token 0 is 'en: a'" in reading.fails(row, DataError, word_prefix="en:")
    assert reading(row, word_prefix="en:", on_error="repair")[0].words == ["a"]


def test_scores_are_kept(reading):
    documents = reading(lines(with_entities(entity(3, 7, score=0.5), entity(9, 14, score=1))))
    assert [e.score for e in documents[0].entities] == [0.5, 1.0]


ENTITY_FAULTS = {
    "overlap": (
        [entity(3, 7), entity(6, 14)], "entities overlap",
        "the entities 'Rome' and 'e, Mario' overlap at character 6; expected entities side by side",
        ["Rome"],
    ),
    "twice": ([entity(3, 7), entity(3, 7)], "entities overlap", "the entities 'Rome' and 'Rome'",
              ["Rome"]),
    "beyond": ([entity(3, 99)], "entity outside the text",
               "the entity LOC (3, 99) does not fit a text of 19 characters", []),
    "negative": ([entity(-1, 2)], "entity outside the text", "the entity LOC (-1, 2)", []),
    "empty": ([entity(3, 3)], "entity outside the text", "the entity LOC (3, 3)", []),
    "white space": (
        [entity(2, 8, "LOC")], "white space at an entity's edge",
        "the entity ' Rome,' at 2 begins or ends with white space", ["Rome,"],
    ),
    "only white space": ([entity(2, 3)], "white space at an entity's edge", "the entity ' ' at 2",
                         []),
    "boolean": ([entity(True, 7)], "offset is no integer",
                "'start' of an entity is boolean true; expected an object as", []),
    "float": ([entity(3, 7.0)], "offset is no integer", "'end' of an entity is float 7.0", []),
    "string": ([entity("3", 7)], "offset is no integer", "'start' of an entity is a string", []),
    "no offset": ([{"start_offset": 3, "end_offset": 7}], "offset is no integer",
                  "'start' of an entity is missing or null", []),
    "no label": ([{"start": 3, "end": 7}], "no label", "'label' of the entity at 3 is missing",
                 []),
    "empty label": ([entity(3, 7, "")], "no label", "'label' of the entity at 3 is an empty", []),
    "label of white space": ([entity(3, 7, " ")], "faulty label",
                             "the label of the entity at 3 is ' '; expected printable", []),
    "surrogate label": ([entity(3, 7, "a\ud800")], "faulty label",
                        "the label of the entity at 3 is 'a\\ud800'", []),
    "triple": ([[3, 7, "LOC"]], "entity is no object", "an entity is a list; expected an obj", []),
    "inclusive": (
        [entity(3, 6, text="Rome")], "entity text differs",
        "the entity at (3, 6) is 'Rom', but its 'text' is 'Rome'; expected text[start:end], end "
        "exclusive: end is exclusive, 7 would fit", [],
    ),
    "elsewhere": ([entity(0, 5, text="Mario")], "entity text differs",
                  "the entity at (0, 5) is 'in Ro', but its 'text' is 'Mario'; expected "
                  "text[start:end], end exclusive: it stands at 9", []),
    "number as text": ([entity(3, 7, text=5)], "entity text differs", "the entity at (3, 7)", []),
    "score": ([entity(3, 7, score="high")], "score is no number",
              "'score' of an entity is a string; expected a number", ["Rome"]),
}


@pytest.mark.parametrize("name", ENTITY_FAULTS)
def test_a_faulty_entity_stops_with_its_line(reading, name):
    entities, _, message, _ = ENTITY_FAULTS[name]
    shown = reading.fails(lines(GOOD, "", with_entities(*entities)), DataError)
    assert shown.startswith(f"file:3: {message}")
    assert shown.endswith("on_error skip or repair (--on-error)")


@pytest.mark.parametrize("name", ENTITY_FAULTS)
def test_a_faulty_entity_is_skipped_with_its_document_or_repaired(reading, name):
    entities, reason, _, kept = ENTITY_FAULTS[name]
    content = lines(GOOD, with_entities(*entities))
    assert len(reading(content, on_error="skip")) == 1
    assert reading.report.skipped == {reason: 1}
    documents = reading(content, on_error="repair")
    assert [e.text for e in documents[1].entities] == kept
    assert reading.report.repaired == {reason: 1}
    assert reading.report.first[reason] == f"{reading.path}:2"


ROW_FAULTS = {
    "broken": ('{"text": "a"', "not JSON",
               "not JSON: Expecting ',' delimiter at column 13 in '{\"text\": \"a\"'; expected one "
               "whole object a line"),
    "pretty": ("{", "not JSON", "not JSON: Expecting property name"),
    "words": ("in Rome", "not JSON", "not JSON: Expecting value at column 1 in 'in Rome'"),
    "deep": ("[" * 100_000, "not JSON", "not JSON: "),
    "huge": ('{"id": ' + "9" * 5000 + "}", "not JSON", "not JSON: Exceeds the limit"),
    "latin1": (b'{"text": "\xe9"}'.decode("latin1"), "not UTF-8",
               "not UTF-8 (byte 0xE9 at column 11); expected UTF-8; convert it"),
    "twice": ('{"text": "a", "id": 1, "id": 2}', "key stands twice",
              "the key 'id' stands twice in one object; expected each key once"),
    "twice inside": ('{"text": "a", "entities": [{"start": 0, "start": 0}]}', "key stands twice",
                     "the key 'start' stands twice"),
    "list": ([], "not an object", "a list where a document was expected"),
    "null": ("null", "not an object", "missing or null where a document"),
    "no text": ({"sentence": "x"}, "no text",
                "'text' is missing or null; expected a string (or a row with tokens and ner_tags); "
                "the keys are 'sentence'"),
    "empty row": ({}, "no text", "'text' is missing or null"),
    "text number": ({"text": 5}, "no text", "'text' is int 5; expected a string"),
    "surrogate": ('{"text": "a \\ud800 b"}', "lone surrogate",
                  "'a \\ud800 b' holds a lone surrogate"),
    "entities object": ({"text": "x", "entities": {}}, "entities is no list",
                        "'entities' is an object; expected a list of objects"),
    "doccano": ({"text": "Rome", "label": [[0, 4, "LOC"]]}, "annotation of another tool",
                "no 'entities', but a list under 'label', as other tools write it"),
    "prodigy": ({"text": "Rome", "spans": [{"start": 0}], "tokens": [{"text": "Rome"}]},
                "tokens are no strings", "'tokens' is a list with an object in it"),
    "token string": ({"tokens": "Rome"}, "tokens are no strings", "'tokens' is a string"),
    "integer tags": ({"tokens": ["a"], "ner_tags": [0]}, "tags are no strings",
                     "'ner_tags' holds integers, the numbers of classes; expected the names of the "
                     "tags as strings"),
    "null tags": ({"tokens": ["a"], "tags": [None]}, "tags are no strings",
                  "'tags' is a list with null in it"),
    "lengths": ({"tokens": ["a", "b"], "tags": ["O"]}, "numbers of words and tags differ",
                "1 tags for 2 tokens; expected one tag a token"),
    "token surrogate": ('{"tokens": ["\\ud800"]}', "lone surrogate", "'\\ud800' holds a lone"),
}


def faulty_row(row):
    good, bad = lines(GOOD).encode(), lines(row)
    return good + bad.encode("latin1") + good


@pytest.mark.parametrize("name", ROW_FAULTS)
def test_a_faulty_row_stops_with_its_line(reading, name):
    row, _, message = ROW_FAULTS[name]
    shown = reading.fails(faulty_row(row), DataError, format="jsonl")
    assert shown.startswith(f"file:2: {message}")


@pytest.mark.parametrize("name", ROW_FAULTS)
@pytest.mark.parametrize("on_error", ["skip", "repair"])
def test_a_faulty_row_is_left_out_and_counted(reading, name, on_error):
    row, reason, _ = ROW_FAULTS[name]
    assert len(reading(faulty_row(row), on_error=on_error, format="jsonl")) == 2
    assert reading.report.skipped == {reason: 1}
    assert not reading.report.repaired


@pytest.mark.parametrize(
    ("row", "error", "reason", "message", "repaired"),
    [
        ({"tokens": ["a", " "], "tags": ["O", "B-X"]}, DataError, "empty word",
         "token 1 is ' '; expected a word", Document.from_words(["a"], ["O"])),
        ({"tokens": [" a\xa0"]}, DataError, "white space at a word's edge",
         "token 0 is ' a\\xa0'; expected 'a'", Document.from_words(["a"])),
        ({"tokens": ["a"], "ner_tags": ["X"]}, TagError, "unknown tag",
         "the tag 'X' has an unknown prefix", Document.from_words(["a"], ["O"])),
        ({"text": "a", "id": 1.5}, DataError, "faulty id",
         "'id' is float 1.5; expected a string or an integer", Document("a", split=False)),
        ({"text": "a", "id": True}, DataError, "faulty id", "'id' is boolean true",
         Document("a", split=False)),
    ],
)
def test_what_is_faulty_in_a_row_can_be_repaired(reading, row, error, reason, message, repaired):
    assert reading.fails(lines(row), error).startswith(f"file:1: {message}")
    assert reading(lines(GOOD, row), on_error="repair")[1] == repaired
    assert reading.report.repaired == {reason: 1}
    assert len(reading(lines(GOOD, row), on_error="skip")) == 1
    assert reading.report.skipped == {reason: 1}
