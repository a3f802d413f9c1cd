"""Questions that an endpoint answers later, many in one file: recorded, created once, followed, and collected."""
