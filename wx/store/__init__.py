"""Floor 2: what is kept, in SQLite. One file for each table, whole statements."""
