"""How processes share a runs folder: heartbeats show which are alive, leases which tasks they work on."""
