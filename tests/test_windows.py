"""Windows: every word once, in its best place, whatever else there is to encode.

The tokenizer of these tests writes into each piece which word it comes from.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby, pairwise

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from nertune.config import WindowSettings
from nertune.documents import Document
from nertune.encoding import (
    NEVER,
    NO_PIECE,
    Encoded,
    Encoder,
    normalise_tokenizer,
    stitch,
)
from nertune.testing import TEXT, tiny_tokenizer

quick = settings(deadline=None, max_examples=60)
ARRAYS = ("ids", "types", "window_starts", "word_piece", "word_sizes")

MOST_WORDS, MOST_PIECES = 400, 50
CLS, SEP, PAD = 0, 1, 2
FIRST = 3


@cache
def transparent() -> Tokenizer:
    """Word number i of n pieces is written `i_0|i_1|...`; its piece k has the id of (i, k)."""
    vocab = {"[CLS]": CLS, "[SEP]": SEP, "[PAD]": PAD}
    for i in range(MOST_WORDS):
        for k in range(MOST_PIECES):
            vocab[f"{i}_{k}"] = FIRST + i * MOST_PIECES + k
    plain = Tokenizer(models.WordLevel(vocab, unk_token="[PAD]"))
    plain.pre_tokenizer = pre_tokenizers.CharDelimiterSplit("|")
    plain.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)]
    )
    return normalise_tokenizer(plain)


@dataclass
class Case:
    """Documents of the transparent tokenizer, with the truth about each of their words."""

    window: WindowSettings
    documents: list[Document] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    sentence: list[int] = field(default_factory=list)
    document: list[int] = field(default_factory=list)
    words_of: list[list[int]] = field(default_factory=list)

    @property
    def room(self) -> int:
        return self.window.pieces - 2

    @property
    def cut_sizes(self) -> list[int]:
        """Pieces of each word that fit a window."""
        return [min(size, self.room) for size in self.sizes]

    def sentence_size(self, sentence: int) -> int:
        return sum(min(self.sizes[w], self.room) for w in self.words_of[sentence])

    def is_long(self, sentence: int) -> bool:
        return self.sentence_size(sentence) > self.room

    def encode(self) -> Encoded:
        return Encoder(transparent(), self.window).encode(self.documents)


@st.composite
def cases(draw: st.DrawFn, all_kept: bool = False) -> Case:
    """Up to 4 documents of up to 8 sentences of up to 60 words of up to 49 pieces.

    Some words are dropped by the tokenizer, unless `all_kept`.
    """
    rng = random.Random(draw(st.integers(0, 2**32)))
    case = Case(
        WindowSettings(
            pieces=draw(st.integers(8, 60)),
            sentences=draw(st.integers(0, 3)),
            context=draw(st.integers(0, 2)),
        )
    )
    kinds = [(1,), (1, 1, 2, 3), (1, 1, 1, 1, MOST_PIECES - 1), (4, 9, 17), (0, 1, 1, 2)]
    for number in range(draw(st.integers(0, 4))):
        spelled: list[str] = []
        ranges: list[tuple[int, int]] = []
        for length in draw(st.lists(st.sampled_from([1, 2, 3, 5, 9, 60]), max_size=8)):
            length = min(length, MOST_WORDS - len(case.sizes))
            if not length:
                break
            kind = rng.choice(kinds[:-1] if all_kept else kinds)
            ranges.append((len(spelled), len(spelled) + length))
            first = len(case.sizes)
            for i in range(first, first + length):
                size = rng.choice(kind)
                spelled.append("|".join(f"{i}_{k}" for k in range(size)) or "|")
                case.sizes.append(size)
                case.sentence.append(len(case.words_of))
                case.document.append(number)
            case.words_of.append(list(range(first, first + length)))
        case.documents.append(Document.from_words(spelled, sentences=ranges))
    return case


def windows_of(encoded: Encoded) -> list[list[int]]:
    return [encoded.ids[a:b].tolist() for a, b in pairwise(encoded.window_starts)]


def read_window(ids: list[int]) -> list[list[tuple[int, int]]]:
    """The (word, piece) pairs of a window, part by part, each part ended by [SEP]."""
    assert ids[0] == CLS
    assert ids[-1] == SEP
    assert ids.count(CLS) == 1
    parts = [
        [divmod(i - FIRST, MOST_PIECES) for i in part]
        for is_end, part in groupby(ids[1:], key=lambda i: i == SEP)
        if not is_end
    ]
    return [[(int(word), int(piece)) for word, piece in part] for part in parts]


def seen_words(window: list[list[tuple[int, int]]]) -> list[int]:
    return [word for part in window for word, piece in part if piece == 0]


def predicted_words(encoded: Encoded) -> list[list[int]]:
    """For each window the words it predicts."""
    predicted: list[list[int]] = [[] for _ in range(encoded.n_windows)]
    for word, place in enumerate(encoded.word_piece.tolist()):
        if place != NO_PIECE:
            window = int(np.searchsorted(encoded.window_starts, place, "right")) - 1
            predicted[window].append(word)
    return predicted


@quick
@given(cases())
def test_every_word_is_predicted_once_at_its_first_piece(case: Case) -> None:
    encoded = case.encode()
    assert encoded.n_words == len(case.sizes)
    kept = [word for word, size in enumerate(case.sizes) if size]
    assert [w for w, place in enumerate(encoded.word_piece) if place != NO_PIECE] == kept
    assert encoded.ids[encoded.word_piece[kept]].tolist() == [
        FIRST + word * MOST_PIECES for word in kept
    ]
    assert encoded.word_sizes.tolist() == case.cut_sizes
    assert encoded.n_cut_pieces == sum(case.sizes) - sum(case.cut_sizes)


@quick
@given(cases())
def test_no_window_is_longer_than_the_setting(case: Case) -> None:
    encoded = case.encode()
    assert encoded.window_lengths.max(initial=0) <= case.window.pieces
    assert encoded.window_starts[0] == 0
    assert encoded.window_starts[-1] == len(encoded.ids)


@quick
@given(cases())
def test_a_window_holds_whole_words_of_one_document_in_order(case: Case) -> None:
    for ids in windows_of(case.encode()):
        parts = read_window(ids)
        seen = seen_words(parts)
        assert len({case.document[word] for word in seen}) <= 1
        if seen:
            run = [w for w in range(seen[0], seen[-1] + 1) if case.sizes[w]]
            assert seen == run
        pieces = [pair for part in parts for pair in part]
        assert pieces == [(word, k) for word in seen for k in range(case.cut_sizes[word])]


@quick
@given(cases())
def test_windows_break_at_sentence_ends_unless_the_sentence_alone_is_too_long(case: Case) -> None:
    for ids in windows_of(case.encode()):
        parts = read_window(ids)
        sentences = [{case.sentence[word] for word, _ in part} for part in parts]
        assert all(len(sentence) == 1 for sentence in sentences), "a separator is missing"
        numbers = [sentence.pop() for sentence in sentences]
        assert len(set(numbers)) == len(numbers), "a separator inside a sentence"
        if any(case.is_long(number) for number in numbers):
            assert len(numbers) == 1, "a divided sentence shares its window"
            continue
        for part, number in zip(parts, numbers, strict=True):
            whole = [word for word in case.words_of[number] if case.sizes[word]]
            assert seen_words([part]) == whole


@quick
@given(cases(all_kept=True))
def test_windows_hold_no_more_sentences_and_context_than_asked_for(case: Case) -> None:
    encoded = case.encode()
    for ids, predicted in zip(windows_of(encoded), predicted_words(encoded), strict=True):
        seen = sorted({case.sentence[word] for word in seen_words(read_window(ids))})
        if case.is_long(seen[0]):
            continue
        targets = sorted({case.sentence[word] for word in predicted})
        assert targets == list(range(targets[0], targets[-1] + 1))
        assert len(targets) <= (case.window.sentences or len(targets))
        assert targets[0] - seen[0] <= case.window.context
        assert seen[-1] - targets[-1] <= case.window.context


@quick
@given(cases(all_kept=True))
def test_context_is_seen_wherever_it_fits(case: Case) -> None:
    encoded = case.encode()
    for ids, predicted in zip(windows_of(encoded), predicted_words(encoded), strict=True):
        seen = sorted({case.sentence[word] for word in seen_words(read_window(ids))})
        targets = sorted({case.sentence[word] for word in predicted})
        if case.is_long(seen[0]):
            continue
        own = [w for w, d in enumerate(case.document) if d == case.document[predicted[0]]]
        first, last = case.sentence[own[0]], case.sentence[own[-1]]
        left_out = []
        if seen[0] > max(first, targets[0] - case.window.context):
            left_out.append(seen[0] - 1)
        if seen[-1] < min(last, targets[-1] + case.window.context):
            left_out.append(seen[-1] + 1)
        for sentence in left_out:
            assert len(ids) + case.sentence_size(sentence) + 1 > case.window.pieces
        if left_out:
            assert len(targets) == 1, "a further sentence is predicted at the cost of context"


@quick
@given(cases(all_kept=True))
def test_without_context_windows_are_filled_with_as_many_sentences_as_fit(case: Case) -> None:
    case.window = case.window.model_copy(update={"context": 0})
    encoded = case.encode()
    windows = [read_window(ids) for ids in windows_of(encoded)]
    for (ids, before), after in zip(
        zip(windows_of(encoded), windows, strict=True), windows[1:], strict=False
    ):
        last, following = case.sentence[seen_words(before)[-1]], case.sentence[seen_words(after)[0]]
        full = len(before) == case.window.sentences
        other_document = (
            case.document[seen_words(before)[-1]] != case.document[seen_words(after)[0]]
        )
        if not (full or other_document or case.is_long(last) or case.is_long(following)):
            assert len(ids) + case.sentence_size(following) + 1 > case.window.pieces


def margins(encoded: Encoded, sizes: list[int]) -> dict[int, list[tuple[bool, int]]]:
    """For each word and window that sees it: whether it is predicted there, and the pieces between
    it and the nearer edge."""
    found: dict[int, list[tuple[bool, int]]] = defaultdict(list)
    for start, ids in zip(encoded.window_starts.tolist(), windows_of(encoded), strict=False):
        for place, piece in enumerate(ids):
            word, k = divmod(piece - FIRST, MOST_PIECES)
            if piece >= FIRST and k == 0:
                after = len(ids) - 1 - (place + sizes[word])
                predicted = int(encoded.word_piece[word]) == start + place
                found[word].append((predicted, min(place - 1, after)))
    return found


@quick
@given(cases(all_kept=True))
def test_a_word_of_a_divided_sentence_is_predicted_where_it_has_most_context(case: Case) -> None:
    sizes = case.cut_sizes
    for word, seen in margins(case.encode(), sizes).items():
        if case.is_long(case.sentence[word]):
            own = [margin for predicted, margin in seen if predicted]
            assert len(own) == 1
            assert own[0] > max(margin for _, margin in seen) - sizes[word]


@quick
@given(cases(all_kept=True))
def test_windows_of_a_divided_sentence_are_full(case: Case) -> None:
    for ids in windows_of(case.encode()):
        seen = seen_words(read_window(ids))
        sentence = case.words_of[case.sentence[seen[0]]]
        if case.is_long(case.sentence[seen[0]]):
            more = seen[-1] + 1 if seen[-1] < sentence[-1] else seen[0] - 1
            assert len(ids) + case.cut_sizes[more] > case.window.pieces


@quick
@given(cases())
def test_no_window_lies_inside_another_of_the_same_sentence(case: Case) -> None:
    case.window = case.window.model_copy(update={"context": 0})
    runs = [seen_words(read_window(ids)) for ids in windows_of(case.encode())]
    for before, after in pairwise(run for run in runs if run):
        assert after[-1] > before[-1]
        assert after[0] > before[0]


def test_a_sentence_of_short_and_very_long_words_gets_few_windows() -> None:
    words = [str(i) if i % 6 else "|".join([f"{i}_0"] * 30) for i in range(120)]
    encoder = Encoder(transparent(), WindowSettings(pieces=32))
    encoded = encoder.encode([Document.from_words(words)])
    # 20 words fill a window each; what stands between two of them fits one more.
    assert encoded.n_windows == 40


@quick
@given(cases())
def test_a_document_alone_gets_the_windows_it_gets_in_a_list(case: Case) -> None:
    together = case.encode()
    encoder = Encoder(transparent(), case.window)
    parts = [encoder.encode([document]) for document in case.documents]
    n_pieces = n_words = 0
    found: dict[str, list[int]] = {name: [] for name in ARRAYS}
    for part in parts:
        found["ids"] += part.ids.tolist()
        found["types"] += part.types.tolist()
        found["word_sizes"] += part.word_sizes.tolist()
        found["window_starts"] += (part.window_starts[:-1] + n_pieces).tolist()
        found["word_piece"] += [p if p == NO_PIECE else p + n_pieces for p in part.word_piece]
        n_pieces += len(part.ids)
        n_words += part.n_words
    found["window_starts"].append(n_pieces)
    assert found == {name: getattr(together, name).tolist() for name in ARRAYS}
    assert together.n_words == n_words
    assert together.n_cut_pieces == sum(part.n_cut_pieces for part in parts)
    lengths = [document.n_words for document in case.documents]
    assert together.document_starts.tolist() == np.cumsum([0, *lengths]).tolist()
    assert np.diff(together.sentence_starts).tolist() == [
        end - start for document in case.documents for start, end in document.sentences
    ]


@quick
@given(cases())
def test_stitch_gives_each_word_its_own_row(case: Case) -> None:
    encoded = case.encode()
    owner = (encoded.ids - FIRST) // MOST_PIECES
    logits = np.stack([owner, owner + 0.5, -owner], axis=1).astype(np.float32)
    emissions = stitch(logits, encoded, outside=1)
    expected = [
        [word, word + 0.5, -word] if size else [NEVER, 0, NEVER]
        for word, size in enumerate(case.sizes)
    ]
    assert emissions.tolist() == np.array(expected, np.float32).reshape(-1, 3).tolist()


@quick
@given(cases())
def test_windows_without_special_pieces_hold_the_words_alone(case: Case) -> None:
    bare = Tokenizer.from_str(transparent().to_str())
    bare.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    encoded = Encoder(bare, case.window).encode(case.documents)
    assert encoded.window_lengths.max(initial=0) <= case.window.pieces
    kept = [word for word, size in enumerate(case.sizes) if size]
    assert encoded.ids[encoded.word_piece[kept]].tolist() == [
        FIRST + word * MOST_PIECES for word in kept
    ]


@quick
@given(cases(), st.randoms(use_true_random=False))
def test_pad_fills_rows_up_to_the_longest_of_the_windows_asked_for(
    case: Case, rng: random.Random
) -> None:
    encoder = Encoder(transparent(), case.window, shapes=True)
    encoded = encoder.encode(case.documents)
    assume(encoded.n_windows)
    chosen = rng.sample(range(encoded.n_windows), rng.randint(1, encoded.n_windows))
    batch = encoder.pad(encoded, np.array(chosen))
    longest = max(encoded.window_lengths[i] for i in chosen)
    assert batch.ids.shape == batch.mask.shape == batch.types.shape == (len(chosen), longest)
    assert batch.ids.dtype == batch.mask.dtype == batch.types.dtype == np.int64
    for row, window in enumerate(chosen):
        a, b = encoded.window_starts[window : window + 2]
        assert batch.ids[row].tolist() == [*encoded.ids[a:b], *[PAD] * (longest - (b - a))]
        assert batch.types[row].tolist() == [*encoded.types[a:b], *[0] * (longest - (b - a))]
        assert batch.mask[row].tolist() == [1] * (b - a) + [0] * (longest - (b - a))


def test_time_is_linear_in_the_length_of_a_sentence() -> None:
    rng = random.Random(0)
    pool = " ".join(TEXT).split()
    document = Document.from_words(rng.choices(pool, k=500_000))
    encoder = Encoder(normalise_tokenizer(tiny_tokenizer()), WindowSettings(pieces=64))
    start = time.perf_counter()
    encoded = encoder.encode([document])
    assert time.perf_counter() - start < 5, "0.4 s where time is linear, far more where not"
    assert (encoded.word_piece != NO_PIECE).all()
