"""What reading a split shows and changes: counted and said."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import pytest

from nertune import schemes
from nertune.config import ReadSettings
from nertune.errors import DataError
from nertune.splits import (
    CUT,
    DIVIDED,
    LOST,
    RETAGGED,
    SKIPPED,
    SplitFacts,
    gold_tags,
    label_warnings,
    load_gold,
    read_split,
    written_tags,
)

IOB2, IOB1, IOBES = (schemes.SCHEMES[name] for name in ("IOB2", "IOB1", "IOBES"))
# New York and Bern are whole; the last entity is the Lond of London.
ROWS: tuple[dict[str, object], ...] = (
    {"text": "In New York.", "entities": [{"start": 3, "end": 11, "label": "LOC"}]},
    {"text": "Off London, off Bern.", "id": "b7", "entities": [
        {"start": 4, "end": 8, "label": "LOC"}, {"start": 16, "end": 20, "label": "LOC"}]},
)


@pytest.fixture
def split(tmp_path):
    """Writes a file (rows of JSONL, or text of columns) and reads it as a split."""

    def load(content: str | Sequence[dict], scheme=IOB2, name="dev", **settings):
        ending = "conll" if isinstance(content, str) else "jsonl"
        path = tmp_path / f"{name}.{ending}"
        text = content if isinstance(content, str) else "\n".join(map(json.dumps, content))
        path.write_text(text, encoding="utf-8")
        return load_gold(name, [str(path)], ReadSettings(**settings), scheme)

    return load


def test_facts_count_documents_sentences_words_and_labels(split):
    gold = split("Ada B-PER\nran O\n\nRome B-LOC\n\n-DOCSTART- O\n\nRome B-LOC\nand O\n")
    facts = gold.facts
    assert (facts.documents, facts.sentences, facts.words) == (2, 3, 5)
    assert facts.labels == Counter(LOC=2, PER=1)
    assert facts.scheme is IOB2
    assert facts.lines() == []
    assert gold.tags == ["B-PER", "O", "B-LOC", "B-LOC", "O"]


def test_several_files_are_one_split(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(f"{name} B-PER\n", encoding="utf-8")
    paths = [str(tmp_path / name) for name in "ab"]
    assert [d.text for d in read_split("train", paths, ReadSettings())] == ["a", "b"]


class TestEntitiesThatCutWords:
    def test_stop_names_the_file_the_document_and_the_cure(self, split):
        with pytest.raises(DataError) as caught:
            split(ROWS)
        message = str(caught.value)
        assert "dev.jsonl: document 2 (id b7): the entity 'Lond' at character 4" in message
        assert "on_error=repair" in message
        assert "on_error=skip" in message

    def test_skip_leaves_the_document_out_and_says_where(self, split):
        facts = split(ROWS, on_error="skip").facts
        assert (facts.documents, facts.words, facts.labels) == (1, 4, Counter(LOC=1))
        assert len(facts.lines()) == 1
        assert facts.lines()[0].startswith(f"dev: skipped once: {SKIPPED} (first at ")
        assert facts.lines()[0].endswith("dev.jsonl, document 2)")

    def test_repair_widens_them_to_whole_words_and_counts(self, split):
        gold = split(ROWS, on_error="repair")
        assert gold.facts.changed == {CUT: 1}
        assert gold.facts.lines() == [f"dev: {CUT}: 1"]
        assert gold.tags[4:] == ["O", "B-LOC", "O", "O", "B-LOC", "O"]

    def test_nothing_left_to_score_is_an_error(self, split):
        with pytest.raises(DataError, match=r"no document is left, 1 were skipped.*on_error=rep"):
            split(ROWS[1:], on_error="skip")


def test_entities_across_a_sentence_end_are_divided_and_counted(split):
    rows = [{"text": "At Yahoo! Inc today.\nBye.",
             "entities": [{"start": 10, "end": 24, "label": "ORG"}]}]
    gold = split(rows)
    assert gold.tags == ["O", "O", "O", "B-ORG", "I-ORG", "I-ORG", "B-ORG", "O"]
    assert gold.facts.changed == {DIVIDED: 1}


def test_an_entity_inside_the_word_of_another_is_counted(split):
    rows = [{"text": "Londoner.", "entities": [
        {"start": 0, "end": 4, "label": "LOC"}, {"start": 4, "end": 8, "label": "PER"}]}]
    gold = split(rows, on_error="repair")
    assert gold.tags == ["B-LOC", "O"]
    assert gold.facts.changed == {CUT: 2, LOST: 1}


class TestGoldTags:
    def test_native_gold_stays_as_it_was_read(self, split):
        # The orphan I-LOC is kept: conlleval reads it, and counts its single tag as it stands.
        gold = split("Ada B-PER\nin O\nRome I-LOC\n\nBob B-PER\nLee I-PER\n")
        assert gold.facts.scheme is IOB2
        assert gold.tags == ["B-PER", "O", "I-LOC", "B-PER", "I-PER"]
        assert gold.facts.changed == {RETAGGED: 1}
        assert gold.facts.lines() == [f"dev: {RETAGGED}: 1"]

    def test_gold_of_another_scheme_is_written_anew(self, split):
        text = "Ada I-PER\nLee I-PER\nmet O\nBob I-PER\nJoe B-PER\n"
        gold = split(text)
        assert gold.facts.scheme is IOB1
        assert gold.tags == ["B-PER", "I-PER", "O", "B-PER", "B-PER"]
        assert gold.facts.lines() == []
        assert split(text, IOB1).tags == ["I-PER", "I-PER", "O", "I-PER", "B-PER"]
        assert split(text, IOBES).tags == ["B-PER", "E-PER", "O", "S-PER", "S-PER"]

    def test_the_scheme_is_that_of_the_whole_split(self, split):
        # Alone the first sentence could be IOB1, IO or IOE1 as well.
        text = "Ada I-PER\nLee I-PER\n\nBob I-PER\nJoe B-PER\n"
        assert split(text).tags == ["B-PER", "I-PER", "B-PER", "B-PER"]

    def test_one_document(self, split):
        gold = split("Ada I-PER\nBob B-PER\n")
        facts = SplitFacts("dev")
        assert gold_tags(gold.documents[0], IOBES, gold.facts) == ["S-PER", "S-PER"]
        assert written_tags(gold.documents[0], IOB2, facts) == ["B-PER", "B-PER"]
        assert facts.changed == {}


class TestLabelWarnings:
    def facts(self, name: str, **labels: int) -> SplitFacts:
        return SplitFacts(name, labels=Counter(labels))

    def test_labels_that_one_split_lacks_are_named_with_counts(self):
        train = self.facts("train", LOC=5, PER=3, MISC=1)
        dev = self.facts("dev", LOC=1, ORG=4, DATE=2)
        assert label_warnings(train, [dev]) == [
            "dev has labels that train lacks, which no model can find: "
            "DATE (2 entities), ORG (4 entities)",
            "dev lacks labels that train has: MISC, PER",
        ]

    def test_a_split_without_entities(self):
        train, test = self.facts("train", LOC=5), self.facts("test")
        assert label_warnings(train, [test]) == [
            "test holds no entity: its F1 is 0 whatever is predicted"
        ]

    def test_nothing_to_say(self):
        assert label_warnings(self.facts("train", LOC=5), [self.facts("dev", LOC=1)]) == []


def test_facts_survive_json(split):
    facts = split(ROWS, on_error="repair").facts
    facts.cut_pieces = 3
    again = SplitFacts.from_dict(json.loads(json.dumps(facts.to_dict())))
    assert again == facts
    assert again.lines() == facts.lines()
    assert "pieces of words longer than a window (not seen; the words are): 3" in facts.lines()[1]
