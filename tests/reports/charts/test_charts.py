"""Charts: small, well-formed, readable without seeing them, and harmless whatever their labels say."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from random import Random

import pytest

from orchestrator.reports.charts import svgfile
from orchestrator.reports.charts.chart import Axis, Chart, Line, Mark, thinned
from orchestrator.reports.charts.curves import accuracy_chart, loss_chart, overlaid
from orchestrator.reports.charts.parallel import Course, Parallel, dimension
from orchestrator.reports.charts.svg import chart_svg, legend, parallel_svg
from orchestrator.reports.charts.svgfile import svg_file
from orchestrator.reports.documents import html
from orchestrator.store.records import Checkpoint, Metric

HOSTILE = "</title><script>alert(1)</script>\u202e\x1b[31m\ud800&"


def chart(*lines: Line, marks: tuple[Mark, ...] = ()) -> Chart:
    return Chart("Loss", Axis("step"), Axis("loss"), lines, marks, "checkpoint")


def falling(steps: int, seed: int = 1) -> list[tuple[float, float]]:
    rng = Random(seed)
    return [(step, 2 / step**0.5 + rng.random()) for step in range(1, steps + 1)]


def test_a_chart_of_2000_points_takes_at_most_20_kilobytes() -> None:
    points = falling(2000)
    for drawn in (chart_svg(chart(Line("a", points))), svg_file(chart(*(Line(n, points) for n in "abcd")))):
        assert len(drawn.encode()) <= 20_000


def test_thinning_keeps_the_ends_and_every_peak() -> None:
    points = [(float(x), 0.0) for x in range(10_000)]
    points[1234], points[7777] = (1234.0, 9.0), (7777.0, -9.0)
    kept = thinned(points, 200)
    assert len(kept) <= 200
    assert {points[0], points[1234], points[7777], points[-1]} <= set(kept)
    assert kept == sorted(kept)
    assert thinned(points[:200], 200) == points[:200]


def test_values_that_are_not_numbers_leave_a_line_without_them() -> None:
    line = Line("a", [(1, 2.0), (2, None), (3, math.nan), (4, math.inf), (5, 1.0)])
    assert line.known == [(1, 2.0), (5, 1.0)]
    drawn = chart_svg(chart(line))
    assert "nan" not in drawn
    assert "inf" not in drawn


@pytest.mark.parametrize("points", [[], [(3.0, 1.0)], [(3.0, 1.0), (3.0, 1.0)], [(0.0, 0.0), (1.0, 0.0)]])
def test_any_number_of_points_is_drawn(points: list[tuple[float, float]]) -> None:
    ET.fromstring(svg_file(chart(Line("a", points), marks=(Mark(3, "here"),))))


def test_a_chart_says_in_words_what_it_shows() -> None:
    drawn = ET.fromstring(chart_svg(chart(Line("training", [(1, 2.5), (10, 0.5), (20, 0.75)]))))
    assert drawn.get("role") == "img"
    assert [each.text for each in drawn.findall("title")] == ["Loss"]
    [text] = [each.text for each in drawn.findall("desc")]
    assert text == "loss over step. training: from 2.5 to 0.75, lowest 0.5 at 10."


def test_labels_stay_text() -> None:
    hostile = chart(Line(HOSTILE, [(1, 1.0), (2, 2.0)]), marks=(Mark(1, HOSTILE, 1.0),))
    parallel = Parallel(HOSTILE, [dimension(HOSTILE, [HOSTILE])] * 2, [Course(HOSTILE, [HOSTILE, HOSTILE], 0)])
    for drawn in (chart_svg(hostile), svg_file(hostile), parallel_svg(parallel)):
        root = ET.fromstring(drawn)
        assert not [each for each in root.iter() if each.tag.endswith("script")]
        assert not {"\u202e", "\x1b", "\ud800"} & set(drawn)
        assert "style=" not in drawn
    assert "\u202e" not in json.loads(hostile.to_json())["series"][0]["label"]


def test_a_script_gets_one_list_of_places_and_a_value_or_nothing_for_each_line() -> None:
    found = json.loads(chart(Line("a", [(1, 5.0), (3, 4.0)], "first"), Line("b", [(2, 7.0)])).to_json())
    assert found["data"] == [[1, 2, 3], [5.0, None, 4.0], [None, 7.0, None]]
    assert [each["key"] for each in found["series"]] == ["first", "b"]
    assert [each["class"] for each in found["series"]] == ["line-0", "line-1"]


def test_a_script_gets_long_lines_thinned() -> None:
    found = json.loads(chart(Line("a", falling(100_000))).to_json())
    assert 1000 < len(found["data"][0]) <= 2000


def test_single_values_are_pale_behind_their_mean_and_do_not_set_the_axis() -> None:
    metrics = [Metric("run", step, train_loss=90.0 if step == 50 else 1.0) for step in range(1, 201)]
    found = loss_chart(metrics)
    single, mean = found.lines
    assert (single.is_pale, mean.label) == (True, "training, mean of 10 steps")
    assert dict(mean.points)[49] == 1.0
    assert dict(mean.points)[50] == pytest.approx(9.9)
    assert [label for _, label in legend(found)] == [mean.label]
    assert "single values up to 90 are cut off" in chart_svg(found)


def test_checkpoints_are_dots_at_their_validation_loss() -> None:
    metrics = [Metric("run", step, train_loss=1.0, valid_loss=0.5) for step in (1, 2, 3)]
    checkpoints = [
        Checkpoint("run", "c1", 2, "model-2", {"full_valid_loss": 0.7}, 0.0),
        Checkpoint("run", "c2", 3, "model-3", {}, 0.0),
    ]
    assert [(mark.x, mark.y) for mark in loss_chart(metrics, checkpoints).marks] == [(2, 0.7), (3, 0.5)]


def test_a_loss_that_diverged_is_on_a_logarithmic_axis() -> None:
    metrics = [Metric("run", step, train_loss=10.0**step) for step in range(6)]
    assert loss_chart(metrics).y.is_log
    assert not loss_chart(metrics[:2]).y.is_log


def test_only_what_was_measured_has_a_line() -> None:
    metrics = [Metric("run", 1, train_loss=1.0, full_valid_accuracy=0.5)]
    assert [line.key for line in loss_chart(metrics).lines] == ["train_loss"]
    assert [line.key for line in accuracy_chart(metrics).lines] == ["full_valid_accuracy"]


def test_several_runs_are_compared_by_a_loss_that_all_of_them_have() -> None:
    both = [Metric("run", step, train_loss=1.0, valid_loss=0.5) for step in (1, 2)]
    alone = [Metric("run", step, train_loss=2.0) for step in (1, 2)]
    one, two, unmeasured = Line("one", ()), Line("two", ()), Line("three", ())
    validated = overlaid([(one, both), (two, both), (unmeasured, [])])
    assert (validated.title, [line.known for line in validated.lines]) == (
        "Validation loss",
        [[(1, 0.5), (2, 0.5)]] * 2,
    )
    mixed = overlaid([(one, both), (two, alone)])
    assert (mixed.title, [line.known[0] for line in mixed.lines]) == ("Training loss", [(1, 1.0), (1, 2.0)])
    assert overlaid([]).is_empty


def test_parallel_axes_have_names_or_numbers_and_skip_what_a_point_lacks() -> None:
    rates = dimension("rate", [0.01, 1.0, None])
    assert rates.scale is not None
    assert rates.scale.is_log
    assert dimension("batch", ["auto", 8]).names == ("auto", "8")
    assert [label for _, label in dimension("epochs", [1, 3, 2, 3]).ticks] == ["1", "2", "3"]
    courses = [Course("one", [0.01, 8, 0.5], 3), Course("two", [None, "auto", 0.7], 8, is_strong=True)]
    drawn = parallel_svg(
        Parallel("P", [rates, dimension("batch", ["auto", 8]), dimension("loss", [0.5, 0.7])], courses)
    )
    paths = [each for each in ET.fromstring(drawn).iter() if each.tag == "path"]
    assert [len(each.get("d", "").split()) // 2 for each in paths] == [3, 2]
    assert [each.get("class") for each in paths] == ["tone-3", "tone-8 strong"]


def test_the_style_sheet_has_the_colours_of_files() -> None:
    light = html.STYLES.read_text().partition("@media")[0]
    for name, colours in (("line", svgfile.LINES), ("tone", svgfile.TONES)):
        assert [f"--{name}-{number}: {colour};" in light for number, colour in enumerate(colours)] == [True] * len(
            colours
        )
