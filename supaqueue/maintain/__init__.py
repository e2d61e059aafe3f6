"""What keeps a queue in order: so far, bringing the SQL in the database up to date."""
