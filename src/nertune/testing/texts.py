"""Texts to test with: plain ones, odd ones of every script, and ones without white space."""

from __future__ import annotations

import random
from collections.abc import Iterator

TEXT = (
    "The quick brown fox jumps over the lazy dog near Lisbon and Nairobi on 12 May 1999 .",
    "Ada Lovelace met Charles Babbage in London ; they spoke of engines , numbers and music .",
    "El presidente de la Comisión visitó Bogotá , São Paulo y Málaga ( España ) el martes .",
    "U.N. officials won't say whether the 1,000.50 dollars were paid to O'Neill & Sons Ltd .",
)
"""What the tiny tokenizers are trained on."""

LONE_SURROGATES = ("\ud800", "London \udc00", "a\udfffb", "\udc00\ud800")
"""Strings that are no valid Unicode."""


def _range(first: int, last: int) -> str:
    return "".join(map(chr, range(first, last + 1)))


_EMOJI = (
    "🙂", "😀", "👩\u200d👩\u200d👧\u200d👦", "🏳️\u200d🌈", "🇵🇹", "🇰🇪🇵", "👍🏽", "👩🏿\u200d🚀", "☺️",
    "1️⃣", "🏴\U000e0067\U000e0062\U000e007f", "❤", "\U0001f9d1\u200d", "🏽",
)  # fmt: skip
_NAMES = (
    *" ".join(TEXT).split(), "O’Neill", "AL-AIN", "won't", "d'Orsay", "EE.UU.", "Dr.", "J.", "...",
    "[SEP]", "[CLS]", "<s>", "</s>", "<mask>", "[UNK]", "▁", "▁Lisbon", "##ing", "Ġ", "ﬁnance",
    "ＬＯＮＤＯＮ", "İstanbul", "Straße", "ǅ", "ẞ", "Å", "ﷺ", "½", "①", "Ⅷ", "㌔", "K", "ſ",
)  # fmt: skip
_SCRIPTS = (
    "東京都", "北京に行く。", "서울", "한국", "ｶﾞｷﾞ", "القاهرة", "مُحَمَّد", "۱۲۳", "٣٫٥", "ירושלים",
    "שָׁלוֹם", "กรุงเทพมหานคร", "น้ำ", "दिल्ली", "क्षत्रिय", "தமிழ்", "မြန်မာ", "ខ្មែរ", "Москва", "Αθήνα",
    "ᚠᚢᚦ", "𒀀𒁀", "𝐋𝐢𝐬𝐛𝐨𝐧", "𝟏𝟗𝟗𝟗", "𝔘𝔎", "ℝ", "∑∫", "𠀀𪚥", "ᏣᎳᎩ", "ⴰⵎⴰ",
)  # fmt: skip
_NUMBERS = (
    "1,000.50", "12:30", "3/4", "-5", "+1.2", "1e9", "50%", "$5", "€9.99", "2026-11-22", "1.2.3.4",
    "№5", "H₂O", "x²",
)  # fmt: skip
_ADDRESSES = (
    "https://example.org/a_(b)?q=1&r=ü#x", "www.example.org", "ada+x@example.co.uk", "@ada", "#İx",
    "http://", "ftp://例え.jp/道", "a@b",
)  # fmt: skip
_SPACES = (
    " ", " ", " ", " ", " ", " ", "  ", "\t", "\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d",
    "\x1e", "\x1f", "\x85", "\u00a0", "\u1680", "\u2003", "\u2009", "\u2028", "\u2029", "\u202f",
    "\u205f", "\u3000", "\n\n\n", "",
)  # fmt: skip
_INVISIBLE = (
    "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2069\ufeff"
    "\u00ad\u034f\u061c\u180e\u115f\u3164\ufe0e\ufe0f\u2061\ufff9\ufffb\U000e0001\U000e0041"
)
_MARKS = _range(0x300, 0x315) + "\u0338\u20dd\u20e3\u064b\u0651\u05b0\u093c\u094d\u0e31\u3099\u1dc0"
_CONTROLS = _range(0, 8) + _range(0x0E, 0x1B) + "\x7f" + _range(0x80, 0x84) + _range(0x86, 0x9F)
_PRIVATE = "\ue000\uf8ff\U000f0000\U0010fffd"
_UNASSIGNED = "\u0378\u05ff\u2fe0\U0001fbff\U000323b0\ufdd0\uffff\U0010ffff\ufffd"
_SIGNS = "".join(filter(str.isprintable, _range(0x21, 0x2F) + ":;<=>?@[\\]^_`{|}~")) + (
    "“”‘’„«»…–—―·•°§¶†‡‰‹›¡¿、。，！？「」『』【】《》〜؟،؛۔।॥‐‑⁄−×÷"
)
_POOLS = (
    _NAMES, _NAMES, _NAMES, _SCRIPTS, _SCRIPTS, _NUMBERS, _ADDRESSES, _EMOJI, _EMOJI, _INVISIBLE,
    _MARKS, _MARKS, _CONTROLS, _PRIVATE, _UNASSIGNED, _SIGNS, _SIGNS,
)  # fmt: skip


def odd_texts(seed: int, n: int) -> Iterator[str]:
    """n strings of valid Unicode that mix what breaks offsets; the same ones for the same seed.

    Names, numbers, addresses and emoji of many parts; scripts written right to left or without
    spaces; marks, joiners, byte order marks and controls at every place; all kinds of white space;
    unassigned and private characters; pieces' own spellings (`[SEP]`, `▁`); long runs of one thing.
    """
    draw = random.Random(seed)
    for _ in range(n):
        yield "".join(_parts(draw))


def _parts(draw: random.Random) -> Iterator[str]:
    glue = draw.random() * 0.7  # how often two parts stand together
    for _ in range(int(draw.random() ** 2 * 25 + 0.98)):
        kind = draw.random()
        if kind < 0.9:
            yield draw.choice(draw.choice(_POOLS))
        elif kind < 0.96:
            yield chr(_any_character(draw))
        else:
            yield draw.choice(draw.choice(_POOLS)) * draw.choice((2, 3, 8, 40, 130))
        if draw.random() >= glue:
            yield draw.choice(_SPACES)


def _any_character(draw: random.Random) -> int:
    code = draw.randrange(draw.choice((0x100, 0x3000, 0x10000, 0x110000)))
    return code - 0x800 if 0xD800 <= code < 0xE000 else code


def giant_texts(n: int) -> dict[str, str]:
    """Texts of n characters without white space, by what they are made of."""
    return {
        "letters": _repeated("z", n),
        "letters of a name": _repeated("Lisbon", n),
        "letters at random": "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=n)),
        "emoji": _repeated("🙂", n),
        "families of emoji": _repeated(_EMOJI[2], n),
        "marks": _repeated("\u0301", n),
        "marks on a letter": _repeated("a\u0301\u0323", n),
        "joiners": _repeated("\u200d", n),
        "controls": _repeated("\x01", n),
        "CJK": _repeated("東京都", n),
        "Thai": _repeated("กรุงเทพมหานคร", n),
        "digits and punctuation": _repeated("1,2.", n),
        "punctuation": _repeated("!?", n),
        "unassigned": _repeated("\u0378", n),
        "joiners before a name": _repeated("\u200d", n - 6) + "Lisbon",
    }


def _repeated(part: str, n: int) -> str:
    return (part * (n // len(part) + 1))[:n]
