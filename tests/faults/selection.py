"""Which cases of the product are proven: every crash point with every fault on each dialect, and on each host
profile with the most telling faults. What is independent of each other is combined pairwise, in the same cases.

Which places a life comes by is known when it has been lived, so a share of the cases is proven in two steps: lives
without a kill, then the same lives with one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from faults.catalogue import ON_CREATE, ON_SERVING, ON_UPLOAD
from faults.dialects import CONFIGS, DIALECTS, PROFILED, Dialect, announces, can_pause, takes_parts
from faults.product import ANNOUNCED, IN_PARTS, SERVING, Case, Verdict
from faults.profiles import PROFILES
from orchestrator.engine.crashpoints import POINTS

Prove = Callable[[list[Case]], list[Verdict]]
"""The verdicts on cases, in order."""
HALVES = (0, 1)
"""A dialect's cases are proven in two shares, so that processors have something to divide among them."""
_TELLING = ("none", "dropped", "answer-lost", "arrives-late", "429-seconds", "500-though-done")
_MOST_TELLING = ("none", "answer-lost")
_UPLOADING = ("upload", "part", "file-look", "commit-upload", "commit-part")
_SERVING = ("serving", "commit-serving", "commit-succeeded")
_AROUND_THE_CREATE = (
    *("before-commit-creating", "after-commit-creating", "before-create", "after-create", "after-job-look"),
    *("before-commit-queued", "after-commit-queued"),
)
_PASSING_CREATES = tuple(fault for fault in ON_CREATE if not ON_CREATE[fault].refuses)
_PASSING_UPLOADS = tuple(fault for fault in ON_UPLOAD if not ON_UPLOAD[fault].refuses)


def on_dialect(dialect: Dialect, half: int, prove: Prove) -> list[Verdict]:
    """The verdicts on half of a dialect's cases, on an honest host."""
    alone = prove(one_fault(dialect))
    others = prove([*_wishes(dialect), *_in_steps(dialect), *_of_serving(dialect)][half::2])
    kills = [*_kills(alone, half), *(case for verdict in others for case in _kills_of_other(verdict))]
    killed = prove(list(dict.fromkeys(kills)))
    missed = [verdict for verdict in killed if not verdict.died]
    again = prove([case for verdict in missed for case in _alone(verdict) if _leads_there(case, alone)])
    not_killed = [replace(verdict, case=replace(verdict.case, crash="")) for verdict in missed]
    return [*alone, *others, *(verdict for verdict in killed if verdict.died), *not_killed, *again]


def on_profile(profile: str, prove: Prove) -> list[Verdict]:
    """The verdicts on the cases of one profile: every fault, and a kill at every place with the most telling."""
    calm = prove(list(dict.fromkeys([*_every_fault(profile), *_on_each_dialect(profile)])))
    return [*calm, *prove(list(_kills_on_profile(profile, calm)))]


def one_fault(dialect: Dialect) -> list[Case]:
    """No fault, every fault on the create, and every one on the upload."""
    found = [Case(dialect, on_create=fault) for fault in ON_CREATE]
    return list(dict.fromkeys(found + [Case(dialect, on_upload=fault) for fault in ON_UPLOAD]))


def sampled(dialect: Dialect, prove: Prove, sizes: tuple[int, int, int]) -> list[Verdict]:
    """The same few cases each time: of faults alone, of host profiles, and of kills in them."""
    faults, hosts, kills = sizes
    calm = _sample([*one_fault(dialect), *_wishes(dialect), *_in_steps(dialect), *_of_serving(dialect)], faults)
    calm += _sample([case for case in _on_all_profiles() if case.dialect == dialect], hosts)
    verdicts = prove(calm)
    killed = [
        replace(verdict.case, crash=place, passing=passing)
        for verdict in verdicts
        for place, count in verdict.passed.items()
        for passing in sorted({1, count})
    ]
    return [*verdicts, *prove(_sample(killed, kills))]


# --- The honest host ----------------------------------------------------------------------------------------------


def _wishes(dialect: Dialect) -> list[Case]:
    wishes = ("cancel", "pause") if can_pause(dialect) else ("cancel",)
    return [Case(dialect, requested_action=wish) for wish in wishes]


def _in_steps(dialect: Dialect) -> list[Case]:
    """Faults in each step of an upload: the telling ones of those in parts on every dialect, each other on one."""
    takers = [other for other in DIALECTS if takes_parts(other)]
    if announces(dialect):
        return [Case(dialect, on_upload=fault, route=ANNOUNCED) for fault in ON_UPLOAD]
    if dialect not in takers:
        return []
    return [
        Case(dialect, on_upload=fault, route=route)
        for number, fault in enumerate(ON_UPLOAD)
        for route in IN_PARTS
        if fault in _TELLING or takers[number % len(takers)] == dialect
    ]


def _of_serving(dialect: Dialect) -> list[Case]:
    """Every fault in the request that makes a model answer."""
    if CONFIGS[dialect].result != "served-checkpoint":
        return []
    return [Case(dialect, on_upload=fault, route=SERVING) for fault in ON_SERVING]


