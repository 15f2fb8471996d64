"""Whether the parts of a model fit together, and what its tokenizer does to words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from nertune import schemes
from nertune.bundle.files import OTHER_MODEL, TAGGER_FILE
from nertune.bundle.findings import Findings, Place
from nertune.bundle.labels import unreachable
from nertune.bundle.settings import LONGEST_GUESS, TaggerSettings, position_limit, scheme_known
from nertune.encoding import SHAPES, check_word_start, special_pieces
from nertune.encoding.tokenizer import normalise_in_place
from nertune.errors import EncodingError, NertuneError

_ENDLESS = 1_000_000
"""transformers writes 1e30 where it knows no maximum length."""

# Parts of words, so that special pieces, byte letters and single letters say nothing.
_CAPITAL = re.compile(r"^(?:##|[ĠĊ▁ ])*[A-Z][a-z]{2,}$", re.MULTILINE)
_LOWER = re.compile(r"^(?:##|[ĠĊ▁ ])*[a-z]{3,}$", re.MULTILINE)
_ANY_CAPITAL = re.compile(r"^(?:##|[ĠĊ▁ ])*[A-Z]", re.MULTILINE)


def check_settings(folder: Path, settings: TaggerSettings, found: Findings) -> None:
    """Tags and scheme: every tag must be one of the scheme, and be possible."""
    at = Place("labels", folder)
    try:
        scheme = scheme_known(settings.scheme)
        never = unreachable(settings.tags, scheme)
    except NertuneError as error:
        found.error(
            at,
            f"the labels of this model cannot be read as tags of named entities: {error}",
            f"expected O and tags such as B-PER in config.json and {TAGGER_FILE}",
        )
        return
    labels = schemes.labels_of(settings.tags)
    found.note(at, f"finds {', '.join(labels) or 'nothing'}; scheme {settings.scheme or 'unknown'}")
    if never:
        found.warning(
            at,
            f"the scheme {settings.scheme} never allows the tags {', '.join(never)}; they cannot "
            "be found",
            f"name the scheme of the training data in {TAGGER_FILE}",
            serious=True,
        )
    if scheme is None and labels:
        found.warning(
            at,
            "no scheme has all the prefixes of its tags; every sequence of tags is allowed",
            "check the names in id2label of config.json",
        )


def check_guess(folder: Path, settings: TaggerSettings, found: Findings) -> None:
    """What was assumed for a checkpoint without `tagger.json`, where it could be otherwise."""
    at = Place("labels", folder)
    if settings.scheme == "IO":
        found.note(at, "in the scheme IO two neighbouring entities of one label become one")
    letters = {schemes.split_tag(tag)[0] for tag in settings.tags} - {schemes.OUTSIDE}
    if settings.scheme == "IOB2" and letters == {"B", "I"}:
        found.note(
            at,
            "its labels fit the scheme IOB1 too, in which entities begin with I-; read as IOB2",
            "if it was trained on IOB1 (as CoNLL-2003 is published), write a "
            f"{TAGGER_FILE}; docs/checkpoints.md shows one",
        )


def check_window(
    folder: Path, settings: TaggerSettings, config: dict[str, Any], found: Findings
) -> None:
    """The window must fit the network's positions, and word shapes its segment table."""
    limit = position_limit(config)
    at = Place("window", folder / TAGGER_FILE)
    if limit and settings.window.pieces > limit:
        found.error(
            at,
            f"windows of {settings.window.pieces} pieces, but the network reads at most {limit}",
            OTHER_MODEL,
        )
    if settings.shapes and config.get("type_vocab_size") != len(SHAPES):
        found.error(
            at,
            "speaks of word shapes, which the network of config.json has no table for",
            OTHER_MODEL,
        )


def check_length(
    folder: Path, settings: TaggerSettings | None, config: dict[str, Any], found: Findings
) -> None:
    """Whether the tokenizer's own configuration says how long a text may be."""
    at = Place("window", folder / "tokenizer_config.json")
    limit = position_limit(config)
    pieces = settings.window.pieces if settings else min(limit or LONGEST_GUESS, LONGEST_GUESS)
    said = _said_length(at.where)
    if limit is None and said is None:
        found.note(
            Place("window", folder),
            f"neither network nor tokenizer names a maximum length; windows have {pieces} pieces",
            f"if it was trained on shorter or longer ones, say so in {TAGGER_FILE}"
            if pieces == LONGEST_GUESS else "",
        )  # fmt: skip
    elif limit is not None and (said is None or said > limit):
        found.warning(
            at,
            f"names {f'{said} pieces as' if said else 'no sane'} maximum length, the network reads "
            f"{limit}: other tools fail on longer texts; nertune lays windows of {pieces}",
            f'write "model_max_length": {limit}',
        )
    elif said is not None and said < pieces:
        found.note(at, f"names {said} pieces as maximum length; windows have {pieces}")


