"""Proof that two queues agree: both are listed independently, and each job's two records are compared."""
