"""What is wrong with a data file: its lines, messages, tools and calls, and what only shows between files."""
