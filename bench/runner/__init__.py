"""From nodes of the plan to worker processes and back to records."""
