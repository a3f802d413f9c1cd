"""Telling people outside this process what ended, and what needs a person: by a command or a webhook."""
