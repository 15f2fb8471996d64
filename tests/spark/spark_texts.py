"""Texts that the tests of Spark share."""

TEXTS = (
    "Ada Lovelace met Charles Babbage in London ; they spoke of engines , numbers and music .",
    "🙂 The quick brown fox 👩‍👩‍👧‍👦 jumps over the lazy dog near Lisbon. He won't say why it was!",
    "El presidente de la Comisión visitó Bogotá, São Paulo y Málaga (España) el martes.",
    "U.N. officials won't say whether the 1,000.50 dollars were paid to O'Neill & Sons Ltd.",
    "东京都 北京に行く。 Straße İstanbul\nNairobi on 12 May 1999",
)
