"""How Spark NLP reads a model: which of its classes, which inputs, which files beside the graph.

All of it is told from Spark NLP's sources (decision 0014 names the files and versions); Spark NLP
itself is not needed here.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tokenizers import Tokenizer

from nertune import schemes
from nertune.bundle import Bundle, TaggerSettings, position_limit
from nertune.config import WindowSettings
from nertune.encoding import special_pieces
from nertune.errors import ExportError
from nertune.export.graphs import Feed

LONGEST = 512
"""The largest `maxSentenceLength` that Spark NLP takes, in pieces."""

INSTEAD = "or tag on Spark with nertune.spark"
_TWO = ("input_ids", "attention_mask")
_THREE = (*_TWO, "token_type_ids")
_PIECE_FILE = "sentencepiece.bpe.model"
_HALF = re.compile("[\ud800-\udfff]")
_ACCENTED = ("É", "ñ", "ﬁ")


@dataclass(frozen=True)
class Annotator:
    """One of Spark NLP's classes for token classification.

    pieces: how it cuts words. feed: what it gives the graph. special: the pieces that it looks up
    by name, the first and the last of a window before the others, and the ids that it takes for
    granted. offset: what it adds to the ids of the SentencePiece file.
    """

    name: str
    pieces: Literal["words", "bytes", "sentencepiece"]
    feed: Feed
    special: Mapping[str, int | None] = field(default_factory=dict)
    offset: int = 0


_BERT = {"[CLS]": None, "[SEP]": None, "[UNK]": None, "[PAD]": 0}
_MPNET = {"<s>": None, "</s>": None, "[UNK]": None, "<pad>": 1}
_ROBERTA = {"<s>": None, "</s>": None, "<unk>": None, "<mask>": None, "<pad>": 1}

# Where the padding is not piece 0, Spark NLP's mask hides piece 0 and shows the padding.
ANNOTATORS = {
    "bert": Annotator("BertForTokenClassification", "words", Feed(_THREE), _BERT),
    "distilbert": Annotator("DistilBertForTokenClassification", "words", Feed(_TWO), _BERT),
    "mpnet": Annotator("MPNetForTokenClassification", "words", Feed(_TWO, 1), _MPNET),
    "roberta": Annotator("RoBertaForTokenClassification", "bytes", Feed(_TWO, 1), _ROBERTA),
    "xlm-roberta": Annotator(
        "XlmRoBertaForTokenClassification", "sentencepiece", Feed(_TWO, 1),
        {"<s>": 0, "</s>": 2, "<pad>": 1}, offset=1,
    ),
    "camembert": Annotator(
        "CamemBertForTokenClassification", "sentencepiece", Feed(_TWO, 4),
        {"<s>": 5, "</s>": 6}, offset=4,
    ),
}  # fmt: skip
"""By the model's type."""

_UNFIT = {
    "albert": "AlbertForTokenClassification pads sentences with the unknown piece and shows it to "
    "the network, so that a sentence's tags depend on the others of its batch",
    "deberta-v2": "DeBertaForTokenClassification adds 1 to the number of every piece, so that the "
    "network would see other pieces",
    "longformer": "nertune does not know what LongformerForTokenClassification feeds a graph",
    "xlnet": "nertune does not know what XlnetForTokenClassification feeds a graph",
}
"""Why a model whose type has a class there is not exported all the same."""


def annotator_of(bundle: Bundle) -> Annotator:
    """The class that loads the model and reads it rightly. Raises ExportError."""
    kind = str(bundle.config.get("model_type"))
    found = ANNOTATORS.get(kind)
    if found is None:
        reason = _UNFIT.get(kind, "Spark NLP has no class for token classification with it")
        raise ExportError(
            f"{bundle.folder}: the encoder {kind} cannot go to Spark NLP: {reason}. Choose an "
            f"encoder of the kinds {', '.join(ANNOTATORS)}, {INSTEAD}"
        )
    _refuse_labels(bundle)
    _refuse_pieces(bundle, found)
    return found


def longest_sentence(bundle: Bundle) -> int:
    """The `maxSentenceLength` that loses least."""
    return min(LONGEST, position_limit(bundle.config) or LONGEST)


def settings_there(bundle: Bundle) -> TaggerSettings:
    """How sentences reach the network there: each alone, without word shapes."""
    window = WindowSettings(pieces=longest_sentence(bundle), sentences=1, context=0)
    return bundle.settings.model_copy(update={"shapes": False, "window": window})


def case_sensitive(tokenizer: Tokenizer) -> bool:
    """Whether the tokenizer tells capitals from small letters."""
    return _normalised(tokenizer, "Abc") == "Abc"


