"""Python functions as tools: their definitions, and the execution of a model's calls."""
