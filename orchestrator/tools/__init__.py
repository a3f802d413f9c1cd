"""Plain Python functions as tools: what a model is told of them, and what becomes of its calls."""