def warnings_for(bundle: Bundle, annotator: Annotator) -> Iterator[str]:
    """What the model does otherwise in Spark NLP than here."""
    settings = bundle.settings
    if settings.shapes:
        yield (
            "the model sees word shapes, Spark NLP gives it none (zeros in token_type_ids, the "
            "shape 'unknown'): it finds less there. Train with model.shapes=false for Spark NLP"
        )
    if settings.window.sentences != 1 or settings.window.context:
        yield (
            "the model may see several sentences at once, Spark NLP shows it each alone, and "
            "without a SentenceDetector a whole document as one sentence"
        )
    if settings.window.pieces > LONGEST:
        yield (
            f"the model reads windows of {settings.window.pieces} pieces; Spark NLP cuts sentences "
            f"at {LONGEST}, and what is behind gets no tag"
        )
    if settings.scheme != "IOB2":
        yield (
            f"the model's tags are {settings.scheme or 'of no known scheme'}; Spark NLP's "
            "NerConverter makes one entity of neighbours that no B- parts"
        )
    if annotator.pieces == "bytes":
        yield (
            "Spark NLP's RoBERTa reads every word as if no space stood before it, other pieces "
            "than the model was trained on: expect it to find less"
        )
    yield from _accents(bundle.tokenizer, annotator)


def _accents(tokenizer: Tokenizer, annotator: Annotator) -> Iterator[str]:
    """Letters that Spark NLP changes otherwise than the tokenizer before it cuts words."""
    small = not case_sensitive(tokenizer)
    for letter in _ACCENTED[: None if annotator.pieces == "words" else 1]:
        there = letter.lower() if small else letter
        if annotator.pieces == "words":  # it takes accents off, whatever the model
            marks = unicodedata.normalize("NFD", there)
            there = "".join(char for char in marks if not "\u0300" <= char <= "\u036f")
        here = _normalised(tokenizer, letter)
        if here != there:
            yield (
                f"the tokenizer reads '{letter}' as '{here}', Spark NLP as '{there}': words with "
                "such letters get other pieces there"
            )
            return


def _normalised(tokenizer: Tokenizer, text: str) -> str:
    normalizer: Any = tokenizer.normalizer
    return normalizer.normalize_str(text).strip() if normalizer else text


def _refuse_labels(bundle: Bundle) -> None:
    """Raise ExportError for tags that NerConverter cannot read, or that labels.txt cannot name."""
    tags = bundle.settings.tags
    letters = {schemes.split_tag(tag)[0] for tag in tags} - {schemes.OUTSIDE}
    unread = sorted(f"{letter}-" for letter in letters - {"B", "I"})
    if unread:
        raise ExportError(
            f"{bundle.folder}: its tags begin with {', '.join(unread)} (scheme "
            f"{bundle.settings.scheme or 'unknown'}); Spark NLP's NerConverter reads B-, I- and O "
            "only, and ends an entity at B- and O alone, so that S-PER S-LOC would become one PER. "
            f"Train with model.scheme=IOB2, {INSTEAD}"
        )
    if schemes.OUTSIDE not in tags:
        raise ExportError(
            f"{bundle.folder}: none of its tags is O, and Spark NLP's NerConverter would make one "
            f"entity of everything up to the next B-. Name the tag of no entity O, {INSTEAD}"
        )
    twice = next((tag for tag in tags if tags.count(tag) > 1), None)
    if twice:
        raise ExportError(
            f"{bundle.folder}: several outputs of the network mean {twice}; Spark NLP would call "
            f"all but the last 'NA'. Train with one output a tag, {INSTEAD}"
        )


def _refuse_pieces(bundle: Bundle, annotator: Annotator) -> None:
    """Raise ExportError for a tokenizer that the class would take for another one."""
    tokenizer = bundle.tokenizer
    ids = {name: tokenizer.token_to_id(name) for name in annotator.special}
    wanted = {name: ids[name] if known is None else known
              for name, known in annotator.special.items()}  # fmt: skip
    wrong = next((name for name in ids if ids[name] is None or ids[name] != wanted[name]), None)
    if wrong:
        place = "any number" if annotator.special[wrong] is None else f"the number {wanted[wrong]}"
        raise ExportError(
            f"{bundle.folder}: {annotator.name} expects the piece {wrong} with {place}, the "
            f"tokenizer has it with {ids[wrong]}. Choose an encoder with the usual vocabulary, "
            f"{INSTEAD}"
        )
    first, last = list(ids.values())[:2]
    kinds = {"words": "WordPiece", "bytes": "BPE", "sentencepiece": "Unigram"}
    model = _model_of(tokenizer)
    fits = model["type"] == kinds[annotator.pieces]
    fits &= special_pieces(tokenizer) == ([first], [last])
    if annotator.pieces == "words":
        fits &= (model["continuing_subword_prefix"], model["unk_token"]) == ("##", "[UNK]")
    if annotator.pieces == "bytes":
        fits &= "ByteLevel" in json.dumps(_state(tokenizer)["pre_tokenizer"])
    if not fits:
        raise ExportError(
            f"{bundle.folder}: {annotator.name} cuts words by {kinds[annotator.pieces]} as its "
            f"encoder was published, this model's tokenizer ({model['type']}) does otherwise. "
            f"Choose an encoder with the usual tokenizer, {INSTEAD}"
        )


