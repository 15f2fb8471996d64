"""Strict scores against seqeval's strict mode, and both modes on real tags with noise."""

from __future__ import annotations

import random
import warnings
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seqeval.metrics
import seqeval.scheme
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nertune import schemes
from nertune.config import ReadSettings
from nertune.data import read
from nertune.errors import DataError, TagError
from nertune.scoring import Counts, Reading, Scores, score

many = settings(deadline=None, max_examples=120)

Sentences = list[list[str]]
SEQEVAL = ["IOB1", "IOB2", "IOE1", "IOE2", "IOBES", "BILOU"]


@st.composite
def pairs(draw: st.DrawFn, scheme: str) -> tuple[Sentences, Sentences]:
    """Gold and predicted tags in the letters of a scheme, in any order."""
    letters = schemes.SCHEMES[scheme].letters
    tags = ["O", *(f"{p}-{label}" for p, label in product(letters, ("PER", "LOC", "A-B")))]
    # Few different tags make entities longer and agreement likelier.
    tag = st.sampled_from(draw(st.sampled_from([tags, tags[::3], ["O", *tags[1::3]]])))
    gold = draw(st.lists(st.lists(tag, max_size=9), max_size=5))
    predicted = [[draw(st.one_of(st.just(own), tag)) for own in sentence] for sentence in gold]
    return gold, predicted


