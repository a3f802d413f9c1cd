"""Keeping what an endpoint has of fine-tuning before it ends: models, jobs, files, evals."""
