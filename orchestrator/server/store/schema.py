"""The tables of the endpoint's own store."""

from __future__ import annotations

FIRST_TABLES = """
CREATE TABLE files (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    filename    TEXT NOT NULL,
    bytes       INTEGER NOT NULL,
    purpose     TEXT NOT NULL,
    blob        TEXT NOT NULL
);
CREATE TABLE uploads (
    id             TEXT PRIMARY KEY,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    filename       TEXT NOT NULL,
    bytes          INTEGER NOT NULL,
    purpose        TEXT NOT NULL,
    file_lifetime  INTEGER,
    status         TEXT NOT NULL,
    file           TEXT
);
CREATE TABLE parts (
    id          TEXT PRIMARY KEY,
    upload      TEXT NOT NULL REFERENCES uploads (id),
    created_at  INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    blob        TEXT NOT NULL
);
CREATE TABLE jobs (
    seq                       INTEGER PRIMARY KEY AUTOINCREMENT,
    id                        TEXT NOT NULL UNIQUE,
    created_at                INTEGER NOT NULL,
    started_at                INTEGER,
    finished_at               INTEGER,
    estimated_finish          INTEGER,
    status                    TEXT NOT NULL,
    validated                 INTEGER NOT NULL DEFAULT 0,
    trainer                   TEXT NOT NULL,
    model                     TEXT NOT NULL,
    base                      TEXT NOT NULL,
    model_token               TEXT NOT NULL,
    suffix                    TEXT,
    seed                      INTEGER NOT NULL,
    training_file             TEXT NOT NULL,
    validation_file           TEXT,
    method                    TEXT NOT NULL,
    n_epochs                  NOT NULL,
    batch_size                NOT NULL,
    learning_rate_multiplier  NOT NULL,
    beta,
    metadata                  TEXT,
    training_tokens           INTEGER,
    trained_tokens            INTEGER,
    fine_tuned_model          TEXT,
    result_file               TEXT,
    error                     TEXT
);
CREATE INDEX jobs_by_status ON jobs (status);
CREATE TABLE events (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    job         TEXT NOT NULL REFERENCES jobs (id),
    created_at  INTEGER NOT NULL,
    level       TEXT NOT NULL,
    kind        TEXT NOT NULL,
    message     TEXT NOT NULL,
    data        TEXT NOT NULL
);
CREATE INDEX events_by_job ON events (job, seq);
CREATE TABLE steps (
    job             TEXT NOT NULL REFERENCES jobs (id),
    step            INTEGER NOT NULL,
    train_loss      REAL,
    train_accuracy  REAL,
    valid_loss      REAL,
    valid_accuracy  REAL,
    PRIMARY KEY (job, step)
) WITHOUT ROWID;
CREATE TABLE checkpoints (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    job         TEXT NOT NULL REFERENCES jobs (id),
    created_at  INTEGER NOT NULL,
    step        INTEGER NOT NULL,
    model       TEXT NOT NULL,
    metrics     TEXT NOT NULL,
    blob        TEXT NOT NULL,
    UNIQUE (job, step)
);
CREATE TABLE models (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE,
    created_at  INTEGER NOT NULL,
    job         TEXT NOT NULL REFERENCES jobs (id),
    base        TEXT NOT NULL,
    trainer     TEXT NOT NULL,
    blob        TEXT NOT NULL
);
"""
ANSWERS = """
CREATE TABLE answers (
    key         TEXT PRIMARY KEY,
    created_at  INTEGER NOT NULL,
    request     TEXT NOT NULL,
    answer      TEXT NOT NULL
);
CREATE INDEX answers_by_age ON answers (created_at);
"""
BATCHES = """
CREATE TABLE batches (
    seq                INTEGER PRIMARY KEY AUTOINCREMENT,
    id                 TEXT NOT NULL UNIQUE,
    created_at         INTEGER NOT NULL,
    expires_at         INTEGER NOT NULL,
    endpoint           TEXT NOT NULL,
    completion_window  TEXT NOT NULL,
    input_file         TEXT NOT NULL,
    output_lifetime    INTEGER,
    metadata           TEXT,
    status             TEXT NOT NULL,
    model              TEXT,
    total              INTEGER NOT NULL,
    completed          INTEGER NOT NULL,
    failed             INTEGER NOT NULL,
    prompt_tokens      INTEGER NOT NULL,
    completion_tokens  INTEGER NOT NULL,
    in_progress_at     INTEGER,
    finalizing_at      INTEGER,
    completed_at       INTEGER,
    failed_at          INTEGER,
    expired_at         INTEGER,
    cancelling_at      INTEGER,
    cancelled_at       INTEGER,
    output_file        TEXT,
    error_file         TEXT,
    errors             TEXT
);
CREATE INDEX batches_by_status ON batches (status);
CREATE TABLE batch_answers (
    batch     TEXT NOT NULL REFERENCES batches (id),
    line      INTEGER NOT NULL,
    is_error  INTEGER NOT NULL,
    text      TEXT NOT NULL,
    PRIMARY KEY (batch, line)
) WITHOUT ROWID;
"""

DIALECTS = """
ALTER TABLE files ADD COLUMN problem TEXT;
ALTER TABLE jobs ADD COLUMN dialect TEXT NOT NULL DEFAULT 'openai';
ALTER TABLE jobs ADD COLUMN training_type TEXT;
ALTER TABLE jobs ADD COLUMN deleted_at INTEGER;
ALTER TABLE jobs ADD COLUMN model_name TEXT NOT NULL DEFAULT '';
UPDATE jobs SET model_name = 'ft:' || base || ':local:' || coalesce(suffix, '') || ':' || model_token;
ALTER TABLE jobs DROP COLUMN model_token;
CREATE TABLE deployments (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT NOT NULL,
    created_at     REAL NOT NULL,
    changed_at     REAL NOT NULL,
    deleted_at     REAL,
    last_used_at   REAL,
    sku            TEXT NOT NULL,
    capacity       INTEGER NOT NULL,
    model_format   TEXT NOT NULL,
    model          TEXT NOT NULL,
    model_version  TEXT NOT NULL,
    model_source   TEXT
);
CREATE UNIQUE INDEX deployments_by_name ON deployments (name) WHERE deleted_at IS NULL;
"""

STEPS = (FIRST_TABLES, ANSWERS, BATCHES, DIALECTS)
VERSION = len(STEPS)
"""How many of the steps a store has behind it, kept in SQLite's `user_version`; one with more of them belongs to a
newer program."""
