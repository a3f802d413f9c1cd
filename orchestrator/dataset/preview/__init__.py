"""Rows as an open-weights model is trained on them, to look at before training."""
