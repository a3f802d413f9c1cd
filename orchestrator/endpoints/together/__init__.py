"""Together AI: its own API of files and fine-tuning jobs, and OpenAI's of chat."""
