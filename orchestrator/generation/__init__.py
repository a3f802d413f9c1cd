"""Making training data from function definitions: every call they allow, in words that people use.

The answer of each example is settled in code before anybody writes its words. A teacher model writes the words;
every row is checked against its answer, and each row that is dropped is counted with its reason.
"""
