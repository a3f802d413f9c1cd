"""Which tests are slow, by their file or name: `make test` leaves them out, `make test-all` runs them."""

from __future__ import annotations

SLOW = (
    "e2e/",  # real processes, killed and raced
    "faults/",  # lives and deaths in virtual time; a sample of the product stays among the fast ones
    "dataset/rendering/test_smollm2.py",  # a real tokenizer, and transformers beside it
    "dataset/rendering/test_trl_templates.py",  # 72 templates, 20 cases each
    "docs/test_examples.py",  # a server and a notebook, trained on the whole drone data
    "docs/test_server_pages.py",  # a server as a process, and a client that trains there
    "docs/test_readme.py",  # every command of the README, sweep included
    "docs/test_chat_page.py",  # trains on the stock data
    "docs/test_pages.py::test_the_commands",  # every command of the pages
    "hosts/",  # one project and one life of a run for each habit of a host
    "jobs/",  # trains the shipped jobs
    "security/test_canaries.py",  # every command, against a host that echoes what it gets
    "security/test_hostile_answers.py",  # hosts that are silent or drip, and a bomb
    "server/test_killed.py",  # trainers and hosts that are killed
    "server/trainers/test_cross_validation.py",  # trains the drone data many times over
    "store/test_recovery.py",  # full disks, killed processes, locks held by other programs
    # processes that are killed or interrupted, several at once, or at a terminal
    "cli/test_chat.py::test_ctrl_c_ends_the_function",
    "cli/test_chat.py::test_ctrl_d",
    "cli/test_exit_codes.py::test_ctrl_c",
    "cli/test_wait.py::test_a_followed_run_is_only_watched",
    "cli/test_wait.py::test_ctrl_c",
    "evaluation/batching/test_killed_batches.py",
    "generation/test_killed_generations.py",
    "notifications/test_notifications.py::test_one_that_was_being_sent_when_its_process_was_killed",
    "security/test_access.py::test_nobody_else_can_read_what_a_run_leaves",
    "security/test_keys.py::test_a_killed_process_leaves_no_key_behind",
    "security/test_texts.py::test_no_terminal_is_steered_by_a_refusal_or_its_log",
    "server/test_serve.py::test_ctrl_c",
    "store/test_database.py::test_a_quota",
    "store/test_migrate.py::test_a_developer_can_use_alembic_itself",
    "store/test_migrate.py::test_a_first_start_that_is_killed",
    "store/test_migrate.py::test_a_migration_that_is_killed",
    "store/test_migrate.py::test_processes_that_start_at_once",
    # many mutations or requests
    "server/test_malformed_requests.py",
)

FAST = ("faults/test_product.py", "faults/test_interleavings.py")
"""Exceptions inside slow folders."""


def is_slow(nodeid: str) -> bool:
    """Whether the test with this id is slow; pytest's ids start with the path below the top of the checkout."""
    place = nodeid.removeprefix("tests/")
    return place.startswith(SLOW) and not place.startswith(FAST)
