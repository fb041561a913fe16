"""Floor 2: calls to the platform."""
