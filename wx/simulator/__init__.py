"""Floor 2: the platform, played on this machine, with a virtual phone."""
