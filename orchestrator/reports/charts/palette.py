"""The colours of charts on white paper; `templates/report.css` has the same, and those for a dark screen."""

LINES = ("#0072b2", "#d55e00", "#007a5a", "#a64d85", "#8a6d00", "#3d7fc4", "#5a6472", "#000000")
"""By M. Okabe and K. Ito, "Color Universal Design", 2008, some darkened so that each contrasts 3:1 with white."""
TONES = ("#ccd3e3", "#b9c3df", "#a5b2da", "#8ea1d6", "#738bcf", "#5975c6", "#405fba", "#2849a8", "#12338f")
"""One hue, from what fades into the paper to what stands out: the order shows without colour vision too."""
INK, SOFT, RULE = "#1c2430", "#5a6472", "#d9dee5"
"""Of text, of axes and their numbers, and of the lines at the numbers."""
