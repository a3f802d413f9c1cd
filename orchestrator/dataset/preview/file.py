"""All rows of a file as a model is trained on them: their lengths, and those that can't be used."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.dataset.checking.rendering import is_learned
from orchestrator.dataset.checking.rows import GoodRows
from orchestrator.dataset.preview.row import Rows
from orchestrator.dataset.rendering.rendered import Rendered
from orchestrator.dataset.rendering.renderer import Renderer
from orchestrator.dataset.shorten import shortened
from orchestrator.dataset.stats import Distribution, distribution
from orchestrator.errors import CannotRender

MOST_NAMED = 1_000


@dataclass(frozen=True)
class Unusable:
    """A row that the model can't be trained on, or can't be asked."""

    line: int
    reason: str


@dataclass(frozen=True)
class FilePreview:
    """The rows of a file without errors of format."""

    rows: int
    """Rows that were tried."""
    left_out: int
    """Lines with errors, which `data check` names."""
    lengths: Distribution | None
    """Tokens of a sequence; preference data has two for each row. None if no row can be rendered."""
    learned: Distribution | None
    """Learned tokens of a sequence; None for prompts, too."""
    too_long: int
    """Rows with more tokens than the model's context."""
    not_rendered: int
    nothing_learned: int
    unusable: Sequence[Unusable]
    """The first 1,000 of these three kinds, in the order of the file."""
    methods: Mapping[str, int]
    """How the learned text was found: the number of sequences for each way."""

    @property
    def is_usable(self) -> bool:
        """Whether training would take every row that was tried."""
        return not self.unusable


def preview_file(rows: Rows, renderer: Renderer) -> FilePreview:
    """Render every row of the file. Raises what `GoodRows` raises."""
    counting, good = _Counting(rows, renderer), GoodRows(rows.path, rows.method)
    for line, row in good:
        counting.add(line, shortened(row, rows.cut))
    return counting.result(good.left_out)


class _Counting:
    def __init__(self, rows: Rows, renderer: Renderer) -> None:
        self._rows, self._renderer = rows, renderer
        self._tried = 0
        self._lengths = array("I")
        self._learned = array("I")
        self._unusable: list[Unusable] = []
        self._kinds: Counter[str] = Counter()
        self._methods: Counter[str] = Counter()

    def add(self, line: int, row: dict[str, object]) -> None:
        self._tried += 1
        try:
            sequences = self._rows.sequences(row, self._renderer)
        except CannotRender as error:
            self._refuse(line, "not_rendered", str(error.facts["reason"]))
            return
        for each in sequences:
            self._lengths.append(len(each.ids))
            if isinstance(each, Rendered):
                self._learned.append(sum(each.learned))
                self._methods[each.method] += 1
        longest, limit = max(len(each.ids) for each in sequences), self._renderer.context_length
        if limit is not None and longest > limit:
            self._refuse(line, "too_long", f"{longest:,} tokens, and the context holds {limit:,}")
        if not all(map(is_learned, sequences)):
            self._refuse(line, "nothing_learned", "no token is learned: every answer has weight 0")

    def _refuse(self, line: int, kind: str, reason: str) -> None:
        self._kinds[kind] += 1
        if len(self._unusable) < MOST_NAMED:
            self._unusable.append(Unusable(line, reason))

    def result(self, left_out: int) -> FilePreview:
        return FilePreview(
            rows=self._tried,
            left_out=left_out,
            lengths=distribution(self._lengths) if self._lengths else None,
            learned=distribution(self._learned) if self._learned else None,
            too_long=self._kinds["too_long"],
            not_rendered=self._kinds["not_rendered"],
            nothing_learned=self._kinds["nothing_learned"],
            unusable=self._unusable,
            methods=dict(self._methods),
        )
