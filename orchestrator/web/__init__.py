"""The page: what is recorded, for a browser. It keeps nothing; each request reads the ledger."""
