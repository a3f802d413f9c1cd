"""The rules that docs/runs.md promises, each broken in one place of the product, and what has to notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

from support.breaking import Break, Patch

from orchestrator.api.host import Host
from orchestrator.endpoints import objects, openai
from orchestrator.endpoints.interface import JobPage
from orchestrator.endpoints.openai import OpenAIEndpoint
from orchestrator.endpoints.pages import read_page
from orchestrator.engine.machine import Move
from orchestrator.errors import EndpointBusy, RequestRefused
from orchestrator.runs import adoption, collecting, doctor, engine, jobs, marks, polling, reconcile, steps, waiting
from orchestrator.runs.context import Context
from orchestrator.runs.earlier import History
from orchestrator.runs.states import POLLED, State, record, state_of
from orchestrator.store.database import Database
from orchestrator.store.runs import Run

# --- 1: certain marks decide --------------------------------------------------------------------------------------


def a_seed_of_ours_is_no_proof(patch: Patch) -> None:
    honest = marks.is_certain
    _certain_where(patch, lambda job, run: honest(job, replace(run, seed_given=True)))


def a_contradiction_is_a_disproof(patch: Patch) -> None:
    honest = marks.is_certain

    def strict(job: Any, run: Run) -> bool:
        return honest(job, run) and job.training_file == run.training_file_id and job.model == run.model

    _certain_where(patch, strict)


def a_seed_of_the_users_is_proof(patch: Patch) -> None:
    honest = marks.is_certain
    _certain_where(patch, lambda job, run: honest(job, replace(run, seed_given=False)))


def _certain_where(patch: Patch, is_certain: Callable[[Any, Run], bool]) -> None:
    for module in (reconcile, adoption, doctor):
        patch.setattr(module, "is_certain", is_certain)


# --- 2: "not there" needs a proof ---------------------------------------------------------------------------------


def a_list_without_an_array_is_empty(patch: Patch) -> None:
    honest = read_page

    def lenient(raw: Any) -> Any:
        return honest(raw if isinstance(raw.get("data"), list) else {"data": [], "has_more": False})

    patch.setattr(openai, "read_page", lenient)


def the_first_page_is_all(patch: Patch) -> None:
    honest = OpenAIEndpoint.jobs

    async def first(self: OpenAIEndpoint, *args: Any, **kwargs: Any) -> JobPage:
        return replace(await honest(self, *args, **kwargs), next=None, is_last=True)

    patch.setattr(OpenAIEndpoint, "jobs", first)


def an_unreadable_list_is_proof(patch: Patch) -> None:
    honest = reconcile._listed

    async def sure(run: Run, context: Context) -> Any:
        return (await honest(run, context))[0], None

    patch.setattr(reconcile, "_listed", sure)


def another_accounts_list_is_proof(patch: Patch) -> None:
    async def never(*_: Any) -> None:
        return None

    patch.setattr(reconcile, "_other_account", never)


def nothing_has_to_settle(patch: Patch) -> None:
    patch.setattr(Context, "searched_seconds", lambda _context, _what: inf)


# --- 3: a run belongs to an account -------------------------------------------------------------------------------


def any_key_judges_any_run(patch: Patch) -> None:
    async def none(_context: Context) -> set[str]:
        return set()

    patch.setattr(engine, "runs_of_other_accounts", none)


# --- 4: a refusal is believed after a look, repeats are few ------------------------------------------------------


def a_refusal_is_believed_without_a_look(patch: Patch) -> None:
    def at_once(_run: Run, error: RequestRefused, _context: Context) -> Move:
        return reconcile.refused(error)

    patch.setattr(steps, "_refused", at_once)


def attempts_are_many(patch: Patch) -> None:
    patch.setattr(reconcile, "MOST_ATTEMPTS", 6)


def no_look_before_a_repeat(patch: Patch) -> None:
    async def blind(run: Run, context: Context) -> Any:
        return reconcile.next_attempt(run, context, "the last request was refused for now")

    patch.setattr(steps, "look_before_asking", blind)


def the_named_time_is_ignored(patch: Patch) -> None:
    honest = steps._busy

    def at_once(run: Run, error: EndpointBusy, context: Context) -> Any:
        error.facts["retry_after"] = 0.0
        return honest(run, error, context)

    patch.setattr(steps, "_busy", at_once)


def an_unknown_outcome_is_asked_again_at_once(patch: Patch) -> None:
    async def again(run: Run, context: Context) -> Any:
        return reconcile.next_attempt(run, context, "the answer was lost")

    patch.setattr(steps, "look_for_job", again)


def creates_carry_no_idempotency_key(patch: Patch) -> None:
    honest = OpenAIEndpoint._once

    async def bare(self: OpenAIEndpoint, *args: Any, **fields: Any) -> Any:
        fields.pop("extra_headers", None)
        return await honest(self, *args, **fields)

    patch.setattr(OpenAIEndpoint, "_once", bare)


def a_file_that_is_not_ready_is_refused(patch: Patch) -> None:
    patch.setattr(steps, "_is_about_a_new_file", lambda *_: False)


def any_id_is_an_id(patch: Patch) -> None:
    patch.setattr(objects, "usable_id", lambda raw: str(raw.get("id")))


# --- 5: failed and cancelled are for what is certain -------------------------------------------------------------


def an_unconfirmed_create_is_failed(patch: Patch) -> None:
    honest = reconcile._unsettled
    patch.setattr(reconcile, "_unsettled", lambda *args: replace(honest(*args), to=State.FAILED))


def a_vanished_job_is_failed(patch: Patch) -> None:
    def certain(context: Context, run: Run, outcome: Any) -> Any:
        is_unsure = isinstance(outcome, Move) and outcome.to is State.UNKNOWN
        return record(context, run, replace(outcome, to=State.FAILED) if is_unsure else outcome)

    patch.setattr(polling, "record", certain)


def a_checkpoint_is_taken_for_the_model(patch: Patch) -> None:
    honest = collecting._without_model

    def take(run: Run, job: Any, harvest: Any, context: Context) -> Move:
        if not harvest.checkpoints:
            return honest(run, job, harvest, context)
        return collecting._succeed(run, job, harvest, harvest.checkpoints[-1].model, context)

    patch.setattr(collecting, "_without_model", take)


# --- 6: words, or what else tells the end ------------------------------------------------------------------------


def an_end_in_unknown_words_is_a_failure(patch: Patch) -> None:
    def pessimist(job: Any) -> State | None:
        by_the_rest = state_of(replace(job, status="another word"))
        return State.FAILED if state_of(job) == by_the_rest == State.COLLECTING else state_of(job)

    for module in (polling, steps, reconcile, jobs):
        patch.setattr(module, "state_of", pessimist)


def paused_jobs_are_not_looked_at_again(patch: Patch) -> None:
    left = tuple(state for state in POLLED if state is not State.PAUSED)
    for module in (polling, engine):
        patch.setattr(module, "POLLED", left, raising=False)


# --- 7: one run's trouble is its own -----------------------------------------------------------------------------


def one_jobs_trouble_ends_all(patch: Patch) -> None:
    def end(_job_id: str, error: Exception, _context: Context, **_: Any) -> None:
        raise error

    patch.setattr(polling, "_look_less", end)


def events_that_fail_end_the_run(patch: Patch) -> None:
    async def end(run: Run, context: Context, what: str, fetched: Any) -> Any:
        return await fetched

    patch.setattr(collecting, "_optional", end)


# --- 8: waiting is bounded and visible ---------------------------------------------------------------------------


def without_a_time_pauses_do_not_grow(patch: Patch) -> None:
    honest = steps._busy

    def steady(run: Run, error: EndpointBusy, context: Context) -> Any:
        context.turned_away.pop(run.id, None)
        return honest(run, error, context)

    patch.setattr(steps, "_busy", steady)


def a_wait_is_one_long_sleep(patch: Patch) -> None:
    for module in (steps, waiting):
        patch.setattr(module, "LONGEST_PAUSE_SECONDS", inf)


# --- 9: reading is bounded ---------------------------------------------------------------------------------------


def any_number_is_taken(patch: Patch) -> None:
    patch.setattr(objects, "_LARGEST_WHOLE", 10**4000)


# --- 10: the same content in other words -------------------------------------------------------------------------


def the_same_content_is_not_found(patch: Patch) -> None:
    patch.setattr(History, "match", lambda *_: None)


# --- 11: the records survive -------------------------------------------------------------------------------------


def an_intent_stays_in_the_log(patch: Patch) -> None:
    patch.setattr(Database, "checkpoint", lambda _database: False)


def a_lost_log_is_not_noticed(patch: Patch) -> None:
    patch.setattr("orchestrator.store.intents.note", lambda *_: None)


# --- 12: exit codes ----------------------------------------------------------------------------------------------


def every_end_is_0(patch: Patch) -> None:
    patch.setattr(Host, "failed", lambda *_: None)


_LOST = "on_create=answer-lost"
BREAKS: tuple[Break, ...] = (
    Break(1, a_seed_of_ours_is_no_proof, ("hosts/test_marks.py",)),
    Break(
        1,
        a_contradiction_is_a_disproof,
        ("hosts/test_each_shape.py", "runs/test_reconcile.py"),
        (f"marks,{_LOST},profile=model-renamed", f"azure-v1,{_LOST},profile=other-training-file"),
    ),
    Break(1, a_seed_of_the_users_is_proof, ("runs/test_reconcile.py",)),
    Break(
        2,
        a_list_without_an_array_is_empty,
        ("hosts/test_lists.py",),
        (f"marks,{_LOST},profile=list-under-jobs", f"azure-v1,{_LOST},profile=list-says-error"),
    ),
    Break(2, the_first_page_is_all, ("hosts/test_lists.py",)),
    Break(2, an_unreadable_list_is_proof, ("hosts/test_lists.py",), (f"azure-v1,{_LOST},profile=no-list-route",)),
    Break(2, another_accounts_list_is_proof, ("hosts/test_lists.py",)),
    Break(2, nothing_has_to_settle, (), ("metadata,on_create=arrives-late",)),
    Break(3, any_key_judges_any_run, ("hosts/test_sick_jobs.py", "runs/test_accounts.py")),
    Break(4, a_refusal_is_believed_without_a_look, ("hosts/test_refusals.py",)),
    Break(4, attempts_are_many, ("hosts/test_refusals.py",)),
    Break(4, no_look_before_a_repeat, ("runs/test_creating.py",)),
    Break(4, the_named_time_is_ignored, ("hosts/test_refusals.py",)),
    Break(4, an_unknown_outcome_is_asked_again_at_once, (), (f"metadata,{_LOST}", "marks,crash=after-create")),
    Break(4, creates_carry_no_idempotency_key, ("endpoints/test_openai.py",)),
    Break(4, a_file_that_is_not_ready_is_refused, ("hosts/test_refusals.py",)),
    Break(4, any_id_is_an_id, ("hosts/test_each_shape.py",), ("metadata,on_create=no-id",)),
    Break(
        5, an_unconfirmed_create_is_failed, ("hosts/test_refusals.py",), (f"marks,{_LOST},profile=no-list-route",)
    ),
    Break(5, a_vanished_job_is_failed, ("hosts/test_sick_jobs.py",)),
    Break(5, a_checkpoint_is_taken_for_the_model, ("runs/test_collecting.py",)),
    Break(
        6,
        an_end_in_unknown_words_is_a_failure,
        (),
        ("metadata,profile=unknown-status-words",),
    ),
    Break(6, paused_jobs_are_not_looked_at_again, ("hosts/test_endings.py",)),
    Break(7, one_jobs_trouble_ends_all, ("hosts/test_sick_jobs.py",)),
    Break(7, events_that_fail_end_the_run, ("hosts/test_each_shape.py", "hosts/test_sick_jobs.py")),
    Break(8, without_a_time_pauses_do_not_grow, ("hosts/test_refusals.py",)),
    Break(8, a_wait_is_one_long_sleep, ("runs/test_creating.py",)),
    Break(9, any_number_is_taken, ("endpoints/test_openai.py",)),
    Break(10, the_same_content_is_not_found, ("cli/test_trained_before.py",)),
    Break(11, an_intent_stays_in_the_log, ("store/test_intents.py",)),
    Break(11, a_lost_log_is_not_noticed, ("store/test_intents.py",)),
    Break(12, every_end_is_0, ("cli/test_exit_codes.py",)),
)
