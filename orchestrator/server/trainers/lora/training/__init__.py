"""The program that trains, in the trainer's Python: torch is loaded here."""
