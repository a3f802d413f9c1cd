"""The calls that functions allow: choices from JSON Schema, cells, and values."""