def _said_length(path: str | Path) -> int | None:
    """What `tokenizer_config.json` names as maximum length, where that is one."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        said = content.get("model_max_length", content.get("max_len"))
    except (OSError, ValueError, AttributeError):
        return None
    sane = isinstance(said, int | float) and 0 < said < _ENDLESS
    return int(said) if sane else None


def check_published(folder: Path, tokenizer: Tokenizer, found: Findings) -> None:
    """What the tokenizer does to texts by itself, before nertune normalises it.

    It is left without cutting and padding.
    """
    at = Place("tokenizer", folder)
    published: Any = tokenizer
    both = (("cuts", published.truncation), ("pads", published.padding))
    does = " and ".join(name for name, on in both if on)
    if does:
        published.no_truncation()
        published.no_padding()
        found.note(at, f"its tokenizer {does} texts by itself, as published; nertune undoes that")


def check_words(folder: Path, tokenizer: Tokenizer, found: Findings) -> None:
    """Normalise the tokenizer in place; what it does to words, before and after."""
    at = Place("tokenizer", folder)
    before = _word_start_fault(tokenizer)
    after = _word_start_fault(normalise_in_place(tokenizer))
    if after:
        found.error(at, after, "use a checkpoint of another kind")
    elif before:
        found.note(
            at,
            "its tokenizer, as published, writes a word alone otherwise than within a text; "
            "nertune puts the word-initial space",
            'other tools need "add_prefix_space": true',
        )
    if special_pieces(tokenizer) == ([], []) and _known_ends(tokenizer):
        found.warning(
            at,
            f"its tokenizer puts no {' and '.join(_known_ends(tokenizer))} around a text, though "
            "it has them; the network was trained with them",
            "save it anew with transformers, with its post-processor",
            serious=True,
        )


def _word_start_fault(tokenizer: Tokenizer) -> str:
    try:
        check_word_start(tokenizer)
    except EncodingError as error:
        return str(error)
    return ""


def _known_ends(tokenizer: Tokenizer) -> list[str]:
    pairs = (("[CLS]", "[SEP]"), ("<s>", "</s>"))
    known = [pair for pair in pairs if all(tokenizer.token_to_id(one) is not None for one in pair)]
    return list(known[0]) if known else []


def check_vocabulary(
    folder: Path, tokenizer: Tokenizer, config: dict[str, Any], found: Findings
) -> None:
    """The pieces must be those of the network, and such as its normaliser can produce."""
    at = Place("tokenizer", folder)
    vocabulary = tokenizer.get_vocab()
    size = max(vocabulary.values(), default=-1) + 1
    known = config.get("vocab_size")
    if isinstance(known, int) and size > known:
        found.error(
            at,
            f"its tokenizer has {size} pieces, the network knows {known}; the two belong to "
            "different models",
            "copy the whole model folder",
        )
    elif isinstance(known, int) and known - size > max(1000, known // 50):
        found.warning(
            at,
            f"its tokenizer has only {size} of the {known} pieces that the network knows; the two "
            "may belong to different models",
            "compare with the files at the model's source",
            serious=True,
        )
    _check_case(at, tokenizer, "\n".join(vocabulary), found)


def _check_case(at: Place, tokenizer: Tokenizer, pieces: str, found: Findings) -> None:
    normalizer: Any = tokenizer.normalizer
    lowers = normalizer is not None and "Abc" not in normalizer.normalize_str("Abc")
    n_capital, n_lower = len(_CAPITAL.findall(pieces)), len(_LOWER.findall(pieces))
    if lowers and n_capital > 0.05 * n_lower and n_capital > 100:
        found.warning(
            at,
            f"its tokenizer makes all letters small, but {n_capital:,} of its pieces have capitals "
            "and can never occur: it is set up for another vocabulary",
            'write "do_lower_case": false into tokenizer_config.json, and make tokenizer.json anew '
            "if there is one",
            serious=True,
        )
    elif lowers:
        found.note(at, "makes all letters small before it looks: 'US' is the same to it as 'us'")
    elif n_lower and not _ANY_CAPITAL.search(pieces):
        found.warning(
            at,
            "none of its pieces has a capital, but its tokenizer keeps capitals: words that have "
            "one are unknown to it",
            'write "do_lower_case": true into tokenizer_config.json, and make tokenizer.json anew '
            "if there is one",
            serious=True,
        )