def _kills(alone: list[Verdict], half: int) -> Iterator[Case]:
    """Every place with every fault on the create and on the upload that can meet there, both faults in one life.

    The faults of the upload are turned on by one from place to place, so each pair of faults meets too. Those that
    end a run or a process before the create stay alone.
    """
    create = {verdict.case.on_create: verdict for verdict in alone if verdict.case.on_upload == "none"}
    upload = {verdict.case.on_upload: verdict for verdict in alone if verdict.case.on_create == "none"}
    honest = create["none"]
    lasting = [fault for fault in upload if honest.passed.keys() <= upload[fault].passed.keys()]
    yield from (replace(honest.case, crash=place, passing=count) for place, count in honest.passed.items())
    for turn, place in enumerate(POINTS):
        if turn % len(HALVES) != half:
            continue
        yield from (
            replace(verdict.case, crash=place)
            for fault, verdict in upload.items()
            if fault not in lasting and place in verdict.passed
        )
        meeting = [fault for fault in create if place in create[fault].passed]
        partners = [
            _PASSING_UPLOADS[(step + turn) % len(_PASSING_UPLOADS)] for step in range(len(_PASSING_UPLOADS))
        ]
        if meeting:
            for step in range(max(len(meeting), len(partners))):
                first, second = meeting[step % len(meeting)], partners[step % len(partners)]
                passing = create[first].passed[place] if (step + turn) % 2 else 1
                yield replace(create[first].case, on_upload=second, crash=place, passing=passing)
        leading = [fault for fault in lasting if place in upload[fault].passed and place not in honest.passed]
        for step, second in enumerate(leading):  # the fault of the upload leads there, whatever the create meets
            first = _PASSING_CREATES[(step + turn) % len(_PASSING_CREATES)]
            yield replace(upload[second].case, on_create=first, crash=place)


def _alone(missed: Verdict) -> Iterator[Case]:
    """The case with one fault at a time: with both, the process ended before it came by the place."""
    case = replace(missed.case, passing=1)
    yield from (replace(case, on_upload="none"), replace(case, on_create="none"))


def _leads_there(case: Case, alone: list[Verdict]) -> bool:
    calm = replace(case, crash="", passing=1)
    return any(verdict.case == calm and case.crash in verdict.passed for verdict in alone)


def _kills_of_other(verdict: Verdict) -> Iterator[Case]:
    """A wish with every place. Of uploads in parts the telling faults, where the upload is under way. Of serving
    every fault, where that is under way."""
    case = verdict.case
    for turn, (place, count) in enumerate(verdict.passed.items()):
        effect = place.partition("-")[2]
        is_at_upload = case.on_upload in _TELLING and effect.startswith(_UPLOADING)
        is_at_it = effect.startswith(_SERVING) if case.route == SERVING else is_at_upload
        if case.requested_action or is_at_it:
            yield replace(case, crash=place, passing=count if turn % 2 else 1)


# --- Host profiles ------------------------------------------------------------------------------------------------


def hosts() -> list[str]:
    """The profiles of hosts that are not simply honest."""
    return [profile for profile in PROFILES if profile != "honest"]


def _on_all_profiles() -> list[Case]:
    return [case for profile in hosts() for case in (*_every_fault(profile), *_on_each_dialect(profile))]


def _every_fault(profile: str) -> list[Case]:
    """Each fault on the create once; the dialect and the fault of the upload change from one to the next."""
    first, dialects = hosts().index(profile), _behaving_like(profile)
    cases = [
        Case(
            dialects[turn % len(dialects)],
            on_create=fault,
            on_upload=_PASSING_UPLOADS[turn % len(_PASSING_UPLOADS)],
            profile=profile,
        )
        for turn, fault in enumerate(ON_CREATE, first)
    ]
    return [case for case in cases if _can_be_helped(case)]


def _on_each_dialect(profile: str) -> list[Case]:
    return [
        Case(dialect, on_create=fault, profile=profile)
        for dialect in _behaving_like(profile)
        for fault in _MOST_TELLING
    ]


def _behaving_like(profile: str) -> tuple[Dialect, ...]:
    """The dialects of the hosts with a profile."""
    return tuple(dialect for dialect in DIALECTS if dialect in (PROFILES[profile].on or PROFILED))


def _can_be_helped(case: Case) -> bool:
    """A request that something doubles on its way, on a host that shows nothing of it, or not whose it is: no
    client can notice, or cancel what may be somebody else's."""
    is_doubled = case.on_create == "made-twice"
    return not (is_doubled and (case.may_stay_unknown or not PROFILES[case.profile].has_marks))


def _kills_on_profile(profile: str, calm: list[Verdict]) -> Iterator[Case]:
    """Every place with the most telling faults, each on one dialect; around the paid request on all of them."""
    lives = {verdict.case: verdict.passed for verdict in calm}
    first, hosts_like = hosts().index(profile), _behaving_like(profile)
    for fault in _MOST_TELLING:
        for turn, place in enumerate(POINTS, first):
            passed = _passing(lives, place, fault, profile)
            begin = turn % len(hosts_like)
            dialects = [*hosts_like[begin:], *hosts_like[:begin]]
            able = [dialect for dialect in dialects if dialect in passed]
            is_at_the_create = place in _AROUND_THE_CREATE and fault == "answer-lost"
            for dialect in able if is_at_the_create else able[:1]:
                passing = passed[dialect] if (turn // len(hosts_like)) % 2 else 1
                yield Case(dialect, on_create=fault, profile=profile, crash=place, passing=passing)


def _passing(lives: Mapping[Case, dict[str, int]], place: str, fault: str, profile: str) -> dict[Dialect, int]:
    """How often each dialect's life with this fault came by the place."""
    cases = [Case(dialect, on_create=fault, profile=profile) for dialect in _behaving_like(profile)]
    return {case.dialect: lives[case][place] for case in cases if place in lives[case]}


def _sample(cases: list[Case], size: int) -> list[Case]:
    """Always the same `size` of them."""
    return sorted(cases, key=lambda case: case.number)[:size]
