"""The tables. Times are seconds since the epoch, money is US dollars. Migrations (`migrations/`) build the same."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

REVISION = "v7"
"""The migrations up to this one build exactly these tables."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

sweeps = Table(
    "sweeps",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("endpoint", String(64), nullable=False),
    Column("job_file", Text, nullable=False),
    Column("spec", JSON, nullable=False),  # {"document": the job file, "files": {path: facts}, "interval": steps}
    Column("trials", Integer, nullable=False),  # the planned number; tpe draws those that are missing
    Column("max_active", Integer),
    Column("created_at", Float, nullable=False),
    Column("stopped_at", Float),  # by the user: nothing more is started
    Column("archived_at", Float),  # by the user: kept, and not listed
    UniqueConstraint("name", "endpoint"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("sweep_id", String(16), ForeignKey("sweeps.id")),
    # the request
    Column("fingerprint", String(64), nullable=False),  # SHA-256 of all that makes two runs the same
    Column("job_file", Text, nullable=False),
    Column("endpoint", String(64), nullable=False),
    Column("endpoint_type", String(16), nullable=False),
    Column("model", Text, nullable=False),
    Column("suffix", String(64)),
    # {"type", "hyperparameters", if present: "grader", "training_type", "base": {"folder", "mark"}}
    Column("method", JSON, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("seed_given", Boolean, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("training_path", Text, nullable=False),
    Column("training_sha256", String(64), nullable=False),
    Column("validation_path", Text),
    Column("validation_sha256", String(64)),
    Column("examples", Integer),
    Column("tokens_per_epoch", BigInteger),
    Column("estimated_cost_usd", Float),
    Column("max_cost_usd", Float),
    Column("poll_seconds", Float),
    # its state
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),  # why it is in this state, or what it waits for
    Column("version", Integer, nullable=False),
    Column("due_at", Float),  # nothing is tried before this time
    Column("requested_action", String(16)),  # cancel, pause or unpause, until the loop has carried it out
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("finished_at", Float),
    # who works on it
    Column("lease_owner", String(160)),
    Column("lease_expires_at", Float),
    # the paid request
    Column("creation_token", String(26)),
    Column("creation_started_at", Float),  # the first attempt: how far back a lost job is looked for
    Column("creation_attempted_at", Float),  # the last attempt: where the settling window begins
    Column("creation_attempts", Integer, nullable=False, default=0),
    Column("creation_open", Boolean, nullable=False, default=False),  # an attempt's outcome is not recorded yet
    # the endpoint wants no create request before this time; later, when a request to serve the model was last sent
    Column("create_not_before", Float),
    Column("account", Text),  # a mark of the account that the request goes to; see endpoints/accounts.py
    # from the endpoint
    Column("training_file_id", Text),
    Column("validation_file_id", Text),
    Column("job_id", Text),
    Column("remote_status", Text),
    Column("remote_job", JSON),
    Column("estimated_finish", Float),
    Column("fine_tuned_model", Text),
    Column("trained_tokens", BigInteger),
    Column("cost_usd", Float),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("error_param", Text),
    # what the user did with the records
    Column("archived_at", Float),  # kept, and not listed
    Column("deleted_at", Float),  # only this row is left, so that nothing is paid for again unnoticed
    UniqueConstraint("endpoint", "job_id"),
    Index("ix_runs_state_endpoint", "state", "endpoint"),
    Index("ix_runs_created_at", "created_at"),
    Index("ix_runs_name_created_at", "name", "created_at"),
    Index("ix_runs_sweep_id_created_at", "sweep_id", "created_at"),
    Index("ix_runs_fingerprint", "fingerprint"),
    Index("ix_runs_finished_at", "finished_at"),
    Index("ix_runs_lease_owner", "lease_owner"),
    Index("ix_runs_training_sha256_created_at", "training_sha256", "created_at"),
    Index("ix_runs_model_created_at", "model", "created_at"),
    Index("ix_runs_fine_tuned_model", "fine_tuned_model"),
    # with every column that counting needs, so that the rows themselves are not read
    Index("ix_runs_sweep_id_state_archived_at_deleted_at", "sweep_id", "state", "archived_at", "deleted_at"),
)

transitions = Table(
    "transitions",
    metadata,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("from_state", String(16)),
    Column("to_state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("owner", String(160)),
)

trials = Table(
    "trials",
    metadata,
    Column("sweep_id", ForeignKey("sweeps.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("parameters", JSON, nullable=False),
    Column("repeat", Integer, nullable=False),
    Column("fingerprint", String(64), nullable=False),  # that of its runs
    Column("run_id", ForeignKey("runs.id"), nullable=False),  # the last one, if it was retried
    Column("retries", Integer, nullable=False),
    Column("pruned", Text),  # the evidence for pruning, by the sweep's rule
    Column("listed", Boolean, nullable=False),  # whether the job file still asks for it
    UniqueConstraint("sweep_id", "fingerprint"),
    Index("ix_trials_run_id", "run_id"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("endpoint", String(64), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("sent_name", String(128), nullable=False),  # includes a prefix of the hash: finds it after a lost answer
    Column("bytes", BigInteger, nullable=False),
    Column("file_id", Text),
    Column("status", Text),
    Column("attempted_at", Float),
    Column("lease_owner", String(160)),
    Column("lease_expires_at", Float),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("endpoint", "purpose", "sha256"),
)

data_checks = Table(
    "data_checks",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("purpose", String(16), primary_key=True),  # the rules differ for validation data
    Column("method", String(16), nullable=False),
    Column("examples", Integer, nullable=False),
    Column("tokens", BigInteger),
    Column("variant", String(32)),  # the tool definitions: full, or one of the shortened variants
    Column("findings", JSON, nullable=False),  # {code: count}
    Column("checked_at", Float, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("position", Integer, nullable=False),  # order of arrival: many events share one second
    Column("created_at", Float, nullable=False),
    Column("level", Text, nullable=False),
    Column("type", Text),
    Column("message", Text, nullable=False),
    Column("data", JSON),
    Index("ix_events_run_id_created_at_position", "run_id", "created_at", "position"),
)

metrics = Table(
    "metrics",
    metadata,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("total_steps", Integer),
    Column("train_loss", Float),
    Column("train_accuracy", Float),
    Column("valid_loss", Float),
    Column("valid_accuracy", Float),
    Column("full_valid_loss", Float),
    Column("full_valid_accuracy", Float),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("checkpoint_id", Text, primary_key=True),
    Column("step", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("ix_checkpoints_model", "model"),
)

models = Table(
    "models",
    metadata,
    Column("endpoint", String(64), primary_key=True),
    Column("model", Text, primary_key=True),
    Column("run_id", ForeignKey("runs.id"), nullable=False),
    Column("base_model", String(256), nullable=False),
    Column("created_at", Float, nullable=False),
    Index("ix_models_created_at", "created_at"),
)

evaluations = Table(
    "evaluations",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("job_file", Text),
    Column("run_id", ForeignKey("runs.id")),  # the run it waits for, or that requested it
    Column("sweep_id", String(16)),  # the same for a whole sweep
    Column("endpoint", String(64), nullable=False),
    Column("endpoint_type", String(16), nullable=False),
    Column("file_path", Text, nullable=False),
    Column("file_sha256", String(64), nullable=False),
    Column("settings", JSON, nullable=False),  # models, variants, samples, temperature, rejection tools
    Column("state", String(16), nullable=False),  # wanted, asking, done or dropped
    Column("scored_with", Integer, nullable=False),  # the version of the scoring rules
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
    Index("ix_evaluations_file_sha256", "file_sha256"),
    Index("ix_evaluations_run_id", "run_id"),
    Index("ix_evaluations_sweep_id", "sweep_id"),
)

claims = Table(
    "claims",
    metadata,
    Column("name", Text, primary_key=True),  # of work that only one process does at a time
    Column("owner", String(160), nullable=False),
    Column("expires_at", Float, nullable=False),
)

answers = Table(
    "answers",
    metadata,
    Column("endpoint", String(64), primary_key=True),
    Column("model", Text, primary_key=True),
    Column("request_sha256", String(64), primary_key=True),  # of the whole request as JSON with sorted keys
    Column("sample", Integer, primary_key=True),  # from 0, if the same request is sent several times
    Column("completion", JSON, nullable=False),
    Column("seconds", Float),
    Column("answered_at", Float, nullable=False),
)

scores = Table(
    "scores",
    metadata,
    Column("evaluation_id", ForeignKey("evaluations.id"), primary_key=True),
    Column("model", Text, primary_key=True),
    Column("variant", String(32), primary_key=True),
    Column("case_id", Text, primary_key=True),
    Column("sample", Integer, primary_key=True),
    Column("line", Integer, nullable=False),
    Column("level", String(16)),  # the strictest level at which the answer is correct
    Column("mistake", String(32)),
    Column("detail", JSON, nullable=False),  # the whole verdict, its slices and cluster, tokens and seconds
)

deployments = Table(
    "deployments",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("endpoint", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("model", Text),  # unknown while it waits for its run
    Column("run_id", ForeignKey("runs.id")),
    Column("sku", String(32), nullable=False),
    Column("capacity", Integer, nullable=False),  # thousands of tokens per minute
    Column("temporary", Boolean, nullable=False),  # made for an evaluation, and removed when unused
    Column("made_elsewhere", Boolean, nullable=False),  # found on the account, and recorded to be removed
    # its state
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("due_at", Float),  # nothing is tried before this time
    Column("requested_action", String(16)),  # remove, until the loop has carried it out
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("requested_at", Float),  # the last request: after the first one, the account may have it
    Column("provisioned_at", Float),  # Azure called it Succeeded: hosting is charged from this time
    Column("deployed_at", Float),  # it answered
    Column("last_used_at", Float),  # by one of our requests
    Column("finished_at", Float),
    Column("error_code", Text),
    Column("error_message", Text),
    # who works on it
    Column("lease_owner", String(160)),
    Column("lease_expires_at", Float),
    Index("ix_deployments_endpoint_name", "endpoint", "name"),
    Index("ix_deployments_run_id", "run_id"),
)

deployment_moves = Table(
    "deployment_moves",
    metadata,
    Column("deployment_id", ForeignKey("deployments.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("from_state", String(16)),
    Column("to_state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("owner", String(160)),
)

deployment_uses = Table(
    "deployment_uses",
    metadata,
    Column("deployment_id", ForeignKey("deployments.id"), primary_key=True),
    Column("owner", String(160), primary_key=True),  # a process, as in leases
    Column("expires_at", Float, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("endpoint", String(64), nullable=False),
    Column("model", Text, nullable=False),
    Column("input_path", Text, nullable=False),  # the requests, as sent
    Column("input_sha256", String(64), nullable=False),
    Column("questions", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),  # why it is in this state, or what it waits for
    Column("version", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("due_at", Float),  # nothing is tried before this time
    Column("requested_action", String(16)),  # cancel, until it is carried out
    Column("finished_at", Float),
    Column("lease_owner", String(160)),
    Column("lease_expires_at", Float),
    Column("creation_token", String(26)),
    Column("creation_started_at", Float),  # the first attempt: how far back a lost batch is looked for
    Column("creation_attempts", Integer, nullable=False),
    Column("creation_open", Boolean, nullable=False),  # an attempt's outcome is not recorded yet
    Column("account", Text),  # a mark of the account that the request goes to; see endpoints/accounts.py
    Column("input_file_id", Text),
    Column("remote_id", Text),
    Column("remote_status", Text),
    Column("remote_batch", JSON),
    Column("completed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    UniqueConstraint("endpoint", "remote_id"),
    Index("ix_batches_finished_at", "finished_at"),
)

batch_transitions = Table(
    "batch_transitions",
    metadata,
    Column("batch_id", ForeignKey("batches.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("from_state", String(16)),
    Column("to_state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("owner", String(160)),
)

batched_questions = Table(
    "batched_questions",
    metadata,
    # The key is that of `answers`: a question in one batch can't be put into another.
    Column("endpoint", String(64), primary_key=True),
    Column("model", Text, primary_key=True),
    Column("request_sha256", String(64), primary_key=True),
    Column("sample", Integer, primary_key=True),
    Column("batch_id", ForeignKey("batches.id"), nullable=False),
    Index("ix_batched_questions_batch_id", "batch_id"),
)

generations = Table(
    "generations",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("endpoint", String(64), nullable=False),  # of the teacher
    Column("output_path", Text, nullable=False),
    Column("fingerprint", String(64), nullable=False),  # SHA-256 of all that makes two generations the same
    Column("spec", JSON, nullable=False),  # the functions and the settings; everything else follows from them
    Column("max_cost_usd", Float),
    # its state
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("due_at", Float),  # nothing is tried before this time
    Column("requested_action", String(16)),  # cancel, until it is carried out
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("finished_at", Float),
    # its results
    Column("targets", Integer, nullable=False),  # planned examples
    Column("examples", Integer, nullable=False),  # examples made so far
    Column("written_sha256", String(64)),  # of the output file, as last written
    # who works on it
    Column("lease_owner", String(160)),
    Column("lease_expires_at", Float),
    Index("ix_generations_output_path", "output_path"),
    Index("ix_generations_finished_at", "finished_at"),
)

generation_moves = Table(
    "generation_moves",
    metadata,
    Column("generation_id", ForeignKey("generations.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("from_state", String(16)),
    Column("to_state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("owner", String(160)),
)

generation_requests = Table(
    "generation_requests",
    metadata,
    # The key after the generation is that of `answers`, which has the answer.
    Column("generation_id", ForeignKey("generations.id"), primary_key=True),
    Column("model", Text, primary_key=True),
    Column("request_sha256", String(64), primary_key=True),
    Column("sample", Integer, primary_key=True),
    Column("intended_at", Float, nullable=False),  # written before the request is sent
    Column("sends", Integer, nullable=False),  # how often it may have been sent
    Column("estimated_usd", Float),  # of sending it once
    Column("cost_usd", Float),  # by the tokens of its answer
    Column("failures", Integer, nullable=False),
    Column("problem", Text),  # why it has no answer
)

# --- Bookkeeping: none of it is part of what makes two runs the same -------------------------------------------

job_files = Table(
    "job_files",
    metadata,
    Column("sha256", String(64), primary_key=True),  # of the text in UTF-8
    Column("text", Text, nullable=False),
)

submissions = Table(
    "submissions",
    metadata,
    Column("kind", String(16), primary_key=True),  # run, sweep, evaluation, generation or deployment
    Column("item_id", String(16), primary_key=True),
    Column("user", String(64), nullable=False),
    Column("host", String(128), nullable=False),
    Column("git_commit", String(64)),
    Column("git_clean", Boolean),  # whether the working tree had no changes
    Column("ftorch_version", String(64), nullable=False),
    Column("job_file_sha256", ForeignKey("job_files.sha256")),
    Column("at", Float, nullable=False),
    Index("ix_submissions_user", "user"),
)

tags = Table(
    "tags",
    metadata,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("value", String(256), nullable=False),
    Index("ix_tags_key_value", "key", "value"),
)

notes = Table(
    "notes",
    metadata,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("number", Integer, primary_key=True),  # from 1
    Column("user", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("at", Float, nullable=False),
)

deleted_calls = Table(
    "deleted_calls",
    metadata,
    # What the answers of a deleted run's models cost: they were paid for, so their tokens still count.
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("endpoint", String(64), nullable=False),
    Column("model", Text, primary_key=True),
    Column("is_batch", Boolean, primary_key=True),  # asked through a Batch API
    Column("day", Float, primary_key=True),  # when it began, in UTC
    Column("answers", Integer, nullable=False),
    Column("uncounted", Integer, nullable=False),  # answers without a count of tokens
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
)

promotions = Table(
    "promotions",
    metadata,
    Column("number", Integer, primary_key=True),  # the last one of a model says its stage
    Column("endpoint", String(64), nullable=False),
    Column("model", Text, nullable=False),
    Column("name", String(64), nullable=False),  # of the model's run: a name has one model in production
    Column("stage", String(16), nullable=False),  # candidate, production or retired
    Column("user", String(64), nullable=False),
    Column("evaluation_id", String(16)),  # which met the gate
    Column("reason", Text, nullable=False),
    Column("at", Float, nullable=False),
    Index("ix_promotions_endpoint_model", "endpoint", "model"),
    Index("ix_promotions_name", "name"),
)

model_endings = Table(
    "model_endings",
    metadata,
    Column("endpoint", String(64), primary_key=True),
    Column("model", Text, primary_key=True),  # tuned, or a base model: what is tuned from it ends with it
    Column("ends_at", Float, nullable=False),  # when that day begins, in UTC
    Column("seen_at", Float, nullable=False),
)

exports = Table(
    "exports",
    metadata,
    Column("destination", Text, primary_key=True),  # a tracker's address and experiment
    Column("kind", String(16), primary_key=True),  # run or sweep
    Column("item_id", String(16), primary_key=True),
    Column("remote_id", Text),  # the tracker's id of it
    Column("sent", JSON, nullable=False),  # how much of it the tracker has
    Column("problem", Text),  # why the last attempt failed
    Column("updated_at", Float, nullable=False),
)

notifications = Table(
    "notifications",
    metadata,
    Column("kind", String(16), primary_key=True),  # run, sweep, evaluation or batch; target for when it was set up
    Column("item_id", String(16), primary_key=True),
    Column("event", String(64), primary_key=True),  # what happened to it
    Column("target", String(64), primary_key=True),  # a [notify] table
    Column("state", String(16), nullable=False),  # sending, sent, failed or unclear
    Column("problem", Text),  # why it failed
    Column("at", Float, nullable=False),
    Index("ix_notifications_state", "state"),
)
