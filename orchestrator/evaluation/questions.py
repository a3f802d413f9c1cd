"""From cases to questions: each case for each model, in each variant, as often as asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from orchestrator.dataset.shorten import in_variant
from orchestrator.dataset.variants import Variant, variant_of_file
from orchestrator.errors import VariantNotThere
from orchestrator.evaluation.asking import Question
from orchestrator.evaluation.cases import Case

VARIANTS: tuple[Variant, ...] = get_args(Variant)
"""From the longest definitions to none at all; each can be made of those before it."""


@dataclass(frozen=True)
class Grid:
    """What is asked of whom."""

    models: Sequence[str]
    variants: Sequence[Variant]
    samples: int
    parameters: Mapping[str, Any]
    """Further fields of the request, such as the temperature."""

    def count(self, cases: int) -> int:
        """How many questions that makes."""
        return len(self.models) * len(self.variants) * self.samples * cases


def questions(cases: Iterable[Case], grid: Grid) -> Iterator[tuple[Case, Question]]:
    """Yield all questions with their cases, case by case, so that the cases are read only once.

    The variants must be ones that the file can give, see `chosen_variants`.
    """
    for case in cases:
        for variant in grid.variants:
            request = in_variant(dict(case.request), variant)
            for model in grid.models:
                for sample in range(grid.samples):
                    body = {"model": model, **request, **grid.parameters}
                    yield case, Question(case.id, model, variant, sample, body)


def chosen_variants(path: Path, wished: Sequence[Variant] | None) -> Sequence[Variant]:
    """The variants to ask in: those wished for, else the one that the evaluation file itself has.

    Raises VariantNotThere where the file's definitions are shorter than a wish, DataFileNotFound or
    DataFileUnreadable.
    """
    found = variant_of_file(path)
    if wished is None:
        return [found]
    for variant in wished:
        if VARIANTS.index(variant) < VARIANTS.index(found):
            raise VariantNotThere(path=path, found=found, variant=variant)
    return wished
