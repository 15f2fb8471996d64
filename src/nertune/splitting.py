"""Raw text to sentences and words, as in the Penn Treebank and the CoNLL corpora.

Words are stretches between white space with their outer punctuation taken off, so that what an
annotator marks is made of whole words. A newline always ends a sentence. Each step is one pass of a
regular expression without backtracking into long runs: time is linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace

from nertune.documents import Document

_Range = tuple[int, int]


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Marks, joiners and variation selectors are read as this letter, itself a mere lengthening of the
# letter before it: so the pattern of a letter covers them (`re` has no class for them).
_MARK = "\u0640"
_MARK_CATEGORIES = frozenset(("Mn", "Mc", "Me", "Cf"))

_CLITIC = r"['’](?i:s|re|ve|ll|d|m)(?![^\W_]|['’])"
# French and Italian articles and prepositions; a single capital begins a name (`L'Oreal`).
_ELIDED = "(?:[ld]|qu|un|(?:[Dd]e|[Aa]|[Dd]a|[Nn]e|[Ss]u)ll|que(?:st|ll))"
# What holds a word together, with a letter or digit on both sides: a dot unless a sentence begins
# right after it (`ended.The`), a slash where one of its neighbours is a single letter or a digit
# (`km/h`, `3/4`; `Reuters/AFP` is cut), a plus sign in an e-mail address.
_JOINT = rf"""
    [-‐‑־&·׳״] | _+
  | \.-?(?!(?<=\w\w\.)[A-ZÀ-ÖØ-Þ][^\W\d_A-Z])
  | (?!{_CLITIC})['’]
  | (?<=\d)[,:+](?=\d)
  | /(?:(?<![^\W\d_]{{2}}/)|(?![^\W\d_]{{2}}))
  | \+(?=[\w.+-]{{1,64}}@)
"""
# The possessive repeats (`++`, `*+`) are what keeps the time linear.
_WORD = re.compile(
    rf"""
    (?i:https?://|ftp://|www\.)[^\s<>"“”«»、。｡「」！？，]*(?<=[\w/])
  | [@\#]\d*+(?!{_MARK})[^\W\d_]\w*
  | {_CLITIC}
  | {_ELIDED}(?!{_CLITIC})['’](?=[^\W\d_])(?!{_MARK})
  | [A-Z]{{1,3}}\${_MARK}*
  | (?:(?<![\w%)\]])[-+−]?\.?(?=\d))?+      # the sign of a number
    (?!{_MARK})[^\W_]++(?:(?:{_JOINT})[^\W_]++)*+
    (?: @(?:[^\W_][\w-]*+\.)+[^\W_]+        # an e-mail address
      | (?<=[nN]['’][tT])(?P<negation>) )?
  | (?<=[^\W_])(?P<dot>\.){_MARK}*+(?!\.)
  | [☀-➿🀀-\U0001faff][☀-➿🀀-\U0001faff{_MARK}]*
  | (?P<punctuation>\S)(?P=punctuation)*+{_MARK}*
    """,
    re.VERBOSE,
)

# Abbreviations that never end a sentence, that end one only before one of `_OPENERS`, and that are
# abbreviations only before a number. Capitals count: `Co.` is one, `co.` is not.
_TITLES = _listed(
    """Mr Mrs Ms Messrs Mme Mlle Dr Drs Prof St Ste Sen Sens Rep Reps Gen Gov Col Lt Sgt Capt Maj
    Cmdr Adm Brig Cpl Supt Insp Rev Hon Pres Mt Ft Sr Sra Sres Srta Dra Dña Lic Ing Excmo Ud Uds Vd
    Av Avda sr sra sres srta dr dra prof vs v cf ca"""
)
_FINAL = _listed(
    """Inc Ltd Co Corp Cos Bros Jr Cie Cía Cia Plc Pty Assn Dept Univ Ph.D etc approx p.ej Gen'l
    Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Ave Blvd Rd Ala Ariz Ark Calif Colo Conn Fla
    Ill Kan Ky Mich Minn Neb Nev Okla Tenn Tex Va Vt Wis Wyo"""
)
_BEFORE_NUMBER = _listed(
    "No Nos no nos Nr nr Fig fig Vol vol Art art Núm núm p pp pág págs Tel tel"
)
_OPENERS = _listed(
    """The In It He She But A An On We They This That These Those There At As For If When While
    After Before However And So You I His Her Its Their Last Meanwhile El La Los Las En Un Una Pero
    Se"""
)

_CLOSING = "\"'”’»)\\]}」』）】》"
_OPENING = frozenset("\"'`“”„‘’«»([{¿¡「『（【《")
_NO_BEGINNING = frozenset(".!?…。！？,;:%)]}")
_SENTENCE_END = re.compile(
    rf"(?P<newline>[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])"
    rf"|[.!?…؟۔।]{_MARK}*+[{_CLOSING}]*+(?=\s)|[。！？｡]++[{_CLOSING}]*+"
)


def split(document: Document) -> Document:
    """The document with words and sentences; one that has them already comes back unchanged."""
    if document.split:
        return document
    word_spans, sentences = split_text(document.text)
    return replace(document, word_spans=word_spans, sentences=sentences, split=True)


def split_text(text: str) -> tuple[tuple[_Range, ...], tuple[_Range, ...]]:
    """Words as half-open character ranges, and sentences as half-open ranges of words.

    Every character that is not white space belongs to exactly one word, every word to exactly one
    sentence.
    """
    plain = _without_marks(text)
    words = _words(plain)
    return tuple(words), tuple(_sentences(plain, words))


def _without_marks(text: str) -> str:
    """The text, of the same length, with each combining mark and joiner replaced by `_MARK`."""
    if text.isascii():
        return text
    marks = {
        ord(char): _MARK for char in set(text) if unicodedata.category(char) in _MARK_CATEGORIES
    }
    return text.translate(marks) if marks else text


def _words(text: str) -> list[_Range]:
    words: list[_Range] = []
    for match in _WORD.finditer(text):
        start, end = match.span()
        if match.lastgroup == "negation" and end - start > 3:
            words += ((start, end - 3), (end - 3, end))
        elif match.lastgroup == "dot" and _keeps_dot(text[slice(*words[-1])], text[end : end + 2]):
            words[-1] = (words[-1][0], end)
        else:
            words.append((start, end))
    return words


def _keeps_dot(word: str, following: str) -> bool:
    """Whether the dot after `word` belongs to it: `U.S.`, `J.`, `Mr.`, `No. 5`."""
    name, parts = _name(word), word.replace("-", "").split(".")
    return (
        (len(parts) > 1 and all(_is_initial(part) for part in parts))
        or (len(word) == 1 and word.isupper())
        or name in _TITLES
        or name in _FINAL
        or (name in _BEFORE_NUMBER and following.strip()[:1].isdigit())
    )


def _is_initial(part: str) -> bool:
    """One letter of `U.S.` and `a.m.`, or the doubled capitals of the Spanish `EE.UU.`."""
    return part.isalpha() and (len(part) == 1 or (len(part) == 2 and part.isupper()))


def _name(word: str) -> str:
    """The word as the tables spell it: `ST` and `Vice-Adm` are `St` and `Adm`."""
    last = word.rpartition("-")[2]
    return last.capitalize() if last.isupper() else last


def _sentences(text: str, words: Sequence[_Range]) -> list[_Range]:
    sentences: list[_Range] = []
    starts = [start for start, _ in words]
    first = 0
    for match in _SENTENCE_END.finditer(text):
        following = bisect_left(starts, match.end())
        if not first < following < len(words):
            continue
        ender = bisect_right(starts, match.start()) - 1
        before = words[max(first, ender - 2) : ender + 1]
        if match["newline"] or _ends(text, before, words[following : following + 3]):
            sentences.append((first, following))
            first = following
    if words:
        sentences.append((first, len(words)))
    return sentences


def _ends(text: str, before: Sequence[_Range], after: Sequence[_Range]) -> bool:
    """Whether the last word of `before`, up to three of one sentence, ends it before `after`."""
    next_word = next((text[start:end] for start, end in after if text[start] not in _OPENING), "")
    if len(before) == 1 or next_word[:1].islower() or next_word[:1] in _NO_BEGINNING:
        return False
    start, end = before[-1]
    if text[start] != "." and end - start > 1 and text[end - 1] == ".":
        name = _name(text[start : end - 1])
        never = len(name) == 1 or name in _TITLES or name in _BEFORE_NUMBER
        return not never and next_word in _OPENERS
    is_list_number = len(before) == 2 and text[before[0][0]].isdigit() and text[start:end] == "."
    return not is_list_number
