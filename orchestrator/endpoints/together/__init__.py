"""Together AI: its own API of files and fine-tuning jobs, and OpenAI's of chat."""

DEFAULT_EPOCHS = 1
"""The number of epochs of a job whose request names none."""
