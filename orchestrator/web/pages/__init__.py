"""The pages, by address. Each is a function from a request to a page."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.web.page import View
from orchestrator.web.pages.data import data
from orchestrator.web.pages.lists import evaluations, model, sweeps
from orchestrator.web.pages.overview import overview
from orchestrator.web.pages.reports import compare, evaluation, sweep
from orchestrator.web.pages.run import run
from orchestrator.web.pages.runs import runs

PAGES: Mapping[str, View] = {
    "/": overview,
    "/runs": runs,
    "/runs/{run}": run,
    "/runs/{run}/data/{role}": data,
    "/compare": compare,
    "/sweeps": sweeps,
    "/sweeps/{sweep}": sweep,
    "/evaluations": evaluations,
    "/evaluations/{evaluation}": evaluation,
    "/models/{model:path}": model,
}
