"""One module per family of task categories: data in, preprocessing, metrics out. Knows no framework."""
