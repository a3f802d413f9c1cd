"""A person's decisions on the rows of a training file, kept beside it, and the file that follows from them."""

from __future__ import annotations

from orchestrator.dataset.review.decisions import Decision, DecisionFile, Verdict, review_file
from orchestrator.dataset.review.editing import (
    Edited,
    NotAnExample,
    commented,
    document_of,
    findings_of,
    read_document,
    without_comments,
)
from orchestrator.dataset.review.review import Counts, Review, Selection, open_review
from orchestrator.dataset.review.rows import RowPlace
from orchestrator.dataset.review.sheets import SHEET_COLUMNS, SheetLine, apply_sheet, read_sheet
from orchestrator.dataset.review.texts import Turn, WrittenCall, answer_of, declared_functions, request_of, turns_of
from orchestrator.dataset.review.writing import WrittenReview, require_free, reviewed_file, write_reviewed

__all__ = [
    "SHEET_COLUMNS",
    "Counts",
    "Decision",
    "DecisionFile",
    "Edited",
    "NotAnExample",
    "Review",
    "RowPlace",
    "Selection",
    "SheetLine",
    "Turn",
    "Verdict",
    "WrittenCall",
    "WrittenReview",
    "answer_of",
    "apply_sheet",
    "commented",
    "declared_functions",
    "document_of",
    "findings_of",
    "open_review",
    "read_document",
    "read_sheet",
    "request_of",
    "require_free",
    "review_file",
    "reviewed_file",
    "turns_of",
    "without_comments",
    "write_reviewed",
]