def assets_of(bundle: Bundle, annotator: Annotator) -> dict[str, bytes]:
    """What must lie in `assets/`, by name. Raises ExportError where it cannot be had."""
    assets = {"labels.txt": _lines(bundle, bundle.settings.tags, "tag")}
    if annotator.pieces == "sentencepiece":
        return assets | {_PIECE_FILE: _sentencepiece_file(bundle, annotator)}
    assets["vocab.txt"] = _lines(bundle, _in_order(bundle), "piece")
    if annotator.pieces == "bytes":
        merges = [" ".join(pair) for pair in _model_of(bundle.tokenizer)["merges"]]
        assets["merges.txt"] = _lines(bundle, merges, "merge")
    return assets


def _in_order(bundle: Bundle) -> list[str]:
    """All pieces by their ids, which must have no hole."""
    ids = bundle.tokenizer.get_vocab(with_added_tokens=True)
    pieces = sorted(ids, key=lambda piece: ids[piece])
    hole = next((i for i, piece in enumerate(pieces) if ids[piece] != i), None)
    if hole is not None:
        raise ExportError(
            f"{bundle.folder}: its tokenizer has no piece number {hole}, but later ones; vocab.txt "
            f"numbers pieces by their lines. Give every number a piece, {INSTEAD}"
        )
    return pieces


def _lines(bundle: Bundle, entries: Sequence[str], what: str) -> bytes:
    """One entry a line, as Java reads lines."""
    broken = next((one for one in entries if "\n" in one or "\r" in one), None)
    if broken is not None:
        raise ExportError(
            f"{bundle.folder}: the {what} {broken!r} holds a line break; Spark NLP reads one "
            f"{what} a line. Choose a model without it, {INSTEAD}"
        )
    halved = next((one for one in entries if _HALF.search(one)), None)
    if halved is not None:
        raise ExportError(
            f"{bundle.folder}: the {what} {halved!a} holds half a character (a lone surrogate), "
            f"which no file in UTF-8 can. Choose a model without it, {INSTEAD}"
        )
    return "".join(f"{one}\n" for one in entries).encode()


def _sentencepiece_file(bundle: Bundle, annotator: Annotator) -> bytes:
    """The SentencePiece file of the encoder, which must be that of the tokenizer."""
    path = bundle.folder / _PIECE_FILE
    if not path.is_file():
        raise ExportError(
            f"{bundle.folder}: holds no {_PIECE_FILE}, which {annotator.name} cuts words with, and "
            "which cannot be made of tokenizer.json. Copy it there from the folder of the encoder "
            f"that the model was trained from, {INSTEAD}"
        )
    content = path.read_bytes()
    pieces = _pieces_in(content, path)
    number = bundle.tokenizer.token_to_id
    # The first three are unknown, begin and end, which the tokenizer has elsewhere.
    wrong = [one for i, one in enumerate(pieces) if i > 2 and number(one) != i + annotator.offset]
    if wrong or len(pieces) < 4:
        raise ExportError(
            f"{path}: belongs to another tokenizer than tokenizer.json (the piece "
            f"{wrong[0] if wrong else '?'!r} has another number). Copy the file of the encoder "
            "that the model was trained from"
        )
    return content


def _pieces_in(content: bytes, path: Path) -> list[str]:
    """The pieces of a SentencePiece file, in order.

    Its protobuf: field 1 of ModelProto is a piece, whose field 1 is its text.
    """
    try:
        return [
            text.decode()
            for number, piece in _fields(content)
            if number == 1
            for inner, text in _fields(piece)
            if inner == 1
        ]
    except (IndexError, UnicodeDecodeError) as error:
        raise ExportError(
            f"{path}: is no SentencePiece file; copy it again from the encoder's folder"
        ) from error


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a protobuf message: number and content; b"" for those that are numbers.

    Raises IndexError for what is no message.
    """
    place = 0
    while place < len(message):
        key, place = _number(message, place)
        kind, size = key & 7, 0
        if kind == 0:
            _, place = _number(message, place)
        elif kind == 2:
            size, place = _number(message, place)
        elif kind not in (1, 5):
            raise IndexError
        start, place = place, place + {1: 8, 5: 4}.get(kind, size)
        if place > len(message):
            raise IndexError
        yield key >> 3, message[start:place]


def _number(message: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7


def _model_of(tokenizer: Tokenizer) -> dict[str, Any]:
    return _state(tokenizer)["model"]  # type: ignore[no-any-return]


def _state(tokenizer: Tokenizer) -> dict[str, Any]:
    return json.loads(tokenizer.to_str())  # type: ignore[no-any-return]
