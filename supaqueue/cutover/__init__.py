"""Leaving the legacy queue: two queues as one until the old one is off and this folder can go."""
