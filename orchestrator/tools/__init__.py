"""Plain Python functions as tools: their definitions, and how a model's calls are executed."""
