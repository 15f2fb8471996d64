"""torch -> ONNX, fp32 and int8, proved on real sentences before a file gets its name."""

from nertune.export.proof import Exported, Gate
from nertune.export.spark_nlp import SparkNlpModel, export_for_spark_nlp
from nertune.export.writing import export

__all__ = ["Exported", "Gate", "SparkNlpModel", "export", "export_for_spark_nlp"]