def report(gold: Sentences, predicted: Sentences, **options: Any) -> dict[str, dict[str, float]]:
    """seqeval's, as rows of precision, recall, f1, support."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval warns of 0/0
        rows = seqeval.metrics.classification_report(gold, predicted, output_dict=True, **options)
    return {
        name.removesuffix(" avg"): {k.removesuffix("-score"): v for k, v in row.items()}
        for name, row in rows.items()
    }


def strict_report(gold: Sentences, predicted: Sentences, scheme: str) -> dict[str, Any]:
    return report(gold, predicted, mode="strict", scheme=getattr(seqeval.scheme, scheme))


def rows(scores: Scores) -> dict[str, Any]:
    summary: dict[str, Any] = scores.to_dict()
    return {**summary["labels"], **{k: summary[k] for k in ("micro", "macro", "weighted")}}


def strict(gold: Sentences, predicted: Sentences, scheme: str) -> Scores:
    return score(gold, predicted, "strict", schemes.SCHEMES[scheme])


@pytest.mark.parametrize("scheme", SEQEVAL)
@many
@given(data=st.data())
def test_strict_scores_of_any_tags_equal_those_of_seqeval(scheme: str, data: st.DataObject) -> None:
    gold, predicted = data.draw(pairs(scheme))
    scores = strict(gold, predicted, scheme)
    assume(gold)  # seqeval fails where there is no sentence
    if scores.labels:
        assert rows(scores) == strict_report(gold, predicted, scheme)
    else:
        found = seqeval.scheme.Entities(gold + predicted, getattr(seqeval.scheme, scheme))
        assert not found.unique_tags


@pytest.mark.parametrize("scheme", SEQEVAL)
def test_every_sequence_of_four_tags_is_read_as_seqeval_reads_it(scheme: str) -> None:
    letters = schemes.SCHEMES[scheme].letters
    tags = ["O", *(f"{p}-{label}" for p, label in product(letters, "XY"))]
    sentences = [list(four) for four in product(tags, repeat=4)]
    flat = [tags.index(tag) for sentence in sentences for tag in sentence]
    starts = np.arange(len(flat)) % 4 == 0
    reading = Reading(tags, starts, "strict", schemes.SCHEMES[scheme])
    first, last, label = reading.entities(np.array(flat))
    found = set(zip(first.tolist(), last.tolist(), label.tolist(), strict=True))
    theirs = seqeval.scheme.Entities(sentences, getattr(seqeval.scheme, scheme)).entities
    assert found == {
        (4 * i + entity.start, 4 * i + entity.end - 1, "XY".index(entity.tag))
        for i, entities in enumerate(theirs)
        for entity in entities
    }


@pytest.mark.parametrize("scheme", [name for name in schemes.SCHEMES if name != "IOE1"])
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_valid_tags_score_the_same_in_both_modes(scheme: str, data: st.DataObject) -> None:
    sides = data.draw(pairs(scheme))
    gold, predicted = (
        [schemes.convert(s, schemes.SCHEMES[scheme]) for s in side] for side in sides
    )
    assert strict(gold, predicted, scheme) == score(gold, predicted)


@settings(deadline=None, max_examples=60)
@given(pairs("BILOU"))
def test_bmes_and_bilou_are_iobes_in_other_letters(both: tuple[Sentences, Sentences]) -> None:
    def spelt(letters: str) -> list[Sentences]:
        table = str.maketrans("BILU", letters)
        return [[[t[0].translate(table) + t[1:] for t in s] for s in side] for side in both]

    wanted = strict(*both, "BILOU").labels
    assert strict(*spelt("BMES"), "BMES").labels == wanted
    assert strict(*spelt("BIES"), "IOBES").labels == wanted


def test_strict_mode_drops_an_entity_without_a_beginning() -> None:
    gold, predicted = [["B-PER", "I-PER", "O"]], [["I-PER", "I-PER", "O"]]
    assert score(gold, predicted).labels == {"PER": Counts(1, 1, 1)}
    assert strict(gold, predicted, "IOB2").labels == {"PER": Counts(0, 0, 1)}


def test_ioe1_single_word_before_another_of_its_label_is_not_found_by_strict_mode() -> None:
    # Valid, but seqeval has no rule for an E- after O; we give its number.
    gold = [["E-PER", "I-PER", "O"]]
    assert schemes.convert(gold[0], schemes.SCHEMES["IOE1"]) == gold[0]
    assert score(gold, gold).labels == {"PER": Counts(2, 2, 2)}
    assert strict(gold, gold, "IOE1").labels == {"PER": Counts(1, 1, 1)}
    assert strict_report(gold, gold, "IOE1")["PER"]["support"] == 1


def test_the_scheme_changes_nothing_in_conlleval_mode() -> None:
    gold, predicted = [["I-PER", "B-PER"]], [["I-PER", "I-PER"]]
    assert score(gold, predicted, scheme=schemes.SCHEMES["IOB2"]) == score(gold, predicted)


def test_strict_mode_needs_a_scheme() -> None:
    with pytest.raises(DataError, match="strict mode needs the scheme"):
        score([["O"]], [["O"]], "strict")


def test_an_unknown_mode_is_an_error_that_names_the_two() -> None:
    with pytest.raises(DataError, match="'lenient'; expected one of conlleval, strict"):
        score([["O"]], [["O"]], "lenient")  # type: ignore[arg-type]


@pytest.mark.parametrize("side", [0, 1])
def test_a_tag_that_the_scheme_lacks_is_an_error_in_strict_mode(side: int) -> None:
    sentences = [[["B-PER"]], [["B-PER"]]]
    sentences[side] = [["S-PER"]]
    with pytest.raises(
        TagError, match="'S-PER' is none of the scheme IOB2, which has B-, I- and O"
    ):
        strict(sentences[0], sentences[1], "IOB2")


# --- real tags with noise ---


def noisy(sentences: Sentences, share: float = 0.03) -> Sentences:
    """A share of the tags replaced by others at random."""
    draw = random.Random(1)
    tags = sorted({tag for sentence in sentences for tag in sentence})
    return [
        [draw.choice(tags) if draw.random() < share else tag for tag in sentence]
        for sentence in sentences
    ]


@lru_cache
def spanish_tags(path: Path) -> Sentences:
    documents = read(path, ReadSettings())
    return [list(tags) for document in documents for tags in document.sentence_tags()]


@pytest.mark.corpora
@pytest.mark.parametrize("name", ["as read", *SEQEVAL])
def test_noisy_spanish_scores_are_those_of_seqeval_to_the_last_digit(
    corpora: Path, name: str
) -> None:
    gold = spanish_tags(corpora / "conll2002-es" / "esp.testb")
    scheme = "IOB2" if name == "as read" else name
    if name != "as read":
        gold = [schemes.convert(tags, schemes.SCHEMES[name]) for tags in gold]
    predicted = noisy(gold)
    # seqeval's default mode does not know BILOU.
    known = [[as_iobes(tags, scheme) for tags in side] for side in (gold, predicted)]
    lenient, strictly = score(gold, predicted), strict(gold, predicted, scheme)
    assert rows(lenient) == report(*known)
    assert rows(strictly) == strict_report(gold, predicted, scheme)
    assert lenient.micro != strictly.micro


def as_iobes(tags: list[str], scheme: str) -> list[str]:
    table = str.maketrans("LU", "ES") if scheme == "BILOU" else {}
    return [tag[0].translate(table) + tag[1:] for tag in tags]
