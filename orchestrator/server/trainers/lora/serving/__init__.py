"""What answers with open-weights models: the host process, which loads torch, and the server's side of it."""
