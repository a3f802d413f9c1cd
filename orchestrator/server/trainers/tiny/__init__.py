"""The tiny trainer: a log-linear tool caller on the CPU, with only the standard library."""
