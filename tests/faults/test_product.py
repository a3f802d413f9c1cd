"""Every crash with every fault: in the end exactly one job, one file, one explained history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

import pytest

from faults.dialects import DIALECTS
from faults.product import ALL, SERVING, Case, Verdict, prove_alone
from faults.selection import HALVES, hosts, on_dialect, on_profile, one_fault, sampled
from orchestrator.engine.crashpoints import POINTS

SAMPLE = (3, 6, 8)
"""So many cases of each dialect `make test` takes: with faults alone, on hosts with a profile, and with a kill."""


def _prove(cases: list[Case]) -> list[Verdict]:
    return [prove_alone(case) for case in cases]


Share = Callable[[], list[Verdict]]
_WHOLE: dict[str, Share] = {
    **{f"{dialect}-{half}": partial(on_dialect, dialect, half, _prove) for dialect in DIALECTS for half in HALVES},
    **{f"host-{profile}": partial(on_profile, profile, _prove) for profile in hosts()},
}
_SAMPLES: dict[str, Share] = {dialect: partial(sampled, dialect, _prove, SAMPLE) for dialect in DIALECTS}
SHARES: Mapping[str, Share] = _WHOLE if ALL else _SAMPLES


@pytest.mark.parametrize("share", SHARES)
def test_every_crash_with_every_fault_ends_in_exactly_one_job(
    share: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts = SHARES[share]()
    with capsys.disabled():
        print(f"\n{share}: {_summary(verdicts)}")
    assert [verdict.words for verdict in verdicts if verdict.violations] == []
    assert [verdict.case.name for verdict in verdicts if verdict.case.crash and not verdict.died] == []


@pytest.mark.skipif(not ALL, reason="part of the whole product")
def test_every_crash_point_is_passed_by_some_case() -> None:
    verdicts = _prove([*one_fault("metadata"), Case("metadata", requested_action="cancel")])
    verdicts += _prove([Case("metadata", requested_action="pause"), Case("metadata", route="complete-upload")])
    verdicts += _prove([Case("metadata", route="complete-upload", on_upload="400")])
    verdicts += _prove([Case("metadata", on_create="answer-lost", profile="no-list-route")])
    verdicts += _prove([Case("together"), Case("nebius", on_upload="made-twice", route=SERVING)])
    assert set(POINTS) - {place for verdict in verdicts for place in verdict.passed} == set()


def test_a_case_is_known_by_its_name() -> None:
    case = Case("marks", on_create="dropped", crash="after-create", passing=2, profile="strangers")
    assert case.name == "marks,on_create=dropped,crash=after-create,passing=2,profile=strangers"
    assert Case.named(case.name) == case
    assert Case.named("metadata") == Case("metadata")


def _summary(verdicts: list[Verdict]) -> str:
    died = sum(verdict.died for verdict in verdicts)
    ends = Counter(verdict.case.end.value for verdict in verdicts)
    wrong = sum(bool(verdict.violations) for verdict in verdicts)
    return f"{len(verdicts)} cases, {died} of them with a kill, ends {dict(ends)}: {wrong} violations"
