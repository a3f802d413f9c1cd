"""What starts the programs that train: child processes of this machine, or a Ray cluster."""
