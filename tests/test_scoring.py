"""Scores against conlleval's rules written out, seqeval and scikit-learn."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seqeval.metrics
import sklearn.metrics
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from nertune import schemes
from nertune.config import ReadSettings
from nertune.data import read
from nertune.errors import DataError, TagError
from nertune.scoring import Counts, Scores, score

quick = settings(deadline=None, max_examples=80)

Sentences = list[list[str]]
LETTERS = {"IOB": "BI", "IOE": "IE", "IOBES": "BIES"}


@st.composite
def pairs(draw: st.DrawFn, letters: str) -> tuple[Sentences, Sentences]:
    """Gold and predicted tags of the same sentences: any letters in any order."""
    tags = ["O", *(f"{p}-{label}" for p, label in product(letters, ("PER", "LOC", "A-B")))]
    # Few different tags make entities longer and agreement likelier.
    tag = st.sampled_from(draw(st.sampled_from([tags, tags[:4], tags[::3]])))
    gold = draw(st.lists(st.lists(tag, max_size=8), max_size=5))
    predicted = [[draw(st.one_of(st.just(own), tag)) for own in sentence] for sentence in gold]
    return gold, predicted


any_pairs = st.one_of(*(pairs(letters) for letters in LETTERS.values()))


@st.composite
def valid_pairs(draw: st.DrawFn, scheme: schemes.Scheme) -> tuple[Sentences, Sentences]:
    gold, predicted = draw(pairs("BI"))
    return [[schemes.convert(sentence, scheme) for sentence in side] for side in (gold, predicted)]  # type: ignore[return-value]


def flat(sentences: Sentences) -> list[str]:
    return [tag for sentence in sentences for tag in sentence]


# --- conlleval, from its rules, one word after another ---


def parts(tag: str) -> tuple[str, str]:
    letter, _, label = tag.partition("-")
    return letter, label


def starts_chunk(before: str, tag: str) -> bool:
    """A tag starts a chunk at a B, after O, where the type changes, and after an E."""
    (last, last_type), (letter, its_type) = parts(before), parts(tag)
    if letter == "O":
        return False
    return letter == "B" or last == "O" or its_type != last_type or last == "E"


def ends_chunk(tag: str, after: str) -> bool:
    """A tag ends a chunk at an E, before O, before another type, and before a B."""
    (letter, its_type), (following, next_type) = parts(tag), parts(after)
    if letter == "O":
        return False
    return letter == "E" or following == "O" or its_type != next_type or following == "B"


def conlleval(gold: Sentences, predicted: Sentences) -> dict[str, Counts]:
    """Counts a correct chunk where both sides start and end together without parting between."""
    correct, found, true = Counter[str](), Counter[str](), Counter[str]()
    for sentence in zip(gold, predicted, strict=True):
        in_correct = ""
        a, b = (["O", *side, "O"] for side in sentence)
        for i in range(1, len(a) - 1):
            begins = starts_chunk(a[i - 1], a[i]), starts_chunk(b[i - 1], b[i])
            ends = ends_chunk(a[i], a[i + 1]), ends_chunk(b[i], b[i + 1])
            true[parts(a[i])[1]] += begins[0]
            found[parts(b[i])[1]] += begins[1]
            if all(begins) and parts(a[i])[1] == parts(b[i])[1]:
                in_correct = parts(a[i])[1]
            elif any(begins):
                in_correct = ""
            if in_correct and all(ends):
                correct[in_correct] += 1
            if any(ends):
                in_correct = ""
    labels = {label for counter in (found, true) for label, n in counter.items() if n}
    return {label: Counts(correct[label], found[label], true[label]) for label in labels}


@pytest.mark.parametrize("letters", ["BI", "IE"])
@quick
@given(data=st.data())
def test_counts_are_those_of_the_rules_of_conlleval(letters: str, data: st.DataObject) -> None:
    gold, predicted = data.draw(pairs(letters))
    assert dict(score(gold, predicted).labels) == conlleval(gold, predicted)


@pytest.mark.parametrize("name", ["IOBES", "BILOU", "BMES"])
@quick
@given(data=st.data())
def test_counts_of_other_schemes_are_those_of_conlleval_on_their_entities(
    name: str, data: st.DataObject
) -> None:
    # The rules of conlleval know no S, and join E to a B after it: they ask for IOB or IOE.
    gold, predicted = data.draw(valid_pairs(schemes.SCHEMES[name]))
    iob2 = [
        [schemes.convert(s, schemes.SCHEMES["IOB2"]) for s in side] for side in (gold, predicted)
    ]
    assert dict(score(gold, predicted).labels) == conlleval(*iob2)


def seqeval_report(gold: Sentences, predicted: Sentences) -> dict[str, dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval warns of 0/0
        return seqeval.metrics.classification_report(gold, predicted, output_dict=True)


def renamed(row: dict[str, float]) -> dict[str, float]:
    return {"f1-score" if name == "f1" else name: value for name, value in row.items()}


def assert_equals_seqeval(gold: Sentences, predicted: Sentences) -> None:
    scores = score(gold, predicted)
    if not scores.labels:  # seqeval fails there
        return
    mine = scores.to_dict()
    expected = seqeval_report(gold, predicted)
    rows = {name: renamed(row) for name, row in mine["labels"].items()}  # type: ignore[attr-defined]
    for name in ("micro", "macro", "weighted"):
        rows[f"{name} avg"] = renamed(mine[name])  # type: ignore[arg-type]
    assert rows.keys() == expected.keys()
    for name, row in rows.items():
        assert row == expected[name], name


@pytest.mark.parametrize("letters", LETTERS.values(), ids=list(LETTERS))
@quick
@given(data=st.data())
def test_scores_of_malformed_tags_equal_those_of_seqeval(letters: str, data: st.DataObject) -> None:
    assert_equals_seqeval(*data.draw(pairs(letters)))


@pytest.mark.parametrize("letters", ["BILOU", "BMES"])
@quick
@given(data=st.data())
def test_malformed_bilou_and_bmes_are_read_as_the_iobes_they_stand_for(
    letters: str, data: st.DataObject
) -> None:
    iobes = data.draw(pairs("BIES"))
    spelling = str.maketrans("IES", {"BILOU": "ILU", "BMES": "MES"}[letters])
    gold, predicted = (
        [[tag[0].translate(spelling) + tag[1:] for tag in sentence] for sentence in side]
        for side in iobes
    )
    assert score(gold, predicted).labels == score(*iobes).labels
    assert_equals_seqeval(*iobes)


def test_two_bilou_units_are_two_entities() -> None:
    # seqeval's default mode knows no U, and makes one of them.
    gold = [["U-PER", "U-PER"]]
    assert score(gold, gold).labels == {"PER": Counts(2, 2, 2)}
    with pytest.warns(UserWarning, match="not to be NE tag"):
        assert len(get_entities(gold[0])) == 1


@pytest.mark.parametrize("name", ["IOB1", "IOB2", "IOE1", "IOE2", "IOBES"])
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_scores_of_valid_tags_equal_those_of_seqeval(name: str, data: st.DataObject) -> None:
    assert_equals_seqeval(*data.draw(valid_pairs(schemes.SCHEMES[name])))


def test_means_over_many_labels_equal_those_of_seqeval_to_the_last_digit() -> None:
    draw = random.Random(1)
    tags = ["O", *(f"{letter}-L{i}" for letter in "BI" for i in range(37))]
    gold = [[draw.choice(tags) for _ in range(12)] for _ in range(400)]
    predicted = [
        [tag if draw.random() < 0.8 else draw.choice(tags) for tag in sentence] for sentence in gold
    ]
    assert_equals_seqeval(gold, predicted)


@quick
@given(any_pairs)
def test_report_of_single_tags_equals_that_of_scikit_learn(
    both: tuple[Sentences, Sentences],
) -> None:
    gold, predicted = flat(both[0]), flat(both[1])
    assume(gold)
    scores = score(*both)
    expected = sklearn.metrics.classification_report(
        gold, predicted, output_dict=True, zero_division=0
    )
    assert scores.accuracy == pytest.approx(expected.pop("accuracy"))
    for name in ("macro avg", "weighted avg"):
        del expected[name]
    tags = scores.to_dict()["tags"]
    assert isinstance(tags, dict)
    assert tags.pop("accuracy") == scores.accuracy
    assert tags.keys() == expected.keys()
    for tag, row in tags.items():
        assert renamed(row) == pytest.approx(expected[tag], abs=1e-12), tag


@pytest.mark.parametrize("name", list(schemes.SCHEMES))
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_scores_do_not_depend_on_the_scheme(name: str, data: st.DataObject) -> None:
    # IO cannot tell neighbours of one label apart.
    gold, predicted = data.draw(pairs("I" if name == "IO" else "BI"))
    scheme = schemes.SCHEMES[name]
    written = [[schemes.convert(s, scheme) for s in side] for side in (gold, predicted)]
    assert score(*written).labels == score(gold, predicted).labels
    assert score(gold, written[1]).labels == score(gold, predicted).labels


# --- sums and edges ---


@quick
@given(any_pairs, any_pairs)
def test_the_score_of_a_corpus_is_the_sum_of_the_scores_of_its_parts(
    one: tuple[Sentences, Sentences], other: tuple[Sentences, Sentences]
) -> None:
    whole = score(one[0] + other[0], one[1] + other[1])
    added = score(*one) + score(*other)
    assert (dict(added.labels), dict(added.tags)) == (dict(whole.labels), dict(whole.tags))
    assert (added.n_words, added.n_correct_words) == (whole.n_words, whole.n_correct_words)


@quick
@given(any_pairs)
def test_gold_against_itself_is_perfect(both: tuple[Sentences, Sentences]) -> None:
    gold = both[0]
    scores = score(gold, gold)
    n = sum(len(schemes.decode(sentence)) for sentence in gold)
    assert scores.micro == Counts(n, n, n)
    assert scores.n_correct_words == scores.n_words == len(flat(gold))


@quick
@given(any_pairs)
def test_swapping_the_sides_swaps_precision_and_recall(both: tuple[Sentences, Sentences]) -> None:
    forth, back = score(*both).micro, score(both[1], both[0]).micro
    assert (forth.precision, forth.recall) == (back.recall, back.precision)
    assert forth.f1 == pytest.approx(back.f1)


@pytest.mark.parametrize("kind", [tuple, np.array])
def test_sentences_may_be_of_any_kind(kind: type) -> None:
    gold, predicted = [["B-A", "O"], ["B-A"]], [["B-A", "I-A"], ["B-A"]]
    assert score(map(kind, gold), predicted) == score(gold, predicted)
    assert score(gold, map(kind, predicted)) == score(gold, predicted)
    assert score(map(kind, gold), map(kind, predicted)) == score(gold, predicted)


def test_no_entity_crosses_a_sentence_end() -> None:
    gold = [["O", "I-PER"], ["I-PER", "O"]]
    assert score(gold, gold).labels == {"PER": Counts(2, 2, 2)}
    assert score([flat(gold)], [flat(gold)]).labels == {"PER": Counts(1, 1, 1)}


def test_tags_of_the_last_sentence_do_not_reach_the_first() -> None:
    assert score([["I-A"], ["I-A"]], [["I-A"], ["O"]]).labels == {"A": Counts(1, 1, 2)}


@pytest.mark.parametrize(
    ("gold", "predicted"), [([], []), ([[]], [[]]), ([["O"]], [["O"]]), ([[], ["O"]], [[], ["O"]])]
)
def test_where_there_is_nothing_to_find_every_fraction_is_0(
    gold: Sentences, predicted: Sentences
) -> None:
    scores = score(gold, predicted)
    assert scores.labels == {}
    nothing = {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    summary = scores.to_dict()
    assert [summary[name] for name in ("micro", "macro", "weighted")] == [nothing] * 3
    assert scores.accuracy == (1 if flat(gold) else 0)


def test_0_of_0_is_0() -> None:
    assert (Counts().precision, Counts().recall, Counts().f1) == (0, 0, 0)
    assert Counts(0, 3, 0).recall == 0
    assert Counts(0, 0, 3).precision == 0
    assert Scores().to_dict() == score([], []).to_dict()


def test_only_missed_or_only_spurious_entities_score_0() -> None:
    missed = score([["B-A"]], [["O"]])
    spurious = score([["O"]], [["B-A"]])
    assert missed.labels == {"A": Counts(0, 0, 1)}
    assert spurious.labels == {"A": Counts(0, 1, 0)}
    assert spurious.average(weighted=True)["f1"] == 0
    assert missed.micro.f1 == spurious.micro.f1 == 0


def test_the_tag_report_puts_o_last() -> None:
    scores = score([["O", "I-B", "B-A", "B-B"]], [["O", "I-B", "B-A", "B-B"]])
    tags = scores.to_dict()["tags"]
    assert isinstance(tags, dict)
    assert list(tags) == ["B-A", "B-B", "I-B", "O", "accuracy"]


def test_another_number_of_sentences_is_an_error() -> None:
    with pytest.raises(DataError, match="1 predicted sentences for 2 gold ones"):
        score([["O"], ["O"]], [["O"]])


def test_another_length_of_a_sentence_is_an_error_that_names_it() -> None:
    with pytest.raises(DataError, match="sentence 2 has 2 gold and 1 predicted tags"):
        score([["O"], ["O", "O"]], [["O"], ["O"]])


def test_a_tag_of_no_scheme_is_an_error() -> None:
    with pytest.raises(TagError, match="PERSON"):
        score([["PERSON"]], [["O"]])


@pytest.mark.corpora
def test_spanish_conll_against_itself_keeps_the_entity_without_a_b(corpora: Path) -> None:
    path = corpora / "conll2002-es" / "esp.testb"
    gold = [tags for document in read(path, ReadSettings()) for tags in document.sentence_tags()]
    scores = score(gold, gold)
    assert scores.labels["MISC"] == Counts(340, 340, 340)
    assert scores.tags["B-MISC"] == Counts(339, 339, 339)
    assert scores.micro.f1 == scores.accuracy == 1


@pytest.mark.corpora
def test_noisy_spanish_counts_are_those_of_the_rules_of_conlleval(corpora: Path) -> None:
    path = corpora / "conll2002-es" / "esp.testb"
    gold = [tags for document in read(path, ReadSettings()) for tags in document.sentence_tags()]
    draw, tags = random.Random(2), sorted({tag for sentence in gold for tag in sentence})
    predicted = [
        [draw.choice(tags) if draw.random() < 0.03 else tag for tag in sentence]
        for sentence in gold
    ]
    assert dict(score(gold, predicted).labels) == conlleval(gold, predicted)  # type: ignore[arg-type]
