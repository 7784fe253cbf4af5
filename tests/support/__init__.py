"""Real things for tests: databases, servers, clients, a bad network."""
