"""Old queues: what each must be able to do, and the ones that are known."""
