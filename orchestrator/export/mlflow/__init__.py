"""Runs and sweeps in an MLflow tracking server, over its REST API (version 2.0)."""
