"""Fireworks: its own API for datasets, fine-tuning jobs, models and deployments, all under names that we choose."""
