"""Documents to windows of pieces, and logits back to emissions.

The same arithmetic lays the windows of training and of inference. What a document gets depends on
nothing but the document: windows never join two documents, and break at sentence ends; only a
sentence longer than a window is divided, and then each word is taken from the window in which it
stands farthest from an edge.
"""

from nertune.encoding.arrays import NEVER, NO_PIECE, Encoded, Floats, Ints, stitch
from nertune.encoding.encoder import Batch, Encoder
from nertune.encoding.labels import IGNORED, AlignedPiece, align, piece_labels
from nertune.encoding.tokenizer import (
    SHAPES,
    check_word_start,
    normalise_tokenizer,
    special_pieces,
    word_shape,
)

__all__ = [
    "IGNORED",
    "NEVER",
    "NO_PIECE",
    "SHAPES",
    "AlignedPiece",
    "Batch",
    "Encoded",
    "Encoder",
    "Floats",
    "Ints",
    "align",
    "check_word_start",
    "normalise_tokenizer",
    "piece_labels",
    "special_pieces",
    "stitch",
    "word_shape",
]
