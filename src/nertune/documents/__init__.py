"""Document and Entity: the one currency at the edges. Frozen, half-open, validated."""

from nertune.documents.checks import label_fault
from nertune.documents.document import Document, Entity

__all__ = ["Document", "Entity", "label_fault"]
