"""Chat with a model that calls Python functions: its calls are checked, allowed, executed and answered."""
