"""From files, Python and OpenAPI documents to the functions that a model may call."""
