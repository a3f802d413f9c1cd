"""The tiny trainer: a log-linear tool caller on the CPU, in the standard library alone."""
