"""What holds a request against its answer, and against all others."""
