"""How finished networks are measured: latency, throughput, operations, and the machine's health."""
