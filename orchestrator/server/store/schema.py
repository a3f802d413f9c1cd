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

STEPS = (FIRST_TABLES, ANSWERS)
VERSION = len(STEPS)
"""How many of the steps a store has behind it, kept in SQLite's `user_version`; one with more of them belongs to a
newer program."""
