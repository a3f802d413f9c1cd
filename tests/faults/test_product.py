"""Every crash with every fault: in the end exactly one job, one file, one explained history."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from faults.dialects import DIALECTS, Dialect
from faults.product import ALL, Case, Verdict, bases, crashes, on_hosts, prove_alone, sample
from orchestrator.engine.crashpoints import POINTS

SAMPLE = 3
SAMPLE_OF_HOSTS = 6
SAMPLE_OF_CRASHES = 8
"""So many cases of each dialect `make test` takes: with faults alone, on hosts with a profile, and with a kill."""


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_crash_with_every_fault_ends_in_exactly_one_job(
    dialect: Dialect, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = bases(dialect, pairs=ALL)
    hosts = on_hosts(dialect)
    without_crash = _prove(cases if ALL else sample(cases, SAMPLE))
    without_crash += _prove(hosts if ALL else sample(hosts, SAMPLE_OF_HOSTS))
    with_crash = [case for verdict in without_crash for case in crashes(verdict)]
    verdicts = without_crash + _prove(with_crash if ALL else sample(with_crash, SAMPLE_OF_CRASHES))
    with capsys.disabled():
        print(f"\n{dialect}: {_summary(verdicts)}")
    assert [f"{verdict.case}: {verdict.violations}" for verdict in verdicts if verdict.violations] == []
    assert all(verdict.died for verdict in verdicts if verdict.case.crash)


@pytest.mark.skipif(not ALL, reason="part of the whole product")
def test_every_crash_point_is_passed_by_some_case() -> None:
    verdicts = _prove(bases("metadata", pairs=False))
    assert set(POINTS) - {place for verdict in verdicts for place in verdict.passed} == set()


def _prove(cases: Iterable[Case]) -> list[Verdict]:
    """The verdicts, in order. Cases share nothing, so each processor takes some."""
    cases = list(cases)
    if not ALL:
        return [prove_alone(case) for case in cases]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return list(pool.map(prove_alone, cases, chunksize=20))


def _summary(verdicts: list[Verdict]) -> str:
    died = sum(verdict.died for verdict in verdicts)
    ends = Counter(verdict.case.end.value for verdict in verdicts)
    wrong = sum(bool(verdict.violations) for verdict in verdicts)
    return f"{len(verdicts)} cases, {died} of them with a kill, ends {dict(ends)}: {wrong} violations"
