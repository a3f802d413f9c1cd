"""What keeps a stranger's folder, host or client from doing harm, each taken away, and what has to notice."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import Any

from support.breaking import Break, Patch

from orchestrator import browsers, childenv, config, tomlsource, trust
from orchestrator.api import submit
from orchestrator.dataset.checking import checks, schemas
from orchestrator.deployments import steps
from orchestrator.endpoints import clients, keys
from orchestrator.endpoints.azure import refusals as azure_refusals
from orchestrator.endpoints.bounded import BoundedClient
from orchestrator.evaluation import answers
from orchestrator.jobfile.addresses import Address
from orchestrator.reports import table
from orchestrator.runs import plan
from orchestrator.server import bodies, hosts
from orchestrator.store import database
from orchestrator.web import app as page_app, guard
from orchestrator.web.actions import action_routes
from orchestrator.web.settings import Settings

# --- 1: a folder from elsewhere -----------------------------------------------------------------------------------


def everything_is_remembered_as_allowed(patch: Patch) -> None:
    patch.setattr(trust, "_is_remembered", lambda _mark: True)


def built_in_names_may_lead_elsewhere(patch: Patch) -> None:
    patch.setattr(config, "_require_built_in_stay", lambda *_: None)


def a_state_directory_of_anybodys_is_used(patch: Patch) -> None:
    patch.setattr(trust, "use_state", lambda _home: None)


# --- 2: addresses as training files -------------------------------------------------------------------------------


def any_variable_is_filled_into_an_address(patch: Patch) -> None:
    patch.setattr(plan, "unlisted_variable", lambda *_: None)


def private_addresses_are_as_good_as_others(patch: Patch) -> None:
    patch.setattr(Address, "doubt", property(lambda _address: None))


# --- 3: files from elsewhere, and files that are no data ----------------------------------------------------------


def files_outside_are_sent_unasked(patch: Patch) -> None:
    patch.setattr(submit, "require_own_files", lambda *_args, **_options: None)


def findings_quote_any_file(patch: Patch) -> None:
    patch.setattr(checks, "without_content", lambda finding: finding)


# --- 4: keys ------------------------------------------------------------------------------------------------------


def only_the_plain_spelling_of_a_key_is_hidden(patch: Patch) -> None:
    patch.setattr(keys, "_escaped", lambda secret: re.compile(re.escape(secret)))


def child_processes_inherit_everything(patch: Patch) -> None:
    patch.setattr(childenv, "child_environment", lambda **more: {**os.environ, **more})


def this_machine_is_reached_by_proxies(patch: Patch) -> None:
    patch.setattr(clients, "_LOOPBACK", ())


def what_is_openais_goes_everywhere(patch: Patch) -> None:
    patch.setattr(clients, "_forget_environment", lambda *_: None)


def redirects_are_followed(patch: Patch) -> None:
    def following(**options: Any) -> BoundedClient:
        return BoundedClient(**{**options, "follow_redirects": True})

    patch.setattr(clients, "BoundedClient", following)


def a_databases_address_is_shown_whole(patch: Patch) -> None:
    patch.setattr(database, "_shown", lambda url: url.render_as_string(hide_password=False))


# --- 5: the server ------------------------------------------------------------------------------------------------


def any_host_name_is_answered(patch: Patch) -> None:
    patch.setattr(browsers.HostNames, "include", lambda *_: True)


def any_site_may_ask(patch: Patch) -> None:
    patch.setattr(hosts, "is_foreign", lambda *_: False)
    patch.setattr(guard, "is_foreign", lambda *_: False)


def anybody_may_send_the_pages_forms(patch: Patch) -> None:
    patch.setattr(Settings, "is_ours", lambda *_: True)


def any_token_opens_the_page(patch: Patch) -> None:
    patch.setattr(Settings, "is_token", lambda *_: True)


def the_page_runs_any_script(patch: Patch) -> None:
    patch.setitem(guard._HEADERS, "content-security-policy", "default-src *")


def read_only_is_only_a_word(patch: Patch) -> None:
    patch.setattr(page_app, "_routes_that_write", lambda c: action_routes(c.ledger, c.settings, c.work))


def bodies_may_have_any_size(patch: Patch) -> None:
    patch.setattr(bodies, "bounded", lambda request, _most, _refusal: request)


# --- 6: bombs -----------------------------------------------------------------------------------------------------


def references_may_multiply(patch: Patch) -> None:
    patch.setattr(schemas, "is_too_much", lambda _schema: False)


def a_job_file_may_have_any_size(patch: Patch) -> None:
    patch.setattr(tomlsource, "_DEEP", re.compile("(?!)"))


def any_number_counts_tokens(patch: Patch) -> None:
    patch.setattr(answers, "_count", lambda value: value)


def texts_in_csv_may_begin_formulas(patch: Patch) -> None:
    patch.setattr(table, "harmless", lambda data: data)


# --- 7 and 8: words of refusals, and "answers" --------------------------------------------------------------------


def azures_refusals_come_without_a_next_step(patch: Patch) -> None:
    patch.setattr(azure_refusals, "_REFUSALS", ())


def a_deployment_answers_when_azure_says_succeeded(patch: Patch) -> None:
    async def silent(*_: Any) -> None:
        return None

    patch.setattr(steps, "_no_answer", silent)


_SECRETS, _TRUST = partial("security/test_secrets.py::{}".format), partial("security/test_trust.py::{}".format)
BREAKS: tuple[Break, ...] = (
    Break(1, everything_is_remembered_as_allowed, (_TRUST("test_nothing_goes_to_a_host_before_it_is_allowed"),)),
    Break(
        1, built_in_names_may_lead_elsewhere, (_TRUST("test_a_project_can_not_point_a_built_in_name_elsewhere"),)
    ),
    Break(1, a_state_directory_of_anybodys_is_used, (_TRUST("test_a_link_is_not_followed_unasked"),)),
    Break(2, any_variable_is_filled_into_an_address, ("runs/test_azure_plans.py",)),
    Break(2, private_addresses_are_as_good_as_others, ("runs/test_azure_plans.py",)),
    Break(3, files_outside_are_sent_unasked, ("cli/test_outside.py",)),
    Break(3, findings_quote_any_file, ("dataset/test_foreign_content.py",)),
    Break(4, only_the_plain_spelling_of_a_key_is_hidden, ("security/test_secrets.py",)),
    Break(4, child_processes_inherit_everything, ("security/test_child_processes.py",)),
    Break(4, this_machine_is_reached_by_proxies, (_SECRETS("test_this_machine_is_reached_past_every_proxy"),)),
    Break(4, what_is_openais_goes_everywhere, (_SECRETS("test_what_is_openais_goes_to_no_other_host"),)),
    Break(4, redirects_are_followed, ("security/test_keys.py",)),
    Break(4, a_databases_address_is_shown_whole, (_SECRETS("test_a_databases_password_is_not_shown"),)),
    Break(5, any_host_name_is_answered, ("server/test_hosts.py", "web/test_guard.py")),
    Break(5, any_site_may_ask, ("server/test_hosts.py", "web/test_guard.py")),
    Break(5, anybody_may_send_the_pages_forms, ("web/test_guard.py",)),
    Break(5, any_token_opens_the_page, ("web/test_guard.py",)),
    Break(5, the_page_runs_any_script, ("web/test_guard.py",)),
    Break(5, read_only_is_only_a_word, ("web/test_guard.py",)),
    Break(5, bodies_may_have_any_size, ("server/test_request_bodies.py",)),
    Break(6, references_may_multiply, ("dataset/test_schema_cost.py",)),
    Break(6, a_job_file_may_have_any_size, ("test_tomlsource.py",)),
    Break(6, any_number_counts_tokens, ("evaluation/test_answers.py",)),
    Break(6, texts_in_csv_may_begin_formulas, ("reports/test_table.py",)),
    Break(7, azures_refusals_come_without_a_next_step, ("endpoints/azure/test_advice.py",)),
    Break(8, a_deployment_answers_when_azure_says_succeeded, ("deployments/test_driving.py",)),
)
