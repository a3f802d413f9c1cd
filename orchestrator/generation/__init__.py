"""Make training data from function definitions: every call they allow, in words that people use.

Code decides the answer of each example first. A teacher model then writes the request. Every row is checked
against its answer, and each dropped row is counted by reason.
"""
