"""What keeps a queue in order: its SQL brought up to date, and what ended long ago removed."""
