"""How models write tool calls: one file for each way to write arguments."""
