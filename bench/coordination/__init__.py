"""How processes share a runs folder: heartbeats show who is alive, leases who works on what."""
