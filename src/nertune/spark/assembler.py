"""DocumentAssembler: a column of texts becomes a column of documents, inside Spark itself."""

# ruff: noqa: N802, N803, N815 - the names that Spark NLP gives setters and parameters

from __future__ import annotations

from typing import Any

from pyspark import keyword_only
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StringType

from nertune.errors import DocumentError
from nertune.spark.annotations import ANNOTATIONS, DOCUMENT, with_annotations
from nertune.spark.columns import quoted
from nertune.spark.params import Stage, field_of, one_of

_ESCAPED = r"(?:\\r)?(?:\\n)|(?:\\t)"
_ESCAPED_RUN = r"(?:\\r)*(?:\\n)+|(?:\\t)+"
_CLEANING: dict[str, tuple[bool, str, str]] = {
    "disabled": (False, "", ""),
    "inplace": (False, r"\s", " "),
    "inplace_full": (False, rf"\s|{_ESCAPED}", " "),
    "shrink": (True, r"\s+", " "),
    "shrink_full": (True, rf"\s+|{_ESCAPED_RUN}", " "),
    "each": (False, r"\s[\n\t]", " "),
    "each_full": (False, rf"\s(?:\n|\t|{_ESCAPED})", " "),
    "delete_full": (True, _ESCAPED, ""),
}
"""Whether a mode trims, the pattern it replaces, and by what: those of DocumentAssembler.scala."""

_TRIMMED = "".join(map(chr, range(33)))  # what String.trim of Java takes off


class DocumentAssembler(Stage):
    """Makes a document of each text.

    inputCol: strings, or lists of strings, which give one document each. A missing text is an empty
    document (`begin` 0, `end` -1). idCol: a column whose value goes into the metadata as `id`;
    messages about a row name it. metadataCol: a column of maps that go into the metadata.
    cleanupMode: how white space is cleaned; offsets then are those of the cleaned text.
    """

    inputCol: Param[str] = Param(
        Params._dummy(), "inputCol", "the column of texts", TypeConverters.toString
    )
    idCol: Param[str] = Param(
        Params._dummy(), "idCol", "the column of the rows' keys", TypeConverters.toString
    )
    metadataCol: Param[str] = Param(
        Params._dummy(), "metadataCol", "a column of maps for the metadata", TypeConverters.toString
    )
    cleanupMode: Param[str] = Param(
        Params._dummy(),
        "cleanupMode",
        "how white space is cleaned: " + ", ".join(_CLEANING),
        one_of("cleanupMode", *_CLEANING),
    )

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        idCol: str | None = None,
        metadataCol: str | None = None,
        cleanupMode: str | None = None,
    ) -> None:
        super().__init__()
        self._setDefault(outputCol="document", cleanupMode="disabled")
        self.having(**self._input_kwargs)

    def setInputCol(self, value: str) -> DocumentAssembler:
        """Name the column of texts."""
        return self.having(inputCol=value)

    def setIdCol(self, value: str) -> DocumentAssembler:
        """Name the column of the rows' keys."""
        return self.having(idCol=value)

    def setMetadataCol(self, value: str) -> DocumentAssembler:
        """Name a column of maps for the metadata."""
        return self.having(metadataCol=value)

    def setCleanupMode(self, value: str) -> DocumentAssembler:
        """Say how white space is cleaned; offsets are those of the cleaned text."""
        return self.having(cleanupMode=value)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        name = self.value("inputCol")
        if name is None:
            raise DocumentError("DocumentAssembler has no inputCol; say .setInputCol('text')")
        kind = field_of(self, dataset, name).dataType
        texts = quoted(name)
        if isinstance(kind, StringType):
            texts = F.array(texts)
        elif not (isinstance(kind, ArrayType) and isinstance(kind.elementType, StringType)):
            raise DocumentError(
                f"DocumentAssembler reads the column '{name}' of type {kind.simpleString()}; "
                "expected string or array<string>: cast it first, with .cast('string')"
            )
        more = self._metadata(dataset)
        documents = F.transform(texts, lambda text, i: self._document(text, i, more))
        documents = F.coalesce(documents.cast(ANNOTATIONS), F.array().cast(ANNOTATIONS))
        return with_annotations(dataset, self.getOutputCol(), documents, DOCUMENT)

    def _metadata(self, dataset: DataFrame) -> list[Column]:
        """Maps for the metadata beside the place of the text."""
        id_col, metadata_col = self.value("idCol"), self.value("metadataCol")
        for name in filter(None, (id_col, metadata_col)):
            field_of(self, dataset, name)
        maps = []
        if metadata_col:
            reserved = ["sentence", *(["id"] if id_col else [])]
            given = F.coalesce(quoted(metadata_col), F.create_map().cast("map<string,string>"))
            maps.append(F.map_filter(given, lambda key, _: ~key.isin(reserved)))
        if id_col:
            maps.append(F.create_map(F.lit("id"), quoted(id_col).cast("string")))
        return maps

    def _document(self, text: Column, number: Column, more: list[Column]) -> Column:
        cleaned = self._cleaned(F.coalesce(text, F.lit("")))
        metadata = F.create_map(F.lit("sentence"), number.cast("string"))
        fields: dict[str, Any] = {
            "annotatorType": F.lit(DOCUMENT),
            "begin": F.lit(0),
            "end": F.length(cleaned) - 1,
            "result": cleaned,
            "metadata": F.map_concat(*more, metadata) if more else metadata,
            "embeddings": F.array().cast("array<float>"),
        }
        return F.struct(*(column.alias(name) for name, column in fields.items()))

    def _cleaned(self, text: Column) -> Column:
        trims, pattern, replacement = _CLEANING[self.getOrDefault(self.cleanupMode)]
        if trims:
            text = F.btrim(text, F.lit(_TRIMMED))
        return F.regexp_replace(text, pattern, replacement) if pattern else text
