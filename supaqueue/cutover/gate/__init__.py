"""What lets a rollout go on, and what takes it back."""
