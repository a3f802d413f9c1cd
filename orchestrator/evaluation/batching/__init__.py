"""Batches: files of questions that an endpoint answers later; recorded, created once, polled and collected."""
