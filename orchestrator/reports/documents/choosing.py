"""The document of any record."""

from __future__ import annotations

from orchestrator.api.reporting import (
    ComparisonRecord,
    DataRecord,
    EvaluationRecord,
    Record,
    RunRecord,
    SweepRecord,
)
from orchestrator.reports.documents.comparison import comparison_document
from orchestrator.reports.documents.data import data_document
from orchestrator.reports.documents.document import Document
from orchestrator.reports.documents.evaluation import evaluation_document
from orchestrator.reports.documents.run import run_document
from orchestrator.reports.documents.sweep import sweep_document


def document_of(record: Record) -> Document:
    """The document that shows it whole."""
    match record:
        case RunRecord():
            return run_document(record)
        case SweepRecord():
            return sweep_document(record)
        case EvaluationRecord():
            return evaluation_document(record.results, record.answers)
        case ComparisonRecord():
            return comparison_document(record)
        case DataRecord():
            return data_document(record)
