"""Floor 3: what the program does. Knows no web framework and no SQL."""
