"""Checks of a request against its answer and against all other requests."""
