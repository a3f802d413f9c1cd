"""Read the functions that a model may call from files, Python and OpenAPI documents."""
