"""Runs and sweeps for other programs: experiment trackers, and files for spreadsheets and data frames."""
